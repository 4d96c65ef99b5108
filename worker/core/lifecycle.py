"""A task's whole life, as one pure function.

=============  =====================================  ===========================================================
reply          state                                  next poll
=============  =====================================  ===========================================================
Pending        pending; failures forgotten            as the schedule says for a task of this class and age
Concluded      **concluded**, with the vendor's       never
               own outcome (also from abandoned)
Unknown        pending, one failure more              backoff for ``not_found_grace`` from the first 404 on, then
                                                      as the cadence says
Rejected       pending, one failure more              backoff up to the longest interval
Garbled        pending, one failure more              backoff up to the longest interval; an unknown root status
                                                      an hour, however often it comes
Unreachable    pending, one failure more              backoff up to the cadence's ceiling
RateLimited    as it was: this is about us            at once, when the pause of the whole API is over
Refused        as it was: this is about us            at once, likewise
=============  =====================================  ===========================================================

The third Pending or Unknown that is heard after ``give_up_after`` makes the task **abandoned**: visible, never a
failure, and a person can revive it. No other reply does, so a task is only given up on the vendor's own word, and never
at once: the computer may have been off, or its clock wrong. Time in which the API was paused does not count. Every
reply ends the lease of the row.
"""

from functools import lru_cache

from worker.core.instant import iso
from worker.core.problems import counted
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.fixed import cadence_plan
from worker.core.schedule.hazard import class_of
from worker.core.task import DueReason, PollPlan, Task
from worker.core.vendor.document import Document
from worker.core.vendor.reply import (
    Concluded,
    Garbled,
    Pending,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
)

# So often a task is still polled once ``give_up_after`` is over.
LAST_POLLS = 3


def after(task: Task, reply: Reply, now: int, schedule: Schedule, plan: PollPlan | None = None) -> Task:
    """The task after one poll. See the table above; a task that is not pending only ever becomes concluded.

    ``plan`` is the next poll of a task that is :func:`shown` pending, as the cadence of ``schedule`` says unless given;
    ``schedule`` says all the rest: backoff, and when to give up.
    """
    if isinstance(reply, Concluded):
        return _concluded(task, reply.document, now)
    if task.state != "pending":
        return task
    if isinstance(reply, Pending):
        seen = shown(task, reply.document, now)
        return _planned(task, seen, plan or cadence_plan(schedule, seen, now), now, schedule)
    polled = task._replace(polls=task.polls + 1, last_poll_at=now, leased_until=None)
    match reply:
        case Unknown():
            return _unknown(task, polled, now, schedule)
        case Rejected(code) | Garbled(code):
            failed = _failed(polled, code)
            if code == "unknown_status":
                return failed._replace(due_at=now + schedule.slow(task.id, failed.polls), reason=DueReason.SLOW)
            wait = schedule.backoff(failed.failures, task.id, failed.polls, schedule.max_interval)
            if isinstance(reply, Rejected):
                wait = max(wait, reply.wait_ms)
            return failed._replace(due_at=now + wait, reason=DueReason.BACKOFF)
        case Unreachable(code):
            failed = _failed(polled, code)
            wait = schedule.backoff(failed.failures, task.id, failed.polls)
            return failed._replace(due_at=now + wait, reason=DueReason.BACKOFF)
        case RateLimited() | Refused():
            return excused(task, now)


def excused(task: Task, now: int, *, polled: bool = True) -> Task:
    """The task after a poll that told nothing of it: due again, and no failure of its own."""
    if task.state != "pending":
        return task
    at = now if polled else task.last_poll_at
    return task._replace(
        polls=task.polls + polled, due_at=now, leased_until=None, reason=DueReason.AGAIN, last_poll_at=at
    )


def shown(task: Task, document: Document, now: int) -> Task:
    """A pending task as the vendor has just shown it, before its next poll is planned."""
    name = document.name or task.name
    return task._replace(
        polls=task.polls + 1,
        last_poll_at=now,
        leased_until=None,
        failures=0,
        not_found_since=None,
        last_error=None,
        name=name,
        started_at=document.started_at or task.started_at,
        correlation_id=task.correlation_id or document.correlation_id,
        trace_id=task.trace_id or document.trace_id,
        task_class=_class_of(document.pending, name),
        pending_at=now,
    )


# Some ten sets of paths and a few names make up all that an installation sees.
_class_of = lru_cache(maxsize=256)(class_of)


def _concluded(task: Task, document: Document, now: int) -> Task:
    return task._replace(
        state="concluded",
        outcome=document.outcome,
        due_at=None,
        leased_until=None,
        polls=task.polls + 1,
        failures=0,
        not_found_since=None,
        last_error=None,
        last_poll_at=now,
        name=document.name or task.name,
        started_at=document.started_at or task.started_at,
        correlation_id=task.correlation_id or document.correlation_id,
        trace_id=task.trace_id or document.trace_id,
    )


def _unknown(before: Task, task: Task, now: int, schedule: Schedule) -> Task:
    since = task.not_found_since if task.not_found_since is not None else now
    failed = _failed(task, "not_found")._replace(not_found_since=since)
    if now - since < schedule.not_found_grace:
        wait = schedule.backoff(failed.failures, task.id, failed.polls)
        return _planned(before, failed, PollPlan(wait, DueReason.GRACE), now, schedule)
    # Nothing was seen of it: what is learned of others says nothing, the cadence stands.
    return _planned(before, failed, cadence_plan(schedule, failed, now), now, schedule)


def _planned(before: Task, task: Task, plan: PollPlan, now: int, schedule: Schedule) -> Task:
    outlived = before.polls_outlived + 1 if before.life(now) >= schedule.give_up_after else 0
    task = task._replace(polls_outlived=outlived)
    if outlived >= LAST_POLLS:
        return task._replace(state="abandoned", due_at=None)
    return task._replace(due_at=now + plan.wait_ms, reason=plan.reason, delay_per_request_ms=plan.delay_per_request_ms)


def _failed(task: Task, code: str) -> Task:
    return task._replace(failures=task.failures + 1, last_error=code)


def edges(old: Task, new: Task) -> list[tuple[str, str | None]]:
    """What is worth a line in the history, as (event, detail): changes, not every poll."""
    found: list[tuple[str, str | None]] = []
    if new.last_error != old.last_error and new.last_error is not None:
        found.append(("failing", new.last_error))
    if old.failures and not new.failures and new.state == "pending":
        found.append(("recovered", f"after {counted(old.failures, 'failed poll')}"))
    if old.state != new.state:
        found.append((new.state, new.outcome))
    if old.started_at != new.started_at and new.started_at is not None and new.state == "pending":
        found.append(("seen", f"the vendor started it at {iso(new.started_at)}"))
    return found
