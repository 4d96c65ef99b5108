"""The price of a request: one number per installation that makes spending equal what the limiter allows.

While the limit does not bind, the price is ``price_floor``: the limit is a ceiling, not a target. When more looks fall
due than the limiter grants, the price rises until the schedule asks for what there is. With x the logarithm of the
price, r the requests a second allowed, and B the *backlog* in seconds, that is the looks due and not yet made / r:

    x' = GAIN * B' + PULL * (min(B, MOST) - TARGET),   x >= log(price_floor),   |x'| <= STEEPEST

where B' = demand / r - 1 is also taken below an empty backlog (demand: looks that fell due a second). An idle poller
thus comes down by a factor e in 50 s. After an outage B may be hours: no more than MOST of it counts, and so the price
settles where new demand leaves PULL * (MOST - TARGET) / GAIN, a little more than half of the limit, for working it
off: half is what looks that are not late are given (worker/core/pacing/claim_order.py), and more demand than that would
sink in the backlog.

It is stable: a price higher by the factor e^y lowers demand by about y / 2 of itself (waits grow with the square root
of the price), so near the balance B' = -x / 2 and x'' + GAIN / 2 * x' + PULL / 2 * x = 0: every solution dies away, by
a factor e in 4 / GAIN = 133 s, and with a damping ratio of GAIN / (4 * sqrt(PULL / 2)) = 0.6 hardly swings. That needs
a schedule that answers at once. Looks planned hours ago at a low price would answer late, and the price would swing
widely; so what falls due and was planned at a price much lower is planned anew, not looked at (:func:`outdated`).

By hand, with 10 requests a second: in one second 12 looks fell due, 10 were made, the backlog grew from 0 to 2 looks,
which is 0.2 s. The price rises by the factor exp(0.03 * 0.2 + 0.0003 * (0.2 - 3)) = 1.0052. In a second in which
nothing fell due and nothing waits it falls by the factor exp(-0.02) = 0.98: to a tenth in two minutes.

Prices and durations are milliseconds.
"""

from dataclasses import dataclass
from math import exp

GAIN = 0.03  # per second of backlog
PULL = 0.000_3  # per second, per second of backlog
TARGET = 3.0  # seconds of work in hand: so much that the limiter is never idle while there is work
MOST = 56.0  # seconds of backlog that count
STEEPEST = 0.02  # per second
DEAREST = 86_400_000.0
OUTDATED = 1.1


@dataclass(frozen=True, slots=True)
class Load:
    """What happened over ``elapsed`` ms: the requests ``spent``, and the looks due and not made, before and after."""

    elapsed: int
    spent: int
    before: int
    backlog: int


def price_after(price: float, load: Load, rate: float, floor: float) -> float:
    """The price after ``load``, with ``rate`` requests a second allowed (the pace of the moment, if it is lowered).

    Time in which the API is paused is not to be counted. A load spans some seconds: a lump of work
    raises the price by no more than STEEPEST allows, but what then works it off lowers it in full, so loads shorter
    than a lump takes would drag the price down.
    """
    seconds = load.elapsed / 1000
    if seconds <= 0:
        return max(floor, price)
    excess = (load.spent + load.backlog - load.before) / rate - seconds
    push = GAIN * excess + PULL * seconds * (min(load.backlog / rate, MOST) - TARGET)
    push = max(-STEEPEST * seconds, min(push, STEEPEST * seconds))
    return max(floor, min(price * exp(min(push, 20.0)), max(floor, DEAREST)))


def outdated(planned: float, price: float) -> bool:
    """Whether a look that falls due was planned at a price so much lower that it must be planned anew."""
    return planned * OUTDATED < price
