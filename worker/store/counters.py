"""Numbers that are given once: the keys of rows that are written in bulk, and the numbers of the outbox.

Each counter is one row. A transaction that takes numbers changes that row and keeps it locked until it ends, so numbers
become visible in their order, none is given twice, and a transaction that fails leaves no gap.
"""

from typing import Literal

from worker.store.db.store import Store

Counter = Literal["outbox", "results", "answers", "sets", "later_refs"]
"""``later_refs`` counts the refs that were added to tasks which were known already."""


def take(store: Store, name: Counter, many: int = 1) -> int:
    """The first of ``many`` numbers that follow each other and were never given, inside a write transaction."""
    row = store.one(
        "UPDATE counters SET value = value + :many WHERE name = :name RETURNING value", {"many": many, "name": name}
    )
    assert row is not None
    return int(row["value"]) - many + 1


def value(store: Store, name: Counter) -> int:
    """The last number that was given."""
    row = store.one("SELECT value FROM counters WHERE name = :name", {"name": name})
    assert row is not None
    return int(row["value"])
