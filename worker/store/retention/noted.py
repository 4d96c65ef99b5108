"""What the purges have done, and what of it still stands in the file: one row of ``meta``."""

from typing import Any

from worker.store.db.store import Store
from worker.store.state import meta

_KEY = "retention"


def get(store: Store) -> dict[str, Any]:
    """``rows`` that were removed ``since`` (ms), and are still in the file; ``purged_at``: when the last purge ended;
    ``rewritten_at``: when the file was last rewritten; ``hindrance``: why it could not be, the last time."""
    return meta.get(store, _KEY)


def removed(store: Store, rows: int, now: int) -> None:
    """These rows were removed; inside the transaction that does it."""
    found = get(store)
    meta.put(store, _KEY, {**found, "rows": found.get("rows", 0) + rows, "since": found.get("since") or now})


def purged(store: Store, now: int) -> None:
    """A purge has ended; inside a transaction."""
    meta.put(store, _KEY, {**get(store), "purged_at": now})


def rewritten(store: Store, rows: int, now: int) -> None:
    """The file was rewritten when so many ``rows`` had been removed; inside a transaction."""
    found = get(store)
    left = max(0, found.get("rows", 0) - rows)
    meta.put(
        store,
        _KEY,
        {
            **found,
            "rows": left,
            "since": now if left else None,
            "rewritten_at": now,
            "hindrance": None,
            "tried_at": now,
        },
    )


def hindered(store: Store, why: str, now: int) -> None:
    """The file could not be rewritten; inside a transaction."""
    meta.put(store, _KEY, {**get(store), "hindrance": why, "tried_at": now})
