"""Is a reply about the task, or about us? One pure function over the circuit breaker and what recent replies suggest.

A refusal by the API (403, or 401 with a fresh token) is held back until another request has been heard: refused too,
then it is the credentials and the API rests; answered, then it is that task's own failure, and so are the refusals that
came during a pause which an answer ends: two tasks that are refused for ever must not stop the others again and again.
Five tasks in a row without a usable answer are no accident of theirs either.
"""

from typing import NamedTuple

from worker.core.pacing.breaker import Breaker, PauseReason, pause, resume
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


class Finished(NamedTuple):
    """The reply to the request about row ``seq`` (or NO_TASK), which was handed out at ``asked_at`` (ms).

    ``requests`` counts those really sent, with a token or a repeat; ``status`` and ``trace_id`` are those of the last
    HTTP answer of the API, ``None`` where none came.
    """

    seq: int
    reply: Reply
    asked_at: int
    requests: int = 1
    status: int | None = None
    trace_id: str | None = None


class Suspicion(NamedTuple):
    """What the latest replies suggest. Not stored: after a restart it is soon found out again."""

    suspect: tuple[int, Refused] | None = None  # a task the API refused; another request tells whether it is us
    missed: frozenset[int] = frozenset()  # tasks without a usable answer since the last usable one
    refused: tuple[tuple[int, Refused], ...] = ()  # tasks refused since the pause for it began

    @property
    def seqs(self) -> tuple[int, ...]:
        """The rows that a verdict may still be about."""
        held = self.refused if self.suspect is None else (*self.refused, self.suspect)
        return tuple(seq for seq, _ in held)


class Verdict(NamedTuple):
    """What becomes of one task: ``reply`` is held against it, or (``excused``) nothing is."""

    seq: int
    reply: Reply
    excused: bool = False


class Judgement(NamedTuple):
    """The breaker and the suspicion after a reply, and what becomes of tasks because of it."""

    breaker: Breaker
    suspicion: Suspicion
    verdicts: tuple[Verdict, ...]


NO_SUSPICION = Suspicion()

# The seq of a request that is about no task: the vendor's health check.
NO_TASK = 0

# Tasks in a row without a usable answer that are no accident of theirs.
MISSES_IN_A_ROW = 5

# The latest tasks refused during a pause that are remembered, at most.
REMEMBERED_REFUSALS = 100

_NOT_THE_API = {"html", "not_json", "redirect", "encoding", "too_large"}


def usable(reply: Reply) -> bool:
    """Whether this reply proves that the API is there and takes our credentials."""
    if isinstance(reply, Garbled):
        return reply.code not in _NOT_THE_API
    return isinstance(reply, Pending | Concluded | Unknown | Rejected)


def too_fast(reply: Reply) -> bool:
    """Whether a reply of the API may mean that we ask too fast."""
    if isinstance(reply, RateLimited):
        return reply.where == "api"
    return isinstance(reply, Unreachable) and reply.code == "http_503"


def judge(breaker: Breaker, suspicion: Suspicion, heard: Finished, now: int, schedule: Schedule) -> Judgement:
    """What one reply means."""
    seq, reply, asked_at = heard.seq, heard.reply, heard.asked_at
    # A pause that begins in the future is one from before the clock was set back: nothing can be late for that.
    before_the_pause = breaker.paused_at is not None and asked_at <= breaker.paused_at <= now
    if usable(reply):
        return _answered(breaker, suspicion, Verdict(seq, reply), now, late=before_the_pause)
    if before_the_pause:
        # It left before the pause began: it can neither end nor prolong it, unless it brings a later date.
        if isinstance(reply, RateLimited) and reply.retry_after and breaker.resumes_at is not None:
            breaker = breaker._replace(resumes_at=max(breaker.resumes_at, now + reply.retry_after))
        return Judgement(breaker, suspicion, (Verdict(seq, reply, excused=True),))
    pausing = _Pausing(breaker, suspicion, now, schedule)
    match reply:
        case Refused(where="api") if not breaker.paused and suspicion.suspect is None and seq != NO_TASK:
            return Judgement(breaker, Suspicion((seq, reply), suspicion.missed), ())
        case Refused():
            return pausing.judgement("credentials", seq, reply)
        case RateLimited():
            return pausing.judgement("rate_limited", seq, reply)
        case Unreachable(where="token"):
            return pausing.judgement("unreachable", seq, reply)
    assert isinstance(reply, Unreachable | Garbled)
    if breaker.paused:
        return pausing.judgement("unreachable", seq, reply)
    if suspicion.suspect is not None and seq == NO_TASK:
        # There is no other task to poll, and the health check tells nothing: then the refusal stands.
        return pausing.judgement("credentials", seq, suspicion.suspect[1])
    missed = suspicion.missed | {seq}
    if len(missed) < MISSES_IN_A_ROW:
        return Judgement(breaker, suspicion._replace(missed=missed), (Verdict(seq, reply),))
    judged = pausing.judgement("unreachable", seq, reply)
    return judged._replace(verdicts=(*judged.verdicts[:-1], Verdict(seq, reply)))


def _answered(breaker: Breaker, suspicion: Suspicion, verdict: Verdict, now: int, *, late: bool) -> Judgement:
    """The API is there: a pause ends, unless the request left before it began (``late``), and so does all suspicion."""
    if not breaker.paused:
        blamed = () if suspicion == NO_SUSPICION else _blame(suspicion, verdict.seq)
        return Judgement(breaker, NO_SUSPICION, (*blamed, verdict))
    if late:
        return Judgement(breaker, suspicion, (verdict,))
    return Judgement(resume(breaker, now), NO_SUSPICION, (*_blame(suspicion, verdict.seq), verdict))


class _Pausing(NamedTuple):
    """What a pause begins from, or goes on from."""

    breaker: Breaker
    suspicion: Suspicion
    now: int
    schedule: Schedule

    def judgement(
        self, reason: PauseReason, seq: int, reply: RateLimited | Refused | Unreachable | Garbled
    ) -> Judgement:
        wait = reply.retry_after if isinstance(reply, RateLimited) else None
        if wait is None:
            wait = self.schedule.probe(self.breaker.probes, slowly=reason == "credentials")
        breaker = pause(self.breaker, reason, reply.code, self.now, max(wait, self.schedule.min_interval))
        suspect = self.suspicion.suspect
        held = () if suspect is None else (Verdict(*suspect, excused=True),)
        refused = Suspicion(refused=_refused(self.suspicion, seq, reply))
        return Judgement(breaker, refused, (*held, Verdict(seq, reply, excused=True)))


def _refused(suspicion: Suspicion, seq: int, reply: Reply) -> tuple[tuple[int, Refused], ...]:
    """The tasks that the API has refused since the pause for it began, and in what led to it."""
    found = dict(suspicion.refused)
    if isinstance(reply, Refused) and reply.where == "api":
        found |= {} if suspicion.suspect is None else {suspicion.suspect[0]: suspicion.suspect[1]}
        found |= {} if seq == NO_TASK else {seq: reply}
    return tuple(found.items())[-REMEMBERED_REFUSALS:]


def _blame(suspicion: Suspicion, answered: int) -> tuple[Verdict, ...]:
    """Our credentials are good after all: what was refused was refused for reasons of its own."""
    refused = (*suspicion.refused, *([] if suspicion.suspect is None else [suspicion.suspect]))
    return tuple(Verdict(seq, Rejected(reply.code)) for seq, reply in refused if seq != answered)
