"""How many tasks are pending, by their age. Reads an index of all pending tasks, a stretch at a time."""

from typing import Any

from worker.core.instant import DAY_MS, HOUR_MS
from worker.store.db.store import Store

# Up to this age, and from that of the one before.
_GROUPS = (
    ("1 h", HOUR_MS),
    ("6 h", 6 * HOUR_MS),
    ("1 d", DAY_MS),
    ("3 d", 3 * DAY_MS),
    ("7 d", 7 * DAY_MS),
    ("30 d", 30 * DAY_MS),
)
OLDER = "older"


def pending_ages(store: Store, now: int) -> list[dict[str, Any]]:
    """Of each group ``up_to`` an age (the last one: ``older``) the number ``n``; by when they were recorded."""
    found: list[dict[str, Any]] = []
    newest = now
    for up_to, age_ms in _GROUPS:
        found.append({"up_to": up_to, "n": _between(store, now - age_ms, newest)})
        newest = now - age_ms
    found.append({"up_to": OLDER, "n": _between(store, None, newest)})
    found[0]["n"] += _between(store, now, None)  # by a clock that was set back since
    return found


def _between(store: Store, after: int | None, until: int | None) -> int:
    row = store.one(
        """
        SELECT count(*) AS n FROM tasks
        WHERE state = 'pending' AND recorded_at > :after AND recorded_at <= :until
        """,
        {"after": -1 if after is None else after, "until": 1 << 60 if until is None else until},
    )
    return 0 if row is None else int(row["n"])
