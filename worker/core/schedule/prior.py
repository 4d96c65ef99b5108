"""What is expected of a discovery before there is history: that the written cadence is about right.

The *written* wait at an age is that of the ``fixed`` schedule without its jitter. The prior is the distribution of
ends under which such looks are worth their price: its hazard h at age b solves the condition for the best look
(worker/core/schedule/inspection.py), with a the age of the look before and v = b - a the written wait at a:

    q² = (1 - q) * h * (price_floor + W),   q = 1 - exp(-h v),   W = v - q / h.

For waits that are long beside the price this is h = 2 * price_floor / v²: a price of 20 s and a wait of 15 minutes give
2 * 20 / 900² = 1 end in 5.6 hours. The hazard falls with the age, so the looks that it asks for come a little before
the written ones, never after by more than a few per cent; and as no look may come before the written one unless
requests have been spared (worker/core/schedule/credit.py), the learned schedule *is* the written cadence until history
shows something else. All ages and durations are milliseconds.
"""

from functools import lru_cache
from math import expm1

from worker.core.schedule.cadence import Schedule
from worker.core.schedule.hazard import BINS, EDGES


def written_wait(schedule: Schedule, age: float) -> float:
    """The wait of the written cadence after a look at ``age``, without jitter. It never falls with the age."""
    cadence = schedule.cadence
    growing = min(cadence.first + (cadence.growth - 1) * max(0.0, age), cadence.ceiling)
    return max(schedule.min_interval, min(max(growing, cadence.share * age), schedule.max_interval))


@lru_cache(maxsize=8)
def prior(schedule: Schedule, price_floor: float) -> tuple[float, ...]:
    """The hazard of each bin, per millisecond. ``price_floor`` in ms, above 0."""
    hazards = []
    for j in range(BINS):
        middle = (EDGES[j] + min(EDGES[j + 1], 1.2 * EDGES[j] + 1000)) / 2
        hazards.append(_hazard(written_wait(schedule, _look_before(schedule, middle)), price_floor))
    return tuple(hazards)


def _look_before(schedule: Schedule, age: float) -> float:
    """The age from which the written cadence would next look at ``age``; 0 where that is its first look or earlier."""
    low, high = 0.0, age
    if written_wait(schedule, 0) >= age:
        return 0.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if middle + written_wait(schedule, middle) < age else (low, middle)
    return high


def _hazard(wait: float, price: float) -> float:
    """The constant hazard under which the best look at ``price`` comes after ``wait``."""
    low, high = 1e-9, 50.0  # the hazard times the wait
    for _ in range(50):
        middle = (low * high) ** 0.5
        done = -expm1(-middle)
        early = done * done < (1 - done) * (middle * price / wait + middle - done)
        low, high = (middle, high) if early else (low, middle)
    return high / wait
