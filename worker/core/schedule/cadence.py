"""When is the next poll of a task due?

Two curves that know nothing of each other: *cadence*, the wait after the vendor said "pending", by the age of the
discovery; and *backoff*, the wait after a poll that brought nothing usable, by the number of such polls in a row.

The cadence ``10s x1.4 15m 10%`` reads: first poll after 10 s, each wait 1.4 times the one before, up to 15 minutes;
later a tenth of the age, up to ``max_interval``. Waits that grow by a factor g add up to an age, and in
terms of that age the next wait is simply ``first + (g - 1) * age``:

    polls at 10, 24, 43.6, 71.0, ... s      (10 + 0.4*10 = 14, 10 + 0.4*24 = 19.6, ...)

So the wait is a pure function of the age, the same for a task that was recorded late or polled by hand. With the
defaults the three pieces meet without a step: ``10 + 0.4 * age`` reaches 15 minutes at an age of 37 minutes, and a
tenth of the age reaches them at two and a half hours.

All durations are whole milliseconds.
"""

from typing import NamedTuple
from zlib import crc32

# A few per cent, so that tasks recorded together do not stay together. Full jitter costs half as many requests again.
JITTER = 0.04

SLOW_MS = 3_600_000


class Cadence(NamedTuple):
    """The cadence: ``first`` poll, ``growth`` of the waits up to ``ceiling``, then ``share`` of the age."""

    first: int = 10_000
    growth: float = 1.4
    ceiling: int = 900_000
    share: float = 0.10


class Schedule(NamedTuple):
    """The ``fixed`` schedule, and the limits on a task's life."""

    cadence: Cadence = Cadence()
    min_interval: int = 5_000
    max_interval: int = 21_600_000
    alert_after: int = 86_400_000
    give_up_after: int = 45 * 86_400_000
    not_found_grace: int = 900_000
    callback_grace: int = 0  # that the first poll waits for a callback

    def first_poll(self, task_id: str, planned: int | None = None) -> int:
        """The wait between recording a task and its first poll: the ``planned`` one, or as the cadence says.

        Jitter only makes a planned one longer: the learned schedule counts its polls against those of the cadence, and
        one that came just before the first of those would be one more.
        """
        wait = self.cadence.first if planned is None else planned
        some = jittered(wait, task_id, 0)
        return self._bounded(some if planned is None else wait + abs(some - wait))

    def wait(self, age: int, task_id: str, polls: int) -> int:
        """The wait after "pending", ``age`` being the age of the discovery at that poll."""
        c = self.cadence
        growing = min(c.first + (c.growth - 1) * max(0, age), c.ceiling)
        return self._bounded(jittered(round(max(growing, c.share * age)), task_id, polls))

    def backoff(self, failures: int, task_id: str, polls: int, longest: int | None = None) -> int:
        """The wait after ``failures`` unusable polls in a row: doubling from ``first`` up to ``longest``.

        ``longest`` is the cadence's ceiling unless given: an outage should be noticed to have ended.
        """
        longest = self.cadence.ceiling if longest is None else longest
        doubled = self.cadence.first << min(max(failures - 1, 0), 30)
        return self._bounded(min(jittered(min(doubled, longest), task_id, polls), longest))

    def probe(self, probes: int, *, slowly: bool = False) -> int:
        """The wait before the next probe of a paused API: doubling from ``first``, or from six times that."""
        first, longest = self.cadence.first, self.cadence.ceiling
        return min((first * (6 if slowly else 1)) << min(probes, 30), longest if slowly else longest // 3)

    def slow(self, task_id: str, polls: int) -> int:
        """The wait for what needs a person before another poll can help: an hour."""
        return self._bounded(jittered(SLOW_MS, task_id, polls))

    def _bounded(self, wait: int) -> int:
        return max(self.min_interval, min(wait, self.max_interval))


def jittered(wait: int, task_id: str, polls: int) -> int:
    """``wait``, a few per cent more or less."""
    # From the id and the number of the poll, not from a generator: the schedule stays a pure function.
    spread = crc32(f"{task_id}:{polls}".encode()) / 2**32 * 2 - 1
    return max(1, round(wait * (1 + JITTER * spread)))
