"""How many requests may go out now: the rate, the burst, the pace the vendor bears, and the budget of a day.

One :class:`LimiterState`, a handful of numbers in one row of the database, is the whole state. It is read and written
inside the transaction that claims the tasks, so several processes share it, and it survives a restart.

**The rate** is kept by GCRA, the leaky bucket as one number. ``tat``, the *theoretical arrival time*, is the moment at
which all slots granted so far are paid for; each slot puts it one *spacing* further, and slots are granted as long as
it stays within ``burst`` spacings of now. So over any stretch of T seconds at most ``rate * T + burst`` are granted.
By hand, 10 a second and a burst of 5: the spacing is 100 ms. After a rest, 5 slots are granted at once, and ``tat`` is
500 ms ahead; the next slot comes 100 ms later.

A poller that comes late loses nothing as long as it comes before ``tat``: by up to ``burst - 1`` spacings. With work
always waiting, the whole limit is used with a burst of 5 and wake-ups that are up to 4 spacings late (400 ms at 10 a
second). With a burst of 1 every lateness is lost: 98 % is used up to a lateness of 2 % of the spacing (2 ms at 10 a
second; a lateness of a whole spacing costs half).

**The pace** is the share of the rate that the vendor bears, in millionths (AIMD). A 429 or 503 halves it at once, one
time for all requests that were let go before, down to 1/64 of the rate or one request a minute, whichever is more. A
minute of the clock in which an answer came and no refusal raises it by a twentieth of the rate: from a half it is back
in ten minutes. (``step_ms`` is that minute; where time runs faster, it is shorter.) The burst is lowered with it, to no
less than 1. By hand: after one 429, 10 a second with a burst of 5 are 5 a second with a burst of 2. It outlives
restarts and idle hours.

**The budget** counts the requests since midnight UTC; when it is spent, the next slot comes at midnight. Where the
clock is set back over midnight by up to an hour, the new day stays, so its budget is not given twice; set back
further, what was counted stays counted until the next midnight. So no jump silences for more than 25 hours.

Requests that no slot was granted for (a token, a repeat) are charged when they are known, and the slots after them come
later.

Instants and durations are milliseconds where nothing else is said.
"""

from math import ceil
from typing import NamedTuple

DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000

FULL_PACE_PPM = 1_000_000  # the pace at which the whole rate is used
STEPS = 20  # from the lowest pace to the full one, at most
EASING_PPM = FULL_PACE_PPM // STEPS  # added in a minute without a refusal
LEAST_PACE_PPM = FULL_PACE_PPM // 64

# How far ahead (µs) charges for extra requests may put ``tat`` before it is taken for a clock set back.
SLACK_US = 60_000_000


class RateLimit(NamedTuple):
    """``rate`` slots per second on the long run, ``burst`` at once after a rest, ``daily`` from midnight to midnight
    UTC (``None``: any number). ``step_ms``: after so long without a refusal a lowered pace goes up a step."""

    rate: float
    burst: int
    daily: int | None = None
    step_ms: int = MINUTE_MS

    @property
    def spacing_us(self) -> int:
        """Microseconds between two slots; rounded up, so that the rate is never exceeded."""
        return max(1, ceil(1_000_000 / self.rate))


class LimiterState(NamedTuple):
    """What has been used of a limit."""

    tat_us: int = 0  # since 1970
    pace: int = FULL_PACE_PPM  # millionths of the rate
    slowed_at: int = 0  # when the pace was last halved
    eased_at: int = 0  # when it was last changed
    day: int = 0  # days since 1970
    spent: int = 0  # requests of that day


class Grant(NamedTuple):
    """What :func:`grant` gives."""

    slots: int
    limiter: LimiterState  # to be stored
    next_at: int  # when the next slot comes free, ms


