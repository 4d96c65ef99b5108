"""No more requests than the written cadence would make: the account, and the plan that keeps to it.

The ``fixed`` schedule would have made N(age) looks at a task by some age: the whole ones, and the part of the wait that
has passed toward the next. The learned schedule may look earlier than the written wait only out of what it has
**spared** so far by looking later: one number per installation, in requests.

- Planning a look earlier than the written one costs 1 - (N(look) - N(now)), at once; without that much spared, the
  written wait is taken.
- A look later than the written one, when it has been made and shows "pending", brings N(look) - N(before) - 1.
- A conclusion brings what the written cadence would have needed to see it, less what was made or paid for: with K
  written looks until the first one at or after the end, K - N(before) - 1, and the cost of its own look back.

Added up over a task, made + spared is never more than K, and the account never falls below 0: all looks planned are
at most those of the written cadence, whatever the vendor does. Until something has been spared, the learned schedule
is at least as slow as the written one. (Looks that persons ask for, and looks after failures, are no plans: backoff
makes the same in both schedules.)

By hand, with the cadence ``10s x1.4 15m 10%``: looks at 10, 24 and 43.6 s. At 24 s, N is 2. A first look at 17 s
instead of 10 s that shows "pending" brings N(17 s) - 1 = (17 - 10) / 14 = 0.5. If the task ended at 15 s, the written
cadence would have made 2 looks, and this one brings 2 - 1 = 1.

Ages and durations are milliseconds.
"""

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from math import floor

from worker.core.forecast import Forecast
from worker.core.prior import written_wait
from worker.core.schedule import Schedule, jittered
from worker.core.worth import Choice, next_look

# What may be put by: enough to even out the day, too little to flood the vendor after a quiet month.
MOST_SPARED = 10_000.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The next look at a task, and what it takes off the account."""

    choice: Choice
    cost: float


def plan(
    task_id: str, polls: int, known: int, odds: Forecast, price: float, spared: float, schedule: Schedule
) -> Plan:
    """When to look again at a task that was seen pending at age ``known`` (0: just recorded) by its look ``polls``."""
    choice = next_look(known, odds, price, schedule.min_interval, schedule.max_interval)
    cost = _cost(schedule, known, known + choice.wait)
    if cost > max(0.0, spared):
        wait = round(written_wait(schedule, known))
        likely, waited = odds.outlook(known, known + wait)
        choice, cost = Choice(wait, likely, waited, "cadence"), 0.0
    return Plan(replace(choice, wait=jittered(choice.wait, task_id, polls)), cost)


def spared_by(schedule: Schedule, entry: int, known: int, age: int, end: int | None = None) -> float:
    """What a planned look at ``age`` brings into the account, at least 0.

    ``entry`` is the age at which the task was recorded, ``known`` the age at the look before (``entry`` if there was
    none), ``end`` the age at which it ended if it was found concluded (``age`` itself where that is not known).
    """
    before = _written_looks(schedule, entry, known)
    if end is None:
        return max(0.0, _written_looks(schedule, entry, age) - before - 1)
    needed = floor(_written_looks(schedule, entry, max(known, end) - 1)) + 1
    return max(0.0, needed - before - 1 + _cost(schedule, known - (entry if before == 0 else 0), age))


def account(spared: float, change: float) -> float:
    """The account after ``change``, within its bounds."""
    return min(max(0.0, spared + change), MOST_SPARED)


def _cost(schedule: Schedule, known: int, age: int) -> float:
    return max(0.0, 1 - (looks_by(schedule, age) - looks_by(schedule, known)))


def _written_looks(schedule: Schedule, entry: int, age: int) -> float:
    """The looks of the written cadence by ``age`` at a task recorded at age ``entry``."""
    if entry <= 0:
        return looks_by(schedule, age)
    first = entry + written_wait(schedule, 0)
    if age < first:
        return max(0.0, (age - entry) / (first - entry))
    return 1 + looks_by(schedule, age) - looks_by(schedule, first)


def looks_by(schedule: Schedule, age: float) -> float:
    """N: the looks of the written cadence by ``age`` at a task recorded at age 0, the begun wait in part."""
    ages = _ages(schedule)
    if age >= ages[-1]:
        return len(ages) - 1 + (age - ages[-1]) / written_wait(schedule, ages[-1])
    j = bisect_right(ages, max(0, age)) - 1
    return j + (max(0, age) - ages[j]) / (ages[j + 1] - ages[j])


@lru_cache(maxsize=8)
def _ages(schedule: Schedule) -> tuple[float, ...]:
    ages = [0.0]
    while ages[-1] < schedule.give_up_after and len(ages) < 10_000:
        ages.append(ages[-1] + written_wait(schedule, ages[-1]))
    return tuple(ages)
