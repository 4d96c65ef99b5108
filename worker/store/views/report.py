"""One task as people read it: what came of it, and its life. Reads only, in short statements."""

from typing import Any

from worker.core.schedule.cadence import Schedule
from worker.store.db.store import Store
from worker.store.views.findings import findings
from worker.store.views.life import life

Json = dict[str, Any]

DEFAULT_SCHEDULE = Schedule()


def show(
    store: Store,
    task_id: str,
    *,
    body: bool = False,
    schedule: Schedule = DEFAULT_SCHEDULE,
    least_delay_ms: int | None = None,
) -> Json | None:
    """One task's story as the interface promises it; ``None`` for an unknown id.

    ``least_delay_ms``: the least delay per request of the learned schedule; ``None`` with the fixed schedule.
    """
    task = store.one("SELECT * FROM tasks WHERE id = :id", {"id": task_id})
    if task is None:
        return None
    seq = {"task": task["seq"]}
    refs = store.read("SELECT ref FROM refs WHERE task = :task ORDER BY added_at, ref", seq)
    kept = store.read("SELECT 1 FROM results WHERE task = :task AND source <> 'batch' AND revision > 0", seq)
    story = {
        **life(store, task, schedule, least_delay_ms),
        "name": task["name"],
        "refs": [row["ref"] for row in refs],
        "correlation_id": task["correlation_id"],
        "revisions": max(0, len(kept) - 1),
        **findings(store, task),
    }
    if body:
        raw = body_of(store, task_id)
        story["body"] = None if raw is None else raw.decode("utf-8", "replace")
    return story


def body_of(store: Store, task_id: str) -> bytes | None:
    """The body that concluded the task, byte for byte; before that, the latest that was kept and is no result.

    None is purged. Of several results the first concluded it; later ones are revisions of it.
    """
    row = store.one(
        """
        SELECT body FROM (
            SELECT 1 AS rank, revision AS place, task, body FROM results WHERE source <> 'batch' AND revision > 0
                AND purged_at IS NULL
            UNION ALL SELECT 2, -seq, task, body FROM bodies
        ) AS known
        WHERE task = (SELECT seq FROM tasks WHERE id = :id)
        ORDER BY rank, place LIMIT 1
        """,
        {"id": task_id},
    )
    return None if row is None else bytes(row["body"])
