"""A task's whole life, as one pure function.

=============  =====================================  ===========================================================
reply          state                                  next look
=============  =====================================  ===========================================================
Pending        pending; failures forgotten            as the schedule says for a task of this class and age
Concluded      **concluded**, with the vendor's       never
               own outcome (also from abandoned)
Unknown        pending, one failure more              backoff for ``not_found_grace`` from the first 404 on, then
                                                      as the schedule says
Rejected       pending, one failure more              backoff up to the longest interval
Garbled        pending, one failure more              backoff up to the longest interval; an unknown root status
                                                      waits the longest at once
Unreachable    pending, one failure more              backoff up to the cadence's ceiling
RateLimited    as it was: this is about us            at once, when the pause of the whole API is over
Refused        as it was: this is about us            at once, likewise
=============  =====================================  ===========================================================

A Pending or Unknown heard after ``give_up_after`` makes the task **abandoned**: visible, never a failure, and a person
can revive it. No other reply does, so a task is only given up on the vendor's own word, and time in which the API was
paused does not count.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

from worker.core.instant import iso
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.hazard import class_of
from worker.core.vendor.document import Document, Outcome
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

State = Literal["pending", "concluded", "abandoned"]

LONGEST = 90 * 86_400_000  # ms; the longest in a sample took 31 days


class Task(NamedTuple):
    """One row about one discovery. Instants and durations in ms; the order is that of the query in store/tasks.py."""

    seq: int
    id: str
    state: State
    recorded_at: int
    life_from: int  # when it was recorded, or last retried by a person
    paused: int = 0  # how long the API has been paused since then
    outcome: Outcome | None = None
    name: str | None = None
    started_at: int | None = None  # when the vendor says the discovery began
    due_at: int | None = None
    why: str = "first"  # what the look at due_at is for; store/story.py explains each
    polls: int = 0
    failures: int = 0  # unusable looks in a row
    not_found_since: int | None = None
    last_error: str | None = None
    last_poll_at: int | None = None
    correlation_id: str | None = None
    trace_id: str | None = None
    kind: str = "unseen"  # its class; see worker/core/schedule/hazard.py
    seen_at: int | None = None  # when the vendor last showed it as pending
    price: int | None = None  # of a request when a learned look was last planned, in ms of waiting

    def age(self, now: int) -> int:
        """The age that the cadence goes by: of the discovery, or of the fresh start that a person gave it.

        The vendor's own start counts where it is sane: no discovery was seen to last longer than ``LONGEST``.
        """
        if self.life_from != self.recorded_at:
            return max(0, now - self.life_from)
        started = self.started_at
        if started is not None and self.recorded_at - LONGEST <= started <= now:
            return now - started
        return max(0, now - self.recorded_at)

    def life(self, now: int) -> int:
        """How long we have been asking, less the time in which we could not."""
        return now - self.life_from - self.paused


class Look(NamedTuple):
    """The next look at a task: ``wait`` ms from now, the reason in a word, and the price it was planned at, if any."""

    wait: int
    why: str
    price: int | None = None


# When to look at a task (again) that has just been seen pending, at an instant in ms.
NextLook = Callable[[Task, int], Look]


def written(schedule: Schedule) -> NextLook:
    """The ``fixed`` schedule."""
    return lambda task, now: Look(schedule.wait(task.age(now), task.id, task.polls), "cadence")


def after(task: Task, reply: Reply, now: int, schedule: Schedule, next_look: NextLook | None = None) -> Task:
    """The task after one look. See the table above; a task that is not pending only ever becomes concluded.

    ``next_look`` is the schedule for pending tasks, the written one of ``schedule`` by default; ``schedule`` says all
    the rest: backoff, and when to give up.
    """
    next_look = next_look or written(schedule)
    if isinstance(reply, Concluded):
        return _concluded(task, reply.document, now)
    if task.state != "pending":
        return task
    if isinstance(reply, Pending):
        return _pending(task, reply.document, now, schedule, next_look)
    seen = task._replace(polls=task.polls + 1, last_poll_at=now)
    match reply:
        case Unknown():
            return _unknown(seen, now, schedule)
        case Rejected(code) | Garbled(code):
            failed = _failed(seen, code)
            if code == "unknown_status":
                return failed._replace(due_at=now + schedule.slow(task.id, failed.polls), why="slow")
            wait = schedule.backoff(failed.failures, task.id, failed.polls, schedule.max_interval)
            return failed._replace(due_at=now + wait, why="backoff")
        case Unreachable(code):
            failed = _failed(seen, code)
            wait = schedule.backoff(failed.failures, task.id, failed.polls)
            return failed._replace(due_at=now + wait, why="backoff")
        case RateLimited() | Refused():
            return excused(task, now)


def excused(task: Task, now: int, *, polled: bool = True) -> Task:
    """The task after a look that told nothing of it: due again, and no failure of its own."""
    if task.state != "pending":
        return task
    at = now if polled else task.last_poll_at
    return task._replace(polls=task.polls + polled, due_at=now, why="again", last_poll_at=at)


def _concluded(task: Task, told: Document, now: int) -> Task:
    return task._replace(
        state="concluded",
        outcome=told.outcome,
        due_at=None,
        polls=task.polls + 1,
        failures=0,
        not_found_since=None,
        last_error=None,
        last_poll_at=now,
        name=told.name or task.name,
        started_at=told.started_at or task.started_at,
        correlation_id=task.correlation_id or told.correlation_id,
        trace_id=task.trace_id or told.trace_id,
    )


def _pending(task: Task, told: Document, now: int, schedule: Schedule, next_look: NextLook) -> Task:
    name = told.name or task.name
    task = task._replace(
        polls=task.polls + 1,
        last_poll_at=now,
        failures=0,
        not_found_since=None,
        last_error=None,
        name=name,
        started_at=told.started_at or task.started_at,
        correlation_id=task.correlation_id or told.correlation_id,
        trace_id=task.trace_id or told.trace_id,
        kind=_kind(told.pending, name),
        seen_at=now,
    )
    return _given_up_or(task, next_look(task, now), now, schedule)


# Some ten sets of paths and a few names make up all that an installation sees.
_kind = lru_cache(maxsize=256)(class_of)


def _unknown(task: Task, now: int, schedule: Schedule) -> Task:
    since = task.not_found_since if task.not_found_since is not None else now
    failed = _failed(task, "not_found")._replace(not_found_since=since)
    if now - since < schedule.not_found_grace:
        look = Look(schedule.backoff(failed.failures, task.id, failed.polls), "grace")
        return _given_up_or(failed, look, now, schedule)
    # Nothing was seen of it: what is learned of others says nothing, the written cadence stands.
    return _given_up_or(failed, written(schedule)(failed, now), now, schedule)


def _given_up_or(task: Task, look: Look, now: int, schedule: Schedule) -> Task:
    if task.life(now) >= schedule.give_up_after:
        return task._replace(state="abandoned", due_at=None)
    return task._replace(due_at=now + look.wait, why=look.why, price=look.price)


def _failed(task: Task, code: str) -> Task:
    return task._replace(failures=task.failures + 1, last_error=code)


def edges(old: Task, new: Task) -> list[tuple[str, str | None]]:
    """What is worth a line in the history: changes, not every look."""
    found: list[tuple[str, str | None]] = []
    if new.last_error != old.last_error and new.last_error is not None:
        found.append(("failing", new.last_error))
    if old.failures and not new.failures and new.state == "pending":
        found.append(("recovered", f"after {old.failures} unusable looks"))
    if old.state != new.state:
        found.append((new.state, new.outcome))
    if old.started_at != new.started_at and new.started_at is not None and new.state == "pending":
        found.append(("seen", f"the vendor started it at {iso(new.started_at)}"))
    return found
