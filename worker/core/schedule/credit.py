"""No more requests than the cadence would make: the request credit, and the plan that keeps to it.

The cadence (the ``fixed`` schedule without jitter) has polls of its own of each task: at ages 10, 24, 43.6 … s. The
learned schedule skips many of them, and may poll more often than the cadence only out of its **request credit**: one
whole number per installation, in requests.

- A poll that is planned before the cadence's next one costs 1, when it is planned. Without that much credit, the
  cadence's next poll is planned instead.
- A poll that shows "pending" brings the number of the cadence's polls since the last one, less 1.
- A conclusion brings the number of polls after the last one that the cadence would have needed to see the end, less 1,
  and what was paid for the poll is given back.

Added up over a task, that is what the cadence would have needed, less what was made. A poll is paid for before it is
made, so all planned polls together are never more than those of the cadence, whatever the vendor does and whatever the
curves say. Until there is credit, the learned schedule is the cadence or slower. (Polls that persons ask for, and polls
after failures, are not planned: backoff makes them alike in both schedules. A first poll that `record` planned is paid
for afterwards; it may put the credit below 0, and nothing is planned out of it until that is made up for.)

By hand, with ``10s x1.4 15m 10%``: a first poll at 17 s instead of 10 s brings 1 - 1 = 0 if it shows "pending"; if it
finds a task that ended at 15 s, which the cadence would have seen at 24 s with its second poll, 2 - 1 = 1. A poll at
17 s after one at 10 s costs 1: the cadence has none between them. If it shows "pending", the 1 is spent.

Ages and durations are milliseconds.
"""

from bisect import bisect_right
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from worker.core.schedule.cadence import Schedule, jittered
from worker.core.schedule.hazard import HazardCurve
from worker.core.schedule.inspection import Choice, next_poll
from worker.core.schedule.prior import cadence_wait
from worker.core.schedule.state import ScheduleState

# Enough to even out a busy day, too little to flood the vendor after a quiet month.
MOST_CREDIT_REQUESTS = 100_000


class Polled(NamedTuple):
    """What a plan needs to know of a task.

    ``known`` is the age at which poll number ``polls`` saw it pending, 0 before the first; ``entry`` the age at which
    it was recorded. The wait counts from whichever is later.
    """

    task_id: str
    polls: int
    known: int
    entry: int = 0


class Planned(NamedTuple):
    """The next poll of a task, and the state with less credit by what it costs (0 or 1)."""

    choice: Choice
    state: ScheduleState


def plan(
    task: Polled, curve: HazardCurve, state: ScheduleState, schedule: Schedule, best: Choice | None = None
) -> Planned:
    """When to poll a task (again). ``best`` is what :func:`best_poll` says, where that is known already."""
    at = max(task.known, task.entry)
    choice = best or best_poll(task.known, at, curve, state.delay_per_request_ms, schedule)
    wait = jittered(choice.wait - (at - task.known), task.task_id, task.polls)
    wait = max(schedule.min_interval, min(wait, schedule.max_interval))
    cost = _cost(schedule, task.entry, at, at + wait)
    if cost == 0 or cost <= state.credit:
        choice = Choice(wait, choice.likely, choice.waited, choice.basis)
        return Planned(choice, state if cost == 0 else with_credit(state, -cost))
    by_cadence = max(schedule.min_interval, _next_of_cadence(schedule, task.entry, at) - at)
    some = jittered(by_cadence, task.task_id, task.polls)
    # Jitter only makes it longer: just before the cadence's poll it would be one more.
    wait = max(by_cadence, min(by_cadence + abs(some - by_cadence), schedule.max_interval))
    likely, waited = curve.outlook(task.known, at + wait)
    return Planned(Choice(wait, likely, waited, "cadence"), state)


def best_poll(known: int, at: int, curve: HazardCurve, delay_per_request: float, schedule: Schedule) -> Choice:
    """The poll that pays best within the bounds, ``at`` being now; its wait counts from ``known``."""
    shortest, longest = at - known + schedule.min_interval, at - known + schedule.max_interval
    return next_poll(known, curve, delay_per_request, shortest, longest)


def credit_of(schedule: Schedule, entry: int, known: int, age: int, end: int | None = None) -> int:
    """The request credit that a planned poll at ``age`` brings, at least 0.

    ``entry`` is the age at which the task was recorded, ``known`` the age at the poll before (``entry`` if there was
    none), ``end`` the age at which it ended if it was found concluded (``known`` where that is not told).
    """
    before = cadence_polls(schedule, entry, known)
    if end is None:
        return max(0, cadence_polls(schedule, entry, age) - before - 1)
    needed = cadence_polls(schedule, entry, max(known, min(end, age) - 1)) + 1
    return needed - before - 1 + _cost(schedule, entry, known, age)


def with_credit(state: ScheduleState, change: int) -> ScheduleState:
    """The state with ``change`` more credit. Below 0, nothing is planned out of it until that is made up for."""
    return state._replace(credit=min(state.credit + change, MOST_CREDIT_REQUESTS))


def cadence_polls(schedule: Schedule, entry: int, age: float) -> int:
    """How many polls the cadence would have made by ``age`` of a task recorded at age ``entry``."""
    return int(_polls(schedule, entry, age) + 1e-9)


def _cost(schedule: Schedule, entry: int, known: int, age: int) -> int:
    return 0 if cadence_polls(schedule, entry, age) > cadence_polls(schedule, entry, known) else 1


def _next_of_cadence(schedule: Schedule, entry: int, age: int) -> int:
    """The age at the next poll of the cadence after ``age``."""
    count, ages = cadence_polls(schedule, entry, age) + 1, _ages(schedule)
    if entry > 0:
        first = entry + cadence_wait(schedule, 0)
        if count == 1:
            return ceil(first)
        position = count - 1 + _polls(schedule, 0, first)
    else:
        position = float(count)
    whole = int(position)
    if whole >= len(ages) - 1:
        return ceil(ages[-1] + (position - len(ages) + 1) * cadence_wait(schedule, ages[-1]))
    return ceil(ages[whole] + (position - whole) * (ages[whole + 1] - ages[whole]))


def _polls(schedule: Schedule, entry: int, age: float) -> float:
    """The polls by ``age``, with the part of the begun wait.

    One table serves every ``entry``: where waits grow by a factor, or stay, or are a share of the age, the part of a
    wait that has passed stays the same from each poll of the cadence to the next.
    """
    if entry > 0:
        first = entry + cadence_wait(schedule, 0)
        return 0.0 if age < first else 1 + _polls(schedule, 0, age) - _polls(schedule, 0, first)
    ages = _ages(schedule)
    if age >= ages[-1]:
        return len(ages) - 1 + (age - ages[-1]) / cadence_wait(schedule, ages[-1])
    age = max(0, age)
    j = bisect_right(ages, age) - 1
    return j + (age - ages[j]) / (ages[j + 1] - ages[j])


@lru_cache(maxsize=8)
def _ages(schedule: Schedule) -> tuple[float, ...]:
    ages = [0.0]
    while ages[-1] < schedule.give_up_after and len(ages) < 10_000:
        ages.append(ages[-1] + cadence_wait(schedule, ages[-1]))
    return tuple(ages)
