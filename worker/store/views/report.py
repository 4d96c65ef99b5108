"""One task as people read it: what came of it, and its life. Reads only, in short statements."""

import sqlite3
from typing import Any

from worker.core.instant import iso, iso_or_none, words
from worker.core.schedule.cadence import Schedule
from worker.core.task import PLANNED, DueReason
from worker.store.db.store import Store
from worker.store.state import api
from worker.store.views.findings import findings

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
        "id": task["id"],
        "state": task["state"],
        "outcome": task["outcome"],
        "name": task["name"],
        "class": task["task_class"],
        "source": task["source"],
        "refs": [row["ref"] for row in refs],
        "correlation_id": task["correlation_id"],
        "trace_id": task["trace_id"],
        "recorded_at": iso(task["recorded_at"]),
        "due_at": iso_or_none(task["due_at"]),
        "why": _why(store, task, schedule, least_delay_ms),
        "concluded_at": iso_or_none(task["concluded_at"]),
        "concluded_by": task["concluded_by"],
        "purged_at": iso_or_none(task["purged_at"]),
        "polls": task["polls"],
        "failures": task["failures"],
        "last_error": task["last_error"],
        "revisions": max(0, len(kept) - 1),
        **findings(store, task),
        "history": _history(store, task),
    }
    if body:
        raw = body_of(store, task_id)
        story["body"] = None if raw is None else raw.decode("utf-8", "replace")
    return story


_WHY = {
    DueReason.FIRST: "the first poll",
    DueReason.CADENCE: "it was still pending: as the cadence says for its age",
    DueReason.LEARNED: "it was still pending: planned from what was learned of tasks of its class",
    DueReason.BACKOFF: "the last poll failed: the wait doubles with each failure in a row",
    DueReason.GRACE: "the vendor did not know the id yet (404): polled often for a while, then as the cadence says",
    DueReason.SLOW: "the vendor gave a status that this cdpoll does not know: polled once an hour",
    DueReason.AGAIN: "the last answer said nothing about this task: polled again as soon as the API may be asked",
    DueReason.HAND: "asked for by hand",
    DueReason.RETRY: "a fresh start by hand",
}

# By the cadence, too; but a task that only ever had 404 was not seen pending.
_UNKNOWN = "the vendor did not know the id (404): as the cadence says for its age"


def _why(store: Store, row: sqlite3.Row, schedule: Schedule, least_delay_ms: int | None) -> str | None:
    """Why the next poll is when it is; ``None`` where there is none."""
    if row["due_at"] is None:
        return None
    breaker = api.get(store).breaker
    if breaker.resumes_at is not None and breaker.resumes_at > row["due_at"]:
        return f"the API is paused ({breaker.reason}, {breaker.code}); the next probe is at {iso(breaker.resumes_at)}"
    if row["leased_until"] is not None:
        return f"a poll is under way; if it is lost, the task falls due again at {iso(row['leased_until'])}"
    learned = least_delay_ms is not None and row["delay_per_request_ms"] is not None
    if least_delay_ms is not None and learned and row["reason"] in PLANNED:
        # Imported here: the list of tasks and their states can do without.
        from worker.core.schedule.hazard import hazard_curve
        from worker.core.schedule.learned import explain
        from worker.core.schedule.prior import prior
        from worker.store.state import curves
        from worker.store.tasks import polling as tasks

        task = tasks.by_seq(store, [row["seq"]], breaker.paused_until_now(row["due_at"]))[row["seq"]]
        curve = hazard_curve(curves.of_class(store, task.task_class), prior(schedule, least_delay_ms))
        return explain(task, curve, schedule)
    waited = row["last_poll_at"] if row["reason"] not in (DueReason.FIRST, DueReason.HAND, DueReason.RETRY) else None
    wait = f", {words(row['due_at'] - waited)} after the last poll" if waited and waited < row["due_at"] else ""
    unknown = row["reason"] == DueReason.CADENCE and row["last_error"] == "not_found"
    return (_UNKNOWN if unknown else _WHY.get(row["reason"], str(row["reason"]))) + wait


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


def _history(store: Store, task: sqlite3.Row) -> list[Json]:
    rows = store.read("SELECT at, event, detail FROM history WHERE task = :task ORDER BY seq", {"task": task["seq"]})
    recorded = {"at": iso(task["recorded_at"]), "event": "recorded", "detail": f"from {task['source']}"}
    return [recorded, *({"at": iso(r["at"]), "event": r["event"], "detail": r["detail"]} for r in rows)]
