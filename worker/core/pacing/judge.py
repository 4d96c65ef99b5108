"""Is a reply about the task, or about us? One pure function over the circuit breaker and what recent replies suggest.

One task alone proves nothing: it may be refused, or end in an error, for a reason of its own. So another is asked.

=============================  ========================================================================================
heard                          what follows
=============================  ========================================================================================
a usable answer                The API is there. A pause ends, and so does all suspicion: what was refused before was
                               refused for reasons of its own, and is held against those tasks.
429, or Retry-After            The API rests for as long as was asked. Then another task is asked first.
403, or 401 with a fresh       A suspicion. Some other tasks are asked, as *probes*. All in vain: then it is our
token                          credentials (with an HTML page: the way to the vendor), and the API rests.
no whole answer                The task's own failure. Five such tasks in a row are a suspicion, as above.
token or proxy refused         No task has a part in it. The API rests at once.
=============================  ========================================================================================

From then on a task whose refusal was its own is known by its row: it has failed, and with the same code. What it
answers again rests only itself. So a task costs the others one rest or one suspicion, not one for each of its polls.

By hand: task 7 answers 429 with ``Retry-After: 30``. For 30 s nothing is asked; then task 3 is, and is answered. Task 7
has now failed with ``http_429``. Half a minute later it answers 429 again: it is asked after its own backoff, or after
30 s if that is longer, and nothing else waits.
"""

from typing import NamedTuple

from worker.core.pacing.breaker import Breaker, PauseReason, pause, resume
from worker.core.poll_errors import is_from_between
from worker.core.schedule.cadence import Schedule
from worker.core.task import Task
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


# Tasks in a row without a usable answer that are no accident of theirs.
MISSES_IN_A_ROW = 5

# The latest tasks whose refusals are remembered, at most.
REMEMBERED_REFUSALS = 100

# A pace at which a 503 does not mean that we ask too fast.
DOUBTED_PACE_PPM = 125_000


class Suspicion(NamedTuple):
    """What the latest replies suggest. Not stored: after a restart it is soon found out again."""

    excused: tuple[tuple[int, Reply], ...] = ()  # tasks, and what they answered, since the last usable answer
    missed: frozenset[int] = frozenset()  # tasks without a whole answer since the last usable one
    asked: frozenset[int] = frozenset()  # probes under way: rows, or NO_TASK

    @property
    def open(self) -> bool:
        """Whether other tasks have to be asked, due or not, before anything else."""
        return self.refused or len(self.missed) >= MISSES_IN_A_ROW

    @property
    def refused(self) -> bool:
        """Whether a task was refused. The health check proves little then: it may be allowed where tasks are not."""
        return any(isinstance(reply, Refused) for _, reply in self.excused)

    @property
    def seqs(self) -> frozenset[int]:
        """The rows that a verdict may still be about."""
        return frozenset(seq for seq, _ in self.excused)


class Verdict(NamedTuple):
    """What becomes of one task: ``reply`` is held against it, or (``excused``) nothing is.

    ``counted``: the poll was excused before, and is held against the task only now.
    """

    seq: int
    reply: Reply
    excused: bool = False
    counted: bool = False


class Judgement(NamedTuple):
    """The breaker and the suspicion after a reply, and what becomes of tasks because of it."""

    breaker: Breaker
    suspicion: Suspicion
    verdicts: tuple[Verdict, ...]


NO_SUSPICION = Suspicion()

# The seq of a request that is about no task: the vendor's health check.
NO_TASK = 0

# "damaged_id": nothing was asked.
_NOT_THE_API = {"html", "not_json", "redirect", "encoding", "too_large", "damaged_id"}


def usable(reply: Reply) -> bool:
    """Whether this reply proves that the API is there and takes our credentials."""
    if isinstance(reply, Garbled):
        return reply.code not in _NOT_THE_API
    return isinstance(reply, Pending | Concluded | Unknown | Rejected)


def too_fast(reply: Reply, pace: int) -> bool:
    """Whether a reply of the API may mean that we ask too fast, at this pace (millionths of the rate).

    A 503 that asks for no wait may as well be its task's own trouble, and a hundred tasks may be in it. So it is
    doubted at an eighth of the rate.
    """
    if isinstance(reply, RateLimited):
        return reply.where == "api"
    return isinstance(reply, Unreachable) and reply.code == "http_503" and pace > DOUBTED_PACE_PPM


def is_own(task: Task | None, reply: Reply) -> bool:
    """Whether this reply is known to be the task's own trouble: others were answered when it came before."""
    if isinstance(reply, Refused | RateLimited | Unreachable) and reply.where != "api":
        return False
    return task is not None and task.failures > 0 and task.last_error == getattr(reply, "code", None)


