"""How long discoveries take: the worlds in which schedules are compared. Ages are milliseconds.

The vendor does not publish it. What is known: most paths take seconds (4, 5 and 20 s in samples), RTCOB minutes, up to
30, and Coverage Insight long: 14 hours in one sample, 31 days in another. So each schedule has to do in several worlds
that this allows. *Half a day* was chosen because plain schedules wait in it as long as in the simulation that the
targets come from; *even* is the one in which the schedule was made; nothing was tuned in the others.
"""

import math
from statistics import NormalDist
from typing import Literal, NamedTuple

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
DAY = 24 * HOUR

_NORMAL = NormalDist()


class Piece(NamedTuple):
    """``share`` of the times of a kind: log-uniform from ``a`` to ``b``; lognormal with the median ``a`` and the
    spread ``b`` of the logarithm; or Weibull with the scale ``a`` and the shape ``b``."""

    form: Literal["log-uniform", "lognormal", "Weibull"]
    a: float
    b: float
    share: float = 1.0

    def level_at(self, age: float) -> float:
        """The share of its times below ``age``."""
        if age <= 0:
            return 0.0
        if self.form == "log-uniform":
            return min(1.0, max(0.0, math.log(age / self.a) / math.log(self.b / self.a)))
        if self.form == "lognormal":
            return _NORMAL.cdf(math.log(age / self.a) / self.b)
        return -math.expm1(-((age / self.a) ** self.b))

    def time_at(self, level: float) -> float:
        """The time that a share ``level``, above 0 and below 1, of its times stay below."""
        if self.form == "log-uniform":
            return self.a * math.exp(level * math.log(self.b / self.a))
        if self.form == "lognormal":
            return self.a * math.exp(self.b * _NORMAL.inv_cdf(level))
        return self.a * math.pow(-math.log1p(-level), 1 / self.b)


class Times(NamedTuple):
    """The times of one kind of discovery."""

    pieces: tuple[Piece, ...]

    def drawn(self, level: float) -> int:
        """A time, for a ``level`` from 0 to 1 that is drawn evenly."""
        level = min(max(level, 1e-9), 1 - 1e-9)
        for piece in self.pieces[:-1]:
            if level < piece.share:
                return round(piece.time_at(level / piece.share))
            level -= piece.share
        return round(self.pieces[-1].time_at(min(level / self.pieces[-1].share, 1 - 1e-9)))

    def done_by(self, age: float) -> float:
        """The true F."""
        return sum(piece.share * piece.level_at(age) for piece in self.pieces)


class World(NamedTuple):
    """The times of each kind: seconds, RTCOB, Coverage Insight; and in words what is special."""

    times: tuple[Times, Times, Times]
    says: str


def _one(form: Literal["log-uniform", "lognormal", "Weibull"], a: float, b: float) -> Times:
    return Times((Piece(form, a, b),))


_SECONDS = _one("log-uniform", 2 * SECOND, 30 * SECOND)
_RTCOB = _one("log-uniform", MINUTE, 30 * MINUTE)

EVEN = World(
    (_SECONDS, _RTCOB, _one("log-uniform", HOUR, 72 * HOUR)),
    "2 to 30 s, 1 to 30 min, 1 to 72 h, each evenly in its logarithm: as the sandbox draws them",
)
WORLDS = {
    "even": EVEN,
    "half a day": World(
        (_SECONDS, _RTCOB, _one("lognormal", 14 * HOUR, 1.0)),
        "Coverage Insight lognormal around 14 h, two thirds of it within 5 to 38 h",
    ),
    "hours": World(
        (_SECONDS, _RTCOB, _one("log-uniform", HOUR, 8 * HOUR)),
        "Coverage Insight done in 1 to 8 h, so that much of it ends during the run",
    ),
    "bells": World(
        (
            _one("lognormal", 7 * SECOND, 0.6),
            _one("lognormal", 6 * MINUTE, 0.8),
            _one("Weibull", 2 * DAY, 1.5),
        ),
        "seconds lognormal around 7 s, RTCOB lognormal around 6 min, Coverage Insight Weibull, 2 days",
    ),
    "long tail": World(
        (
            _SECONDS,
            _RTCOB,
            Times((Piece("lognormal", 4 * HOUR, 1.0, 0.5), Piece("log-uniform", 14 * HOUR, 31 * DAY, 0.5))),
        ),
        "half of Coverage Insight lognormal around 4 h, half from 14 h to 31 days",
    ),
}
