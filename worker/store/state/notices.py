"""What a person must know and no task shows, as the daemons tell it; `status` lists it among the problems.

What only one daemon can know is under its name, and it alone withdraws it: that is its own. What is found in the rows
that all share, as that the drop cannot be read, is under no name: any daemon may find that it is over.
"""

from typing import NamedTuple

from worker.store.db.store import Store


class Notice(NamedTuple):
    """``daemon``: whose it is; empty: of what all share."""

    daemon: str
    code: str
    detail: str


def put(store: Store, code: str, detail: str | None, now: int, *, own: bool = False) -> None:
    """Raise or renew a notice, or withdraw it (``None``); inside a transaction."""
    clear(store, code, own=own)
    if detail is not None:
        store.execute(
            "INSERT INTO notices (daemon, code, at, detail) VALUES (:daemon, :code, :at, :detail)",
            {"daemon": store.daemon if own else "", "code": code, "at": now, "detail": detail},
        )


def clear(store: Store, code: str, *, own: bool = False) -> None:
    """Withdraw a notice, inside a transaction."""
    store.execute(
        "DELETE FROM notices WHERE daemon = :daemon AND code = :code",
        {"daemon": store.daemon if own else "", "code": code},
    )


def clear_older(store: Store, code: str, than: int) -> None:
    """Withdraw a notice that was raised before ``than`` (ms), be it another daemon's; inside a transaction."""
    store.execute("DELETE FROM notices WHERE code = :code AND at < :than", {"code": code, "than": than})


def listed(store: Store) -> list[tuple[str, str]]:
    """(code, detail) of those that are of what all share."""
    return [(one.code, one.detail) for one in told(store) if not one.daemon]


def told(store: Store) -> list[Notice]:
    """All that stand."""
    rows = store.read("SELECT daemon, code, detail FROM notices ORDER BY code, daemon")
    return [Notice(row["daemon"], row["code"], row["detail"]) for row in rows]