def judge(
    breaker: Breaker, suspicion: Suspicion, heard: Finished, now: int, schedule: Schedule, task: Task | None = None
) -> Judgement:
    """What one reply means; ``task`` is the row that it is about, as it was before."""
    seq, reply = heard.seq, heard.reply
    is_probe = seq in suspicion.asked
    suspicion = suspicion._replace(asked=suspicion.asked - {seq})
    # A pause that begins in the future is one from before the clock was set back: nothing can be late for that.
    is_late = breaker.paused_at is not None and heard.asked_at <= breaker.paused_at <= now
    # A credential may lack the right to ask for the health check. That it is refused shows that the API answers.
    is_refused_check = (
        seq == NO_TASK and isinstance(reply, Refused) and reply.where == "api" and not is_from_between(reply.code)
    )
    if usable(reply) or (is_refused_check and not (suspicion.refused or breaker.reason == "credentials")):
        return _answered(breaker, suspicion, Verdict(seq, reply), now, is_late=is_late)
    verdict = Verdict(seq, _as_task_failure(reply)) if is_own(task, reply) else Verdict(seq, reply, excused=True)
    if is_late:
        # It left before the pause began: it can neither end nor prolong it, unless it brings a later date.
        if isinstance(reply, RateLimited) and reply.retry_after and breaker.resumes_at is not None:
            breaker = breaker._replace(resumes_at=max(breaker.resumes_at, now + reply.retry_after))
        return Judgement(breaker, suspicion, (verdict,))
    if isinstance(reply, Refused | RateLimited | Unreachable) and reply.where != "api":
        reason: PauseReason = "rate_limited" if isinstance(reply, RateLimited) else _reason(reply)
        return Judgement(_rested(breaker, reason, reply, now, schedule), suspicion, (verdict,))
    if verdict.excused and seq != NO_TASK:
        if isinstance(reply, Refused | RateLimited) or breaker.paused:
            suspicion = suspicion._replace(excused=_remembered(suspicion, seq, reply))
        else:
            suspicion = suspicion._replace(missed=suspicion.missed | {seq})
            verdict = Verdict(seq, reply)
    if isinstance(reply, RateLimited) and (verdict.excused or breaker.paused):
        return Judgement(_rested(breaker, "rate_limited", reply, now, schedule), suspicion, (verdict,))
    if is_probe and not suspicion.asked:
        return Judgement(_in_vain(breaker, suspicion, reply, now, schedule), suspicion, (verdict,))
    return Judgement(breaker, suspicion, (verdict,))


def _answered(breaker: Breaker, suspicion: Suspicion, verdict: Verdict, now: int, *, is_late: bool) -> Judgement:
    """The API is there: a pause ends, unless the request left before it began, and so does all suspicion."""
    if breaker.paused and is_late:
        return Judgement(breaker, suspicion, (verdict,))
    blamed = tuple(
        Verdict(seq, _as_task_failure(reply), counted=True)
        for seq, reply in suspicion.excused
        # An outage is not the task's own trouble. A task that is in trouble fails again, and then by itself.
        if seq != verdict.seq and isinstance(reply, Refused | RateLimited)
    )
    if breaker.paused:
        breaker = resume(breaker, now)
    return Judgement(breaker, NO_SUSPICION, (*blamed, verdict))


def _in_vain(breaker: Breaker, suspicion: Suspicion, reply: Reply, now: int, schedule: Schedule) -> Breaker:
    """The breaker after the last probe of a step has told nothing usable."""
    if breaker.paused and breaker.resumes_at is not None and now < breaker.resumes_at:
        return breaker  # a probe out of turn, for a task that was recorded meanwhile
    if not (breaker.paused or suspicion.open):
        return breaker  # another reply has settled it
    refusals = [told for _, told in suspicion.excused if isinstance(told, Refused)]
    if refusals and not breaker.paused:
        reply = refusals[0]
    return _rested(breaker, _reason(reply), reply, now, schedule)


def _reason(reply: Reply) -> PauseReason:
    """Why all rests that was asked in vain."""
    refused = isinstance(reply, Refused) and not is_from_between(reply.code)
    return "credentials" if refused else "unreachable"


def _rested(breaker: Breaker, reason: PauseReason, reply: Reply, now: int, schedule: Schedule) -> Breaker:
    """A pause begins or goes on: for as long as was asked, and for our own backoff at least."""
    asked = reply.retry_after if isinstance(reply, RateLimited) else None
    wait = max(asked or 0, schedule.probe(breaker.probes, slowly=reason == "credentials"), schedule.min_interval)
    return pause(breaker, reason, getattr(reply, "code", ""), now, wait)


def _remembered(suspicion: Suspicion, seq: int, reply: Reply) -> tuple[tuple[int, Reply], ...]:
    return tuple((dict(suspicion.excused) | {seq: reply}).items())[-REMEMBERED_REFUSALS:]


def _as_task_failure(reply: Reply) -> Reply:
    """The reply as one that is held against its task."""
    if isinstance(reply, Refused):
        return Rejected(reply.code)
    if isinstance(reply, RateLimited):
        return Rejected(reply.code, reply.retry_after or 0)
    return reply
