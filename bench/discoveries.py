"""The discoveries of the simulated vendor: when each begins, how long it lasts, and what a poll of it is told.

70 % of them have only paths that take seconds, 20 % also RTCOB, 10 % also Coverage Insight. How long each lasts is
drawn from a world's distributions (bench/worlds.py). The body of a pending one names the paths that are still pending.
Instants, ages and durations are milliseconds.
"""

import random
from functools import lru_cache
from typing import NamedTuple

from bench.worlds import EVEN, World
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Concluded, Pending, Reply

KINDS = ("seconds", "RTCOB", "Coverage Insight")
SHARES = (0.7, 0.2, 0.1)
SLOW_PATHS = ((), ("RTCOB",), ("CoverageInsight",))
QUICK_PATHS = ("Medicare", "Commercial")


class Discovery(NamedTuple):
    """``lasts`` is how long it takes as a whole, ``quick`` how long its quick paths take."""

    id: str
    kind: int  # of KINDS
    start: int
    lasts: int
    quick: int

    @property
    def end(self) -> int:
        return self.start + self.lasts


def discoveries(count: int, per_second: float, dice: random.Random, world: World = EVEN) -> list[Discovery]:
    """``count`` of them that arrive at random; the times of each kind are drawn evenly from its distribution."""
    kinds = [kind for kind, share in enumerate(SHARES) for _ in range(round(count * share))]
    shuffled: list[list[float]] = []
    for kind in range(len(KINDS)):
        n = kinds.count(kind)
        levels = [(i + dice.random()) / n for i in range(n)]
        dice.shuffle(levels)
        shuffled.append(levels)
    dice.shuffle(kinds)
    at, out = 0.0, []
    for number, kind in enumerate(kinds):
        at += dice.expovariate(per_second) * 1000
        lasts = world.times[kind].drawn(shuffled[kind].pop())
        quick = lasts if kind == 0 else world.times[0].drawn(dice.random())
        out.append(Discovery(f"{dice.getrandbits(64):016x}", kind, round(at) + number, lasts, quick))
    return out


def reply(of: Discovery, now: int) -> Reply:
    """What the vendor says of it ``now``."""
    if now >= of.end:
        return Concluded(Document("failure", started_at=of.start, ended_at=of.end))
    return _pending(of.start, _pending_paths(of, now - of.start))


def reply_without_end(of: Discovery, now: int) -> Reply:
    """The same from a vendor that does not say when a discovery ended."""
    if now >= of.end:
        return Concluded(Document("failure", started_at=of.start))
    return reply(of, now)


def _pending_paths(of: Discovery, age: int) -> tuple[str, ...]:
    return (*(QUICK_PATHS if age < of.quick else ()), *SLOW_PATHS[of.kind])


@lru_cache(maxsize=65_536)
def _pending(start: int, paths: tuple[str, ...]) -> Pending:
    return Pending(Document("pending", started_at=start, pending=paths))
