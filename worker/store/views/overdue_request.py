"""What the vendor is asked about overdue tasks: to deliver their callbacks once more. Nothing of the patient."""

from typing import Any

from worker.core.instant import iso, iso_or_none
from worker.store.db.store import Store
from worker.store.state import api, callback_lane
from worker.store.views.overdue import OVERDUE

Json = dict[str, Any]

# More of them are named by a range of time.
MOST_NAMED_TASKS = 50

_BEGUN = "CASE WHEN started_at < recorded_at THEN started_at ELSE recorded_at END"


def overdue_request(store: Store, now: int, alert_after_ms: int) -> Json:
    """How many there are, between when they began, and the first of them. ``from`` and ``to`` are null without any."""
    params = {"now": now, "paused": api.get(store).breaker.paused_until_now(now), "after": alert_after_ms}
    (found,) = store.read(
        f"SELECT count(*) AS n, min({_BEGUN}) AS first, max({_BEGUN}) AS last FROM tasks WHERE {OVERDUE}",  # noqa: S608
        params,
    )
    rows = store.read(
        f"""
        SELECT id, recorded_at, started_at, correlation_id, trace_id FROM tasks WHERE {OVERDUE}
        ORDER BY life_base LIMIT :most
        """,  # noqa: S608 - constants
        {**params, "most": MOST_NAMED_TASKS},
    )
    return {
        "last_callback_at": iso_or_none(callback_lane.get(store).last_at),
        "overdue": found["n"],
        "from": iso_or_none(found["first"]),
        "to": iso_or_none(found["last"]),
        "tasks": [
            {
                "task_id": row["id"],
                "recorded_at": iso(row["recorded_at"]),
                "started_at": iso_or_none(row["started_at"]),
                "correlation_id": row["correlation_id"],
                "trace_id": row["trace_id"],
            }
            for row in rows
        ],
    }
