"""The API as a whole: open, or paused because an answer was about us and not about a task.

A pause holds every request except one probe at a time, first when ``resumes_at`` has come, then ever more slowly. A
usable answer to a probe ends it. Time spent in a pause does not count against the life of any task (``paused_total``).

================  =================================================================================
reason            begins with
================  =================================================================================
rate_limited      429, or 503 with Retry-After: for as long as the vendor asked, else backoff
credentials       the token refused, or the API refusing two different requests with a fresh token
unreachable       no token to be had, or five tasks in a row without a whole answer
================  =================================================================================
"""

from dataclasses import dataclass, replace
from typing import Literal

from worker.core.reply import Concluded, Garbled, Pending, RateLimited, Refused, Rejected, Reply, Unknown, Unreachable
from worker.core.schedule import Schedule

Reason = Literal["rate_limited", "credentials", "unreachable"]


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of the database. Instants and durations in ms; ``tat`` is the limiter's (see ``limit.py``)."""

    reason: Reason | None = None
    code: str | None = None  # of the reply that began or last prolonged the pause
    paused_at: int | None = None
    resumes_at: int | None = None
    probes: int = 0
    paused_total: int = 0  # of the pauses that are over
    tat: int = 0

    @property
    def paused(self) -> bool:
        return self.reason is not None

    def paused_until_now(self, now: int) -> int:
        """All time ever spent in pauses, the present one included."""
        return self.paused_total + (max(0, now - self.paused_at) if self.paused_at is not None else 0)


def pause(lane: Lane, reason: Reason, reply: Reply, now: int, schedule: Schedule) -> Lane:
    """Begin a pause, or prolong the present one after a probe that failed."""
    wait = reply.retry_after if isinstance(reply, RateLimited) else None
    if wait is None:
        wait = schedule.probe(lane.probes, slowly=reason == "credentials")
    return replace(
        lane,
        reason=reason,
        code=getattr(reply, "code", None),
        paused_at=lane.paused_at if lane.paused_at is not None else now,
        resumes_at=now + max(wait, schedule.min_interval),
        probes=lane.probes + 1,
    )


def resume(lane: Lane, now: int) -> Lane:
    """The API answers again. The limiter's state stays."""
    return Lane(paused_total=lane.paused_until_now(now), tat=lane.tat)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What the latest replies make us suspect. Not stored: after a restart it is soon found out again."""

    suspect: tuple[int, Refused] | None = None  # a task the API refused; another request tells whether it is us
    missed: frozenset[int] = frozenset()  # tasks without a usable answer since the last usable one


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one task: ``reply`` is held against it, or (``excused``) nothing is."""

    seq: int
    reply: Reply
    excused: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    lane: Lane
    doubt: Doubt
    verdicts: tuple[Verdict, ...]


# The seq of a request that is about no task: the vendor's health check.
NO_TASK = 0

# So many tasks in a row without a usable answer are no accident of theirs.
MISSES = 5

_NOT_THE_API = {"html", "not_json", "redirect", "encoding", "too_large"}


def speaks(reply: Reply) -> bool:
    """Whether this reply proves that the API is there and takes our credentials."""
    if isinstance(reply, Garbled):
        return reply.code not in _NOT_THE_API
    return isinstance(reply, Pending | Concluded | Unknown | Rejected)


def judge(lane: Lane, doubt: Doubt, seq: int, reply: Reply, asked_at: int, now: int, schedule: Schedule) -> Judgement:
    """Is this reply about the task, or about us? ``asked_at``: when the request was let go (ms).

    A refusal by the API (403, or 401 with a fresh token) is held back until another request has been heard: refused
    too, then it is the credentials and no task is to blame; answered, then it is this task's own failure.
    """
    before_the_pause = lane.paused_at is not None and asked_at < lane.paused_at
    if speaks(reply):
        blamed = _blame(doubt)
        if lane.paused and not before_the_pause:
            lane = resume(lane, now)
        return Judgement(lane, Doubt(), (*blamed, Verdict(seq, reply)))
    if before_the_pause:
        # It left before the pause began: it can neither end nor prolong it, unless it brings a later date.
        if isinstance(reply, RateLimited) and reply.retry_after and lane.resumes_at is not None:
            lane = replace(lane, resumes_at=max(lane.resumes_at, now + reply.retry_after))
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
    if lane.paused:
        return _paused(lane, doubt, "unreachable", seq, reply, now, schedule)
    if doubt.suspect is not None and seq == NO_TASK:
        # Nobody else to ask, and the health check tells nothing: then the refusal stands.
        return _paused(lane, doubt, "credentials", seq, doubt.suspect[1], now, schedule)
    missed = doubt.missed | {seq}
    if len(missed) < MISSES:
        return Judgement(lane, replace(doubt, missed=missed), (Verdict(seq, reply),))
    judged = _paused(lane, doubt, "unreachable", seq, reply, now, schedule)
    return replace(judged, verdicts=(*judged.verdicts[:-1], Verdict(seq, reply)))


def _paused(
    lane: Lane, doubt: Doubt, reason: Reason, seq: int, reply: Reply, now: int, schedule: Schedule
) -> Judgement:
    held = () if doubt.suspect is None else (Verdict(*doubt.suspect, excused=True),)
    return Judgement(pause(lane, reason, reply, now, schedule), Doubt(), (*held, Verdict(seq, reply, excused=True)))


def _blame(doubt: Doubt) -> tuple[Verdict, ...]:
    if doubt.suspect is None:
        return ()
    seq, refused = doubt.suspect
    return (Verdict(seq, Rejected(refused.code)),)
