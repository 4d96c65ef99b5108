"""No more requests than the written cadence would make: the account, and the plan that keeps to it.

The written cadence (``fixed`` without jitter) has looks of its own at each task: at ages 10, 24, 43.6 … s. The learned
schedule skips many of them, and may look more often than written only out of what it has **spared** so: one whole
number per installation, in requests.

- Planning a look with no written look between the last one and it costs 1, at once. Without that much spared, the next
  written look is taken instead.
- A look that shows "pending" brings the written looks between the last one and it, less 1.
- A conclusion brings the written looks after the last one that it would have taken to see the end, less 1, and what
  was paid for it is given back.

Added up over a task, that is what the written cadence would have needed, less what was made. A look is paid for before
it is made, so all planned looks together are never more than those of the written
cadence, whatever the vendor does and whatever was believed. Until something has been spared, the learned schedule is
the written one or slower. (Looks that persons ask for, and looks after failures, are no plans: backoff makes them
alike in both schedules. A first look that `record` planned is paid for
afterwards; it may put the account below 0, and nothing is planned out of it until it is made up for.)

By hand, with ``10s x1.4 15m 10%``: a first look at 17 s instead of 10 s brings 1 - 1 = 0 if it shows "pending"; if it
finds a task that ended at 15 s, which the written cadence would have seen at 24 s with its second look, 2 - 1 = 1. A
look at 17 s after one at 10 s costs 1: no written look lies between. If it shows "pending", the 1 is spent.

Ages and durations are milliseconds.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

from worker.core.schedule.cadence import Schedule, jittered
from worker.core.schedule.hazard import Forecast
from worker.core.schedule.inspection import Choice, next_look
from worker.core.schedule.prior import written_wait

# What may be put by: enough to even out a busy day, too little to flood the vendor after a quiet month.
MOST_SPARED = 100_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The next look at a task, and what it takes off the account (0 or 1)."""

    choice: Choice
    cost: int


def plan(
    task_id: str,
    polls: int,
    known: int,
    odds: Forecast,
    price: float,
    spared: int,
    schedule: Schedule,
    *,
    entry: int = 0,
    best: Choice | None = None,
) -> Plan:
    """When to look at a task (again).

    ``known`` is the age at which its look number ``polls`` saw it pending, 0 before the first; ``entry`` the age at
    it was recorded. The wait counts from whichever is later. ``best`` is what :func:`best_look` says, if it was asked.
    """
    at = max(known, entry)
    choice = best or best_look(known, at, odds, price, schedule)
    wait = jittered(choice.wait - (at - known), task_id, polls)
    wait = max(schedule.min_interval, min(wait, schedule.max_interval))
    choice = Choice(wait, choice.likely, choice.waited, choice.basis)
    cost = _cost(schedule, entry, at, at + choice.wait)
    if cost == 0 or cost <= spared:
        return Plan(choice, cost)
    written = max(schedule.min_interval, _next_written(schedule, entry, at) - at)
    some = jittered(written, task_id, polls)
    wait = max(written, min(written + abs(some - written), schedule.max_interval))  # never before the written look
    likely, waited = odds.outlook(known, at + wait)
    return Plan(Choice(wait, likely, waited, "cadence"), 0)


def best_look(known: int, at: int, odds: Forecast, price: float, schedule: Schedule) -> Choice:
    """The look that pays best within the bounds, ``at`` being now; its wait counts from ``known``."""
    return next_look(known, odds, price, at - known + schedule.min_interval, at - known + schedule.max_interval)


def spared_by(schedule: Schedule, entry: int, known: int, age: int, end: int | None = None) -> int:
    """What a planned look at ``age`` brings into the account, at least 0.

    ``entry`` is the age at which the task was recorded, ``known`` the age at the look before (``entry`` if there was
    none), ``end`` the age at which it ended if it was found concluded (``known`` where that is not told).
    """
    before = written_looks(schedule, entry, known)
    if end is None:
        return max(0, written_looks(schedule, entry, age) - before - 1)
    needed = written_looks(schedule, entry, max(known, min(end, age) - 1)) + 1
    return needed - before - 1 + _cost(schedule, entry, known, age)


def account(spared: int, change: int) -> int:
    """The account after ``change``. Below 0 it waits until that is made up for."""
    return min(spared + change, MOST_SPARED)


def written_looks(schedule: Schedule, entry: int, age: float) -> int:
    """How many looks the written cadence would have made by ``age`` at a task recorded at age ``entry``."""
    return int(_looks(schedule, entry, age) + 1e-9)


def _cost(schedule: Schedule, entry: int, known: int, age: int) -> int:
    return 0 if written_looks(schedule, entry, age) > written_looks(schedule, entry, known) else 1


def _next_written(schedule: Schedule, entry: int, age: int) -> int:
    """The age at the next look of the written cadence after ``age``."""
    count, ages = written_looks(schedule, entry, age) + 1, _ages(schedule)
    if entry > 0:
        first = entry + written_wait(schedule, 0)
        if count == 1:
            return ceil(first)
        position = count - 1 + _looks(schedule, 0, first)
    else:
        position = float(count)
    whole = int(position)
    if whole >= len(ages) - 1:
        return ceil(ages[-1] + (position - len(ages) + 1) * written_wait(schedule, ages[-1]))
    return ceil(ages[whole] + (position - whole) * (ages[whole + 1] - ages[whole]))


def _looks(schedule: Schedule, entry: int, age: float) -> float:
    """The looks by ``age``, with the part of the begun wait.

    One table serves every ``entry``: where waits grow by a factor, or stay, or are a share of the age, the part of a
    wait that has passed stays the same from each written look to the next.
    """
    if entry > 0:
        first = entry + written_wait(schedule, 0)
        return 0.0 if age < first else 1 + _looks(schedule, 0, age) - _looks(schedule, 0, first)
    ages = _ages(schedule)
    if age >= ages[-1]:
        return len(ages) - 1 + (age - ages[-1]) / written_wait(schedule, ages[-1])
    age = max(0, age)
    j = bisect_right(ages, age) - 1
    return j + (age - ages[j]) / (ages[j + 1] - ages[j])


@lru_cache(maxsize=8)
def _ages(schedule: Schedule) -> tuple[float, ...]:
    ages = [0.0]
    while ages[-1] < schedule.give_up_after and len(ages) < 10_000:
        ages.append(ages[-1] + written_wait(schedule, ages[-1]))
    return tuple(ages)
