"""A submission while it is under way: a lookup for each of its refs, which ends when all that it began is known."""

from collections.abc import Sequence
from typing import Literal

from worker.core.intake.intake import Lookup
from worker.store.db.store import Store
from worker.store.tasks import lookups

# The answer is awaited for 130 s. A search before its end would find a part of what the request begins.
SEARCHED_AFTER_MS = 180_000

Use = Literal["", "searching", "used"]


def use_of(store: Store, correlation_id: str) -> Use:
    """Whether another request has this correlation id: one whose discoveries are looked for, or any that is known."""
    params = {"correlation_id": correlation_id}
    searching = store.one(
        "SELECT 1 AS found FROM lookups WHERE correlation_id = :correlation_id AND state = 'searching' LIMIT 1", params
    )
    if searching is not None:
        return "searching"
    used = store.one(
        """
        SELECT 1 AS found FROM lookups WHERE correlation_id = :correlation_id
        UNION ALL
        SELECT 1 AS found FROM tasks WHERE correlation_id = :correlation_id AND length(correlation_id) <= 500 LIMIT 1
        """,
        params,
    )
    return "" if used is None else "used"


def begin(store: Store, wanted: Sequence[Lookup], now: int) -> None:
    """Keep the intent, inside the caller's transaction, which has seen that no other request has the id."""
    for one in wanted:
        lookups.add(store, one, now)
    store.execute(
        "UPDATE lookups SET due_at = :due_at WHERE correlation_id = :correlation_id",
        {"correlation_id": wanted[0].correlation_id, "due_at": now + SEARCHED_AFTER_MS},
    )


def remember(store: Store, correlation_id: str, now: int) -> None:
    """It was answered: its correlation id is used, also where no task says so. Inside the caller's transaction."""
    if not use_of(store, correlation_id):
        store.execute(
            """
            INSERT INTO lookups (correlation_id, ref, recorded_at, state, ended_at)
            VALUES (:correlation_id, '', :now, 'found', :now)
            """,
            {"correlation_id": correlation_id, "now": now},
        )


def end(store: Store, wanted: Sequence[Lookup]) -> None:
    """All that it began is known, or it began nothing. Inside the caller's transaction."""
    for one in wanted:
        store.execute(
            "DELETE FROM lookups WHERE correlation_id = :correlation_id AND ref = :ref",
            {"correlation_id": one.correlation_id, "ref": one.ref or ""},
        )
