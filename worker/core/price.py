"""The price of a request: one number per installation that makes spending equal what the limiter allows.

While the limit does not bind, the price is ``price_floor``: the limit is a ceiling, not a target. When more looks fall
due than the limiter grants, the price rises until the schedule asks for what there is. With x the logarithm of the
price, r the requests a second allowed, and B the *backlog* in seconds, that is the looks due and not yet made / r:

    x' = GAIN * B' + PULL * (B - TARGET),   x >= log(price_floor)

where B' = demand / r - 1 is also taken below an empty backlog (demand: looks that fell due a second). An idle poller
thus comes down by a factor e in 1 / GAIN + a little.

It is stable: a price that is higher by the factor e^y lowers demand by about a share of y / 2 (waits grow with the
square root of the price), so near the balance B' = -x / 2 and x'' + (GAIN / 2) x' + (PULL / 2) x = 0: every solution
dies away, and with PULL <= GAIN² / 8 it does so without swinging. The schedule answers with a delay of a wait, which
is why GAIN is small: a few per mille a second against waits of minutes. Slower tasks answer later; until they do,
the backlog tells what is missing, and what is due is looked at in its order.

By hand, with 10 requests a second: in one second 30 looks fell due, 10 were made, the backlog grew from 0 to 20 looks,
which is 2 s. The price rises by the factor exp(0.005 * 2 + 0.000003 * (2 - 3)) = 1.01. In a second in which none fell
due and none waits it falls by exp(-0.005 - 0.000009): to the floor from ten times as much in eight minutes.

Prices and durations are milliseconds.
"""

from dataclasses import dataclass
from math import exp

GAIN = 0.005  # per second of backlog
PULL = 0.000_003  # per second, per second of backlog
TARGET = 3.0  # seconds of work in hand: so much that the limiter is never idle while there is work
STEEPEST = 0.02  # per second
DEAREST = 86_400_000.0


@dataclass(frozen=True, slots=True)
class Load:
    """What happened over ``elapsed`` ms: the requests ``spent``, and the looks due and not made, before and after."""

    elapsed: int
    spent: int
    before: int
    backlog: int


def price_after(price: float, load: Load, rate: float, floor: float) -> float:
    """The price after ``load``, with ``rate`` requests a second allowed (the pace of the moment, if it is lowered)."""
    seconds = load.elapsed / 1000
    if seconds <= 0:
        return max(floor, price)
    excess = (load.spent + load.backlog - load.before) / rate - seconds
    push = GAIN * excess + PULL * seconds * (load.backlog / rate - TARGET)
    push = max(-STEEPEST * seconds, min(push, STEEPEST * seconds))
    return max(floor, min(price * exp(push), max(floor, DEAREST)))