def grant(limit: RateLimit, limiter: LimiterState, now: int, wanted: int) -> Grant:
    """Grant up to ``wanted`` slots at ``now``. A granted slot that is not used is lost, never exceeded.

    A ``tat`` much further ahead than grants and charges put it means that the clock was set back: it is drawn in, so
    that a jump of an hour does not silence the poller for one.
    """
    limiter = _of_today(limiter, now)
    left = wanted if limit.daily is None else limit.daily - limiter.spent
    paced_limit = paced(limit, limiter)
    now_us, spacing = now * 1000, paced_limit.spacing_us
    full = paced_limit.burst * spacing
    tat = limiter.tat_us
    if tat > now_us + full + max(SLACK_US, 100 * spacing):
        tat = now_us + full - spacing
    tat = max(tat, now_us)
    slots = max(0, min(wanted, left, (now_us + full - tat) // spacing))
    tat += slots * spacing
    next_at = now + max(0, -((now_us + full - tat - spacing) // 1000))
    if limit.daily is not None and left <= slots:
        next_at = max(next_at, (limiter.day + 1) * DAY_MS)
    return Grant(slots, limiter._replace(tat_us=tat, spent=limiter.spent + slots), next_at)


def charge(limit: RateLimit, limiter: LimiterState, requests: int, now: int) -> LimiterState:
    """The limiter after ``requests`` were made that no slot was granted for."""
    limiter = _of_today(limiter, now)
    tat = max(limiter.tat_us, now * 1000) + requests * paced(limit, limiter).spacing_us
    return limiter._replace(tat_us=tat, spent=limiter.spent + requests)


def slowed(limit: RateLimit, limiter: LimiterState, asked_at: int, now: int) -> LimiterState:
    """The limiter after a 429 or 503 to a request that was let go at ``asked_at``: half the pace.

    Refusals of requests let go before the last halving say nothing of the pace since, and change nothing. A refused
    probe of a paused API is not for here: it went out alone after a wait, so the pace was not to blame.
    """
    if asked_at <= limiter.slowed_at <= now:
        return limiter
    return limiter._replace(pace=max(_least(limit), min(limiter.pace, FULL_PACE_PPM) // 2), slowed_at=now, eased_at=now)


def eased(limit: RateLimit, limiter: LimiterState, now: int) -> LimiterState:
    """The limiter after an answer that was no refusal: a step up, if the pace last changed a minute ago or before."""
    if limiter.pace >= FULL_PACE_PPM or limiter.eased_at <= now < limiter.eased_at + limit.step_ms:
        return limiter
    return limiter._replace(pace=min(FULL_PACE_PPM, limiter.pace + EASING_PPM), eased_at=now)


def paced(limit: RateLimit, limiter: LimiterState) -> RateLimit:
    """The limit at the pace of the moment."""
    if limiter.pace >= FULL_PACE_PPM:
        return limit
    pace = max(_least(limit), limiter.pace)
    return limit._replace(rate=limit.rate * pace / FULL_PACE_PPM, burst=max(1, limit.burst * pace // FULL_PACE_PPM))


def full_pace_in(limit: RateLimit, limiter: LimiterState, now: int) -> int | None:
    """In how many ms the pace is full again, where each minute brings an answer and no refusal; ``None``: it is full.

    By hand: a pace of a half that was last changed 20 s ago needs ten steps, and the first is due in 40 s: 9 min 40 s.
    """
    if limiter.pace >= FULL_PACE_PPM:
        return None
    steps = ceil((FULL_PACE_PPM - limiter.pace) / EASING_PPM)
    waited = min(limit.step_ms, max(0, now - limiter.eased_at))
    return steps * limit.step_ms - waited


def sustained(limit: RateLimit, limiter: LimiterState, now: int) -> float:
    """The requests a second that can be kept up from ``now`` to midnight: what the delay per request floats with.

    The rate at its pace, or what the day's budget leaves, if that is less. What the last hour leaves is not rushed out.
    """
    rate = paced(limit, limiter).rate
    if limit.daily is None:
        return rate
    limiter = _of_today(limiter, now)
    seconds = max(HOUR_MS, (limiter.day + 1) * DAY_MS - now) / 1000
    return min(rate, max(1.0, limit.daily - limiter.spent) / seconds)


def spent_today(limiter: LimiterState, now: int) -> int:
    """The requests counted since midnight."""
    return _of_today(limiter, now).spent


def _least(limit: RateLimit) -> int:
    return min(FULL_PACE_PPM, max(LEAST_PACE_PPM, ceil(FULL_PACE_PPM / (60 * limit.rate))))


def _of_today(limiter: LimiterState, now: int) -> LimiterState:
    today = now // DAY_MS
    if today > limiter.day:
        return limiter._replace(day=today, spent=0)
    if now < limiter.day * DAY_MS - HOUR_MS:
        return limiter._replace(day=today)
    return limiter
