"""What a person must know and no task shows, as the daemon tells it; `status` lists it among the problems."""

from worker.store.db.store import Store


def put(store: Store, code: str, detail: str | None, now: int) -> None:
    """Raise or renew a notice, or withdraw it (``None``); inside a transaction."""
    clear(store, code)
    if detail is not None:
        store.execute(
            "INSERT INTO notices (code, at, detail) VALUES (:code, :at, :detail)",
            {"code": code, "at": now, "detail": detail},
        )


def clear(store: Store, code: str) -> None:
    """Withdraw a notice, inside a transaction."""
    store.execute("DELETE FROM notices WHERE code = :code", {"code": code})


def clear_older(store: Store, code: str, than: int) -> None:
    """Withdraw a notice that was raised before ``than`` (ms); inside a transaction."""
    store.execute("DELETE FROM notices WHERE code = :code AND at < :than", {"code": code, "than": than})


def listed(store: Store) -> list[tuple[str, str]]:
    """(code, detail) of all that stand."""
    return [(row["code"], row["detail"]) for row in store.read("SELECT code, detail FROM notices ORDER BY code")]
