"""Is a reply about the task, or about us? One pure function over the lane and what the latest replies made us suspect.

A refusal by the API (403, or 401 with a fresh token) is held back until another request has been heard: refused too,
then it is the credentials and the API rests; answered, then it is that task's own failure, and so are the refusals that
came during a pause which an answer ends: two tasks that are refused for ever must not stop the others again and again.
Five tasks in a row without a usable answer are no accident of theirs either.
"""

from typing import NamedTuple

from worker.core.pacing.breaker import Lane, Reason, pause, resume
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.reply import (
    Concluded,
    Garbled,
    Pending,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
)


class Doubt(NamedTuple):
    """What the latest replies make us suspect. Not stored: after a restart it is soon found out again."""

    suspect: tuple[int, Refused] | None = None  # a task the API refused; another request tells whether it is us
    missed: frozenset[int] = frozenset()  # tasks without a usable answer since the last usable one
    refused: tuple[tuple[int, Refused], ...] = ()  # tasks refused since the pause for it began


class Verdict(NamedTuple):
    """What becomes of one task: ``reply`` is held against it, or (``excused``) nothing is."""

    seq: int
    reply: Reply
    excused: bool = False


class Judgement(NamedTuple):
    lane: Lane
    doubt: Doubt
    verdicts: tuple[Verdict, ...]


CALM = Doubt()

# The seq of a request that is about no task: the vendor's health check.
NO_TASK = 0

# So many tasks in a row without a usable answer are no accident of theirs.
MISSES = 5

# Of the tasks refused during a pause, so many of the latest are remembered.
REMEMBERED = 100

_NOT_THE_API = {"html", "not_json", "redirect", "encoding", "too_large"}


def speaks(reply: Reply) -> bool:
    """Whether this reply proves that the API is there and takes our credentials."""
    if isinstance(reply, Garbled):
        return reply.code not in _NOT_THE_API
    return isinstance(reply, Pending | Concluded | Unknown | Rejected)


def too_fast(reply: Reply) -> bool:
    """Whether a reply of the API may mean that we ask too fast."""
    if isinstance(reply, RateLimited):
        return reply.where == "api"
    return isinstance(reply, Unreachable) and reply.code == "http_503"


def judge(lane: Lane, doubt: Doubt, seq: int, reply: Reply, asked_at: int, now: int, schedule: Schedule) -> Judgement:
    """What ``reply`` to the request about row ``seq`` means; ``asked_at``: when that was let go (ms)."""
    # A pause that begins in the future is one from before the clock was set back: nothing can be late for that.
    before_the_pause = lane.paused_at is not None and asked_at <= lane.paused_at <= now
    if speaks(reply):
        return _spoken(lane, doubt, Verdict(seq, reply), now, late=before_the_pause)
    if before_the_pause:
        # It left before the pause began: it can neither end nor prolong it, unless it brings a later date.
        if isinstance(reply, RateLimited) and reply.retry_after and lane.resumes_at is not None:
            lane = lane._replace(resumes_at=max(lane.resumes_at, now + reply.retry_after))
        return Judgement(lane, doubt, (Verdict(seq, reply, excused=True),))
    match reply:
        case Refused(where="api") if not lane.paused and doubt.suspect is None and seq != NO_TASK:
            return Judgement(lane, Doubt((seq, reply), doubt.missed), ())
        case Refused():
            return _paused(lane, doubt, "credentials", seq, reply, now, schedule)
        case RateLimited():
            return _paused(lane, doubt, "rate_limited", seq, reply, now, schedule)
        case Unreachable(where="token"):
            return _paused(lane, doubt, "unreachable", seq, reply, now, schedule)
    assert isinstance(reply, Unreachable | Garbled)
    if lane.paused:
        return _paused(lane, doubt, "unreachable", seq, reply, now, schedule)
    if doubt.suspect is not None and seq == NO_TASK:
        # Nobody else to ask, and the health check tells nothing: then the refusal stands.
        return _paused(lane, doubt, "credentials", seq, doubt.suspect[1], now, schedule)
    missed = doubt.missed | {seq}
    if len(missed) < MISSES:
        return Judgement(lane, doubt._replace(missed=missed), (Verdict(seq, reply),))
    judged = _paused(lane, doubt, "unreachable", seq, reply, now, schedule)
    return judged._replace(verdicts=(*judged.verdicts[:-1], Verdict(seq, reply)))


def _spoken(lane: Lane, doubt: Doubt, verdict: Verdict, now: int, *, late: bool) -> Judgement:
    """The API is there: a pause ends, unless the request left before it began (``late``), and so does all doubt."""
    if not lane.paused:
        return Judgement(lane, CALM, (verdict,) if doubt == CALM else (*_blame(doubt, verdict.seq), verdict))
    if late:
        return Judgement(lane, doubt, (verdict,))
    return Judgement(resume(lane, now), CALM, (*_blame(doubt, verdict.seq), verdict))


def _paused(
    lane: Lane,
    doubt: Doubt,
    reason: Reason,
    seq: int,
    reply: RateLimited | Refused | Unreachable | Garbled,
    now: int,
    schedule: Schedule,
) -> Judgement:
    wait = reply.retry_after if isinstance(reply, RateLimited) else None
    if wait is None:
        wait = schedule.probe(lane.probes, slowly=reason == "credentials")
    lane = pause(lane, reason, reply.code, now, max(wait, schedule.min_interval))
    held = () if doubt.suspect is None else (Verdict(*doubt.suspect, excused=True),)
    doubt = Doubt(refused=_refused(doubt, seq, reply))
    return Judgement(lane, doubt, (*held, Verdict(seq, reply, excused=True)))


def _refused(doubt: Doubt, seq: int, reply: Reply) -> tuple[tuple[int, Refused], ...]:
    """The tasks that the API has refused since the pause for it began, and in what led to it."""
    found = dict(doubt.refused)
    if isinstance(reply, Refused) and reply.where == "api":
        found |= {} if doubt.suspect is None else {doubt.suspect[0]: doubt.suspect[1]}
        found |= {} if seq == NO_TASK else {seq: reply}
    return tuple(found.items())[-REMEMBERED:]


def _blame(doubt: Doubt, answered: int) -> tuple[Verdict, ...]:
    """Our credentials are good after all: what was refused was refused for reasons of its own."""
    refused = (*doubt.refused, *([] if doubt.suspect is None else [doubt.suspect]))
    return tuple(Verdict(seq, Rejected(reply.code)) for seq, reply in refused if seq != answered)
