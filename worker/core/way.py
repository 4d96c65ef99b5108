"""What one attempt to send a letter changes: the letter's row, and the way's.

=================  =====================================================  =============================================
answer             the letter                                             the way
=================  =====================================================  =============================================
Delivered          its row goes                                           its failures end, and its rest
LetterRefused      failed, tried again by the schedule; at its end dead   a failure; at the third in a row it rests
ReceiverDown       likewise, if the attempt counts; else unchanged        a failure; it rests at once
ReceiverGone       unchanged                                              stopped, until a person starts it again
=================  =====================================================  =============================================

A way that rests tries one letter when its rest is over, and rests again, for longer, if that comes to nothing. So of a
thousand letters that wait for a receiver which is down, few are tried, and the schedules of the others have not begun.
It tries the letter that was not tried for the longest time, one that was never tried first: a letter that makes its
receiver hang holds up the others for one attempt.

Three failures in a row were the receiver's trouble. When a letter goes through after them, the letters that were tried
meanwhile are due at once. After one or two they keep their schedules. A letter that was tried before and is refused
tells nothing new of the receiver: while others go through, it gives the way no rest, so letters that are refused each
time keep their schedules, and hold up nothing.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from worker.core.delivery import Delivered, LetterRefused, ReceiverDown, ReceiverGone, Sent

FIRST_REST_MS = 1_000
LONGEST_REST_MS = 300_000

# A receiver that answers works: it is asked more often than one that does not.
LONGEST_REST_REFUSED_MS = 60_000

# Of what a receiver asks for (Retry-After).
LONGEST_ASKED_REST_MS = 3_600_000

# So many failures in a row, each of a letter that was not tried before, are the receiver's trouble.
TROUBLE_FAILURES = 3

DeliveryState = Literal["waiting", "failed", "dead"]


class WayState(NamedTuple):
    """How a way fares; instants are ms. ``failures``: attempts in a row that came to nothing.

    ``rests_until`` stays when that instant has passed, until the receiver answers. ``last_at``: the last delivery.
    """

    failures: int = 0
    rests_until: int | None = None
    stopped_at: int | None = None
    reason: str | None = None
    last_at: int | None = None

    def rest_over_at(self, now: int) -> int | None:
        """When the rest is over, if it is not yet. One that is too long was written before the clock was set back."""
        until = self.rests_until
        return until if until is not None and now < until <= now + LONGEST_ASKED_REST_MS else None


class Undone(NamedTuple):
    """The row of a letter that is to be sent. Letters of one ``task`` go out in the order of their numbers.

    ``attempts`` are those of its present schedule, ``last_at`` is the last one ever; ``None``: it was never tried.
    """

    number: int
    result: int
    task: int | None
    attempts: int
    last_at: int | None = None


class Failed(NamedTuple):
    """What the row of a letter says after an attempt that came to nothing; ``last_at`` is that attempt's instant."""

    number: int
    state: DeliveryState
    attempts: int
    next_at: int
    error: str
    detail: str
    last_at: int


class After(NamedTuple):
    """The way after an attempt. ``letter``: what its row says then; ``None``: see the table.

    ``revives``: the letters that were tried since the last delivery are due at once.
    """

    way: WayState
    letter: Failed | None = None
    revives: bool = False


def after(way: WayState, letter: Undone, sent: Sent, at: int, schedule_ms: Sequence[int]) -> After:
    """What follows from one attempt, made ``at`` this instant (ms)."""
    match sent:
        case Delivered():
            return After(WayState(last_at=at), revives=way.failures >= TROUBLE_FAILURES)
        case ReceiverGone(code, detail):
            return After(way._replace(stopped_at=at, reason=said(code, detail)))
        case LetterRefused(code, detail):
            failures = way.failures + 1
            if letter.last_at is not None and way.failures < TROUBLE_FAILURES:
                failures = max(1, way.failures)
            rests_until = None  # it answers
            if failures >= TROUBLE_FAILURES:
                rests_until = at + _rest(failures - TROUBLE_FAILURES, LONGEST_REST_REFUSED_MS)
            way = way._replace(rests_until=rests_until, reason=said(code, detail))
            return After(way._replace(failures=failures), _failed(letter, code, detail, at, schedule_ms))
        case ReceiverDown(code, detail, retry_after_ms, counts):
            rest_ms = _rest(way.failures, LONGEST_REST_MS)
            if retry_after_ms is not None:
                rest_ms = min(max(rest_ms, retry_after_ms), LONGEST_ASKED_REST_MS)
            way = way._replace(failures=way.failures + 1, rests_until=at + rest_ms, reason=said(code, detail))
            return After(way, _failed(letter, code, detail, at, schedule_ms) if counts else None)


def said(code: str, detail: str) -> str:
    """A code and its words, in one line."""
    return f"{code}: {detail}" if detail else code


def _rest(doublings: int, longest_ms: int) -> int:
    return min(FIRST_REST_MS << min(doublings, 20), longest_ms)


def _failed(letter: Undone, code: str, detail: str, at: int, schedule_ms: Sequence[int]) -> Failed:
    attempts = letter.attempts + 1
    if attempts > len(schedule_ms):
        return Failed(letter.number, "dead", attempts, at, code, detail, at)
    return Failed(letter.number, "failed", attempts, at + schedule_ms[attempts - 1], code, detail, at)
