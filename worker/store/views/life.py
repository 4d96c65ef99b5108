"""The life of a task, without anything of the patient: how it stands, what comes next and why, and its history."""

from collections.abc import Iterator
from typing import Any

from worker.core.instant import from_iso, iso, iso_or_none, words
from worker.core.poll_errors import in_words
from worker.core.schedule.cadence import Schedule
from worker.core.task import PLANNED, DueReason
from worker.core.verification import said_of
from worker.store.db.store import Row, Store
from worker.store.state import api

Json = dict[str, Any]


def life(store: Store, task: Row, schedule: Schedule, least_delay_ms: int | None) -> Json:
    """The keys of `show` that tell it.

    ``least_delay_ms``: the least delay per request of the learned schedule; ``None`` with the fixed schedule.
    """
    return {
        "id": task["id"],
        "state": task["state"],
        "outcome": task["outcome"],
        "class": task["task_class"],
        "source": task["source"],
        "trace_id": task["trace_id"],
        "recorded_at": iso(task["recorded_at"]),
        "due_at": iso_or_none(task["due_at"]),
        "why": _why(store, task, schedule, least_delay_ms),
        "concluded_at": iso_or_none(task["concluded_at"]),
        "concluded_by": task["concluded_by"],
        "callback_at": iso_or_none(task["callback_at"]),
        "verify_at": iso_or_none(task["verify_at"]),
        "verified": task["verified"],
        "purged_at": iso_or_none(task["purged_at"]),
        "polls": task["polls"],
        "failures": task["failures"],
        "last_error": task["last_error"],
        "history": _history(store, task),
    }


def life_rows(task: Json, now: int) -> Iterator[tuple[str, str]]:
    """Each value in words, by its name; ``task`` as of :func:`life`, or of `show`. What is not known is left out."""
    state = task["state"] + (f": {task['outcome']}" if task["outcome"] else "")
    keys = ("correlation_id", "trace_id", "recorded_at", "concluded_at", "purged_at")
    error = task["last_error"]
    rows = (
        ("state", state),
        *((key.replace("_", " "), task.get(key)) for key in keys),
        ("next poll", _next_poll(task["due_at"], now)),
        ("why then", task["why"]),
        ("callback", task.get("callback_at")),
        ("confirmed", _confirmed(task.get("verified"), task.get("verify_at"))),
        ("polls", polls_in_words(task["polls"], task["failures"])),
        ("last error", f"{error}: {in_words(error)}" if error else None),
    )
    return ((name, value) for name, value in rows if value)


def history_rows(task: Json) -> Iterator[tuple[str, str]]:
    """The instant of each event, and what it was."""
    for one in task["history"]:
        yield one["at"], one["event"] + (f": {one['detail']}" if one["detail"] else "")


def _confirmed(verified: str | None, verify_at: str | None) -> str | None:
    """What the vendor says of the callback."""
    if verify_at is not None:
        return f"not yet: the vendor is asked at {verify_at}"
    return None if verified is None else said_of(verified)


def _next_poll(due_at: str | None, now: int) -> str | None:
    """An instant that has passed is not what is to come."""
    due = from_iso(due_at)
    if due is None:
        return None
    return f"in {words(due - now)}, at {due_at}" if due > now else f"due now, since {words(now - due)}"


def polls_in_words(polls: int, failures: int) -> str:
    """``6, the last one answered``; ``6, the last 2 failed``."""
    if not polls:
        return "none yet"
    if not failures:
        return f"{polls}, {'it was' if polls == 1 else 'the last one'} answered"
    if failures >= polls:
        return f"{polls}, {'it' if polls == 1 else 'all'} failed"
    return f"{polls}, the last {'one' if failures == 1 else failures} failed"


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
    DueReason.CALLBACK: "the first poll, later by callback_grace: the vendor's callback should come before it",
    DueReason.NO_CALLBACK: "the first poll: it has waited for a callback, and none arrive, or they are switched off",
}

# By the cadence, too; but a task that only ever had 404 was not seen pending.
_UNKNOWN = "the vendor did not know the id (404): as the cadence says for its age"


def _why(store: Store, row: Row, schedule: Schedule, least_delay_ms: int | None) -> str | None:
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


def _history(store: Store, task: Row) -> list[Json]:
    rows = store.read("SELECT at, event, detail FROM history WHERE task = :task ORDER BY seq", {"task": task["seq"]})
    recorded = {"at": iso(task["recorded_at"]), "event": "recorded", "detail": f"from {task['source']}"}
    return [recorded, *({"at": iso(r["at"]), "event": r["event"], "detail": r["detail"]} for r in rows)]
