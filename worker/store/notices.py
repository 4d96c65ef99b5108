"""What the daemon wants people to know and no row of a task shows; `status` lists them among the problems."""

from worker.store.db import Store


def put(store: Store, code: str, detail: str, now: int) -> None:
    """Raise or renew a notice, inside a transaction."""
    store.execute(
        """
        INSERT INTO notices (code, at, detail) VALUES (:code, :at, :detail)
        ON CONFLICT (code) DO UPDATE SET at = :at, detail = :detail
        """,
        {"code": code, "at": now, "detail": detail},
    )


def clear(store: Store, code: str) -> None:
    """The matter is over, inside a transaction."""
    store.execute("DELETE FROM notices WHERE code = :code", {"code": code})


def listed(store: Store) -> list[tuple[str, str]]:
    """(code, detail) of all that stand."""
    return [(row["code"], row["detail"]) for row in store.read("SELECT code, detail FROM notices ORDER BY code")]
