"""Discoveries that begin and end at random in simulated time. Instants, ages and durations are milliseconds.

Of each ten, seven have only paths that take 2 to 30 seconds, two also one that takes up to half an hour, one also one
that takes hours; each time is drawn evenly in its logarithm.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

SLOW_PATHS = ((), ("RTCOB",), ("CoverageInsight",))

# The shortest and the longest time of each class.
SPANS_S = ((2, 30), (60, 1800), (3600, 72 * 3600))


@dataclass(slots=True)
class Discovery:
    """One discovery: how long it takes, and how long its fast paths do."""

    id: str
    slow: int  # the number in SLOW_PATHS
    start: int
    lasts: int
    quick: int

    def pending(self, age: int) -> tuple[str, ...]:
        """The paths that a body shows as pending at ``age``."""
        slow = SLOW_PATHS[self.slow] if age < self.lasts else ()
        return (*(("Medicare", "Commercial") if age < self.quick else ()), *slow)


def discoveries(count: int, seed: int, longest: int = 6 * 3_600_000) -> Sequence[Discovery]:
    """One begins every 20 seconds or so; none takes longer than ``longest``."""
    dice = random.Random(seed)
    slow = [0] * (count - count // 5 - count // 10) + [1] * (count // 5) + [2] * (count // 10)
    dice.shuffle(slow)
    at, out = 0.0, []
    for number, kind in enumerate(slow):
        at += dice.expovariate(1 / 20_000)
        lasts = _drawn(dice, kind)
        quick = lasts if kind == 0 else _drawn(dice, 0)
        out.append(Discovery(f"{dice.getrandbits(64):016x}", kind, round(at) + number, min(lasts, longest), quick))
    return out


def _drawn(dice: random.Random, kind: int) -> int:
    least, most = SPANS_S[kind]
    return round(1000 * least * math.pow(most / least, dice.random()))
