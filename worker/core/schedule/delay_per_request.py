"""The delay per request: one number per installation that makes spending equal what the limiter allows.

It is how many seconds of waiting one request is worth. While the limit does not bind, it is the configured
``delay_per_request``: the limit is a ceiling, not a target. When more polls fall due than the limiter grants, it rises
until the schedule asks for what there is. With x its logarithm, r the requests a second allowed, and B the *backlog* in
seconds, that is the polls due and not yet made / r:

    x' = GAIN * B' + PULL * (min(B, MOST) - TARGET),   x >= log(delay_per_request),   |x'| <= STEEPEST

where B' = demand / r - 1 is also taken below an empty backlog (demand: polls that fell due a second). An idle poller
thus comes down by a factor e in 50 s. After an outage B may be hours: no more than MOST of it counts, and so the delay
settles where new demand leaves PULL * (MOST - TARGET) / GAIN, a little more than half of the limit, for working it
off: half is what polls that are not late are given (worker/core/pacing/claim_order.py), and more demand than that would
sink in the backlog.

It is stable: a delay higher by the factor e^y lowers demand by about y / 2 of itself (waits grow with the square root
of the delay), so near the balance B' = -x / 2 and x'' + GAIN / 2 * x' + PULL / 2 * x = 0: every solution dies away, by
a factor e in 4 / GAIN = 133 s, and with a damping ratio of GAIN / (4 * sqrt(PULL / 2)) = 0.6 hardly swings. That needs
a schedule that answers at once. Polls planned hours ago at a low delay would answer late, and it would swing widely; so
what falls due and was planned at a much lower delay is planned anew, not polled (:func:`outdated`).

By hand, with 10 requests a second: in one second 12 polls fell due, 10 were made, the backlog grew from 0 to 2 polls,
which is 0.2 s. The delay rises by the factor exp(0.03 * 0.2 + 0.0003 * (0.2 - 3)) = 1.0052. In a second in which
nothing fell due and nothing waits it falls by the factor exp(-0.02) = 0.98: to a tenth in two minutes.

Delays and durations are milliseconds.
"""

from math import exp
from typing import NamedTuple

GAIN_PER_S = 0.03  # per second of backlog
PULL_PER_S2 = 0.000_3  # per second, per second of backlog
TARGET_S = 3.0  # of work in hand: so much that the limiter is never idle while there is work
MOST_BACKLOG_S = 56.0  # that counts
STEEPEST_PER_S = 0.02
LONGEST_DELAY_MS = 86_400_000.0
OUTDATED_FACTOR = 1.1


class Load(NamedTuple):
    """What happened over ``elapsed`` ms: the requests ``spent``, and the polls due and not made, before and after."""

    elapsed: int
    spent: int
    before: int
    backlog: int


def delay_after(delay: float, load: Load, rate: float, least: float) -> float:
    """The delay after ``load``, with ``rate`` requests a second allowed (the pace of the moment, if it is lowered).

    Time in which the API is paused is not to be counted. A load spans some seconds: a lump of work raises the delay by
    no more than STEEPEST allows, but what then works it off lowers it in full, so loads shorter than a lump takes would
    drag the delay down.
    """
    seconds = load.elapsed / 1000
    if seconds <= 0:
        return max(least, delay)
    excess = (load.spent + load.backlog - load.before) / rate - seconds
    push = GAIN_PER_S * excess + PULL_PER_S2 * seconds * (min(load.backlog / rate, MOST_BACKLOG_S) - TARGET_S)
    push = max(-STEEPEST_PER_S * seconds, min(push, STEEPEST_PER_S * seconds))
    return max(least, min(delay * exp(min(push, 20.0)), max(least, LONGEST_DELAY_MS)))


def outdated(planned: float, delay: float) -> bool:
    """Whether a poll that falls due was planned at a delay so much lower that it must be planned anew."""
    return planned * OUTDATED_FACTOR < delay
