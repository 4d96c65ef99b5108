"""What is expected of a discovery before there is history: that the cadence is about right.

The *cadence's wait* at an age is that of the ``fixed`` schedule without its jitter. The prior is the distribution of
ends under which its polls are worth their requests: its hazard h at age b solves the condition for the best poll
(worker/core/schedule/inspection.py), with d the least delay per request, a the age of the poll before and v = b - a the
cadence's wait at a:

    q² = (1 - q) * h * (d + W),   q = 1 - exp(-h v),   W = v - q / h.

For waits that are long beside d this is h = 2 * d / v²: a d of 20 s and a wait of 15 minutes give 2 * 20 / 900² = 1 end
in 5.6 hours. The hazard falls with the age, so the polls that it asks for come a little before those of the cadence,
never after by more than a few per cent; and as no poll may come before the cadence's without request credit
(worker/core/schedule/credit.py), the learned schedule *is* the cadence until history shows something else. All ages and
durations are milliseconds.
"""

from functools import lru_cache
from math import expm1

from worker.core.schedule.cadence import Schedule
from worker.core.schedule.hazard import BINS, EDGES_MS


def cadence_wait(schedule: Schedule, age: float) -> float:
    """The wait of the cadence after a poll at ``age``, without jitter. It never falls with the age."""
    cadence = schedule.cadence
    growing = min(cadence.first + (cadence.growth - 1) * max(0.0, age), cadence.ceiling)
    return max(schedule.min_interval, min(max(growing, cadence.share * age), schedule.max_interval))


@lru_cache(maxsize=8)
def prior(schedule: Schedule, least_delay_ms: float) -> tuple[float, ...]:
    """The hazard of each bin, per millisecond. ``least_delay_ms`` in ms, above 0."""
    hazards = []
    for j in range(BINS):
        middle = (EDGES_MS[j] + min(EDGES_MS[j + 1], 1.2 * EDGES_MS[j] + 1000)) / 2
        hazards.append(_hazard(cadence_wait(schedule, _poll_before(schedule, middle)), least_delay_ms))
    return tuple(hazards)


def _poll_before(schedule: Schedule, age: float) -> float:
    """The age from which the cadence would next poll it at ``age``; 0 where that is its first poll or earlier."""
    low, high = 0.0, age
    if cadence_wait(schedule, 0) >= age:
        return 0.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if middle + cadence_wait(schedule, middle) < age else (low, middle)
    return high


def _hazard(wait: float, delay: float) -> float:
    """The constant hazard under which the best poll at ``delay`` comes after ``wait``."""
    low, high = 1e-9, 50.0  # the hazard times the wait
    for _ in range(50):
        middle = (low * high) ** 0.5
        done = -expm1(-middle)
        early = done * done < (1 - done) * (middle * delay / wait + middle - done)
        low, high = (middle, high) if early else (low, middle)
    return high / wait
