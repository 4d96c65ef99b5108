"""What one poll pass decides: from what was heard, and what is due, to what is to be written and sent.

:func:`decide` does no I/O, reads no clock and changes none of its arguments. The pass (worker/rounds/poll/poll.py)
reads what it needs, writes the intents, and only then replaces its own memory; so a transaction that fails leaves
nothing to undo. Steps, in this order:

1. The delay per request follows the load.
2. Every reply is judged: is it about its task, or about us (judge.py)? The rate limiter is charged and slowed or eased.
3. Each verdict becomes the next state of its task (worker/core/lifecycle.py), with its next poll from the planner; for
   a task that a callback has concluded it says whether the vendor confirms that (worker/core/verification.py).
4. Jobs that were taken back unbegun are released.
5. Due tasks are claimed, as many as the breaker, the limiter and the free threads allow, in the order of
   claim_order.py. One that was planned at a much lower delay per request is planned anew instead.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from worker.core.lifecycle import after, excused, shown
from worker.core.pacing.claiming import MOST_REPLANNED_TASKS, Claimed, claim
from worker.core.pacing.judge import NO_TASK, Finished, Verdict, is_own, judge, too_fast, usable
from worker.core.pacing.limiter import charge, eased, grant, slowed, sustained
from worker.core.pacing.policy import Moment, Own, Policy
from worker.core.pacing.shared import Shared
from worker.core.schedule.delay_per_request import Load
from worker.core.schedule.hazard import EndCounts, Observation
from worker.core.schedule.state import ScheduleState
from worker.core.task import PollPlan, Task
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Concluded, Garbled, Pending, Unreachable
from worker.core.verification import CalledBack, asked_again, compared, is_verifying

# The delay per request floats in steps: a lump of work must not pass for a rise in demand.
FLOATED_EVERY_MS = 10_000

# A load of more than this is none: no process polled for a part of the time.
LONGEST_LOAD_MS = 120_000

# Losing what was learned in this time costs nothing.
KEPT_EVERY_MS = 15_000

# Of the tasks that were shown pending, the latest few are the best probes.
REMEMBERED_ANSWERS = 4


class Withdrawn(NamedTuple):
    """A job that was taken back from the pool before a thread began it."""

    seq: int
    asked_at: int


class Collected(NamedTuple):
    """What was heard, with the rows that it is about as they stand in the transaction, those of suspects included."""

    finished: Sequence[Finished] = ()
    withdrawn: Sequence[Withdrawn] = ()
    rows: Mapping[int, Task] = {}
    delivered: Mapping[int, CalledBack] = {}  # by row, of those that a callback has concluded and the vendor confirms


class Save(NamedTuple):
    """A row to be written."""

    old: Task
    new: Task


class Conclusion(NamedTuple):
    """A task to be concluded with the document that concludes it."""

    old: Task
    new: Task
    document: Document


class Intents(NamedTuple):
    """What is to be written in the transaction, and what is to be done once it is committed."""

    saves: tuple[Save, ...] = ()
    conclusions: tuple[Conclusion, ...] = ()
    verifications: tuple[Save, ...] = ()  # concluded rows that the vendor was asked about
    bodies: tuple[tuple[int, str, bytes], ...] = ()  # of no result, to be kept: row, reason, body
    finished: Mapping[int, bytes] = {}  # by row, the finished paths of a pending task
    released: tuple[int, ...] = ()  # rows whose lease ends unused
    verify_again: tuple[int, ...] = ()  # concluded rows likewise
    replanned: tuple[tuple[Task, PollPlan], ...] = ()
    claims: tuple[Task, ...] = ()
    health_check: bool = False  # a probe without a task
    since: Mapping[str, EndCounts] | None = None  # learned by class, where it is time to add it to what is stored
    observations: tuple[Observation, ...] = ()


class Decision(NamedTuple):
    """``wants_more``: slots stayed free because tasks were planned anew; more candidates may fill them."""

    own: Own
    shared: Shared
    intents: Intents
    wants_more: bool = False


def decide(
    policy: Policy, own: Own, shared: Shared, heard: Collected, candidates: Sequence[Task], moment: Moment
) -> Decision:
    """What one pass is to do. ``candidates`` are tasks that may be claimed; those not due, or under way, are left."""
    shared = _floated(policy, shared, moment)
    was_open = own.suspicion.open  # then candidates were read for probes, due or not
    own, shared, verdicts = _judged(policy, own, shared, heard, moment.now)
    schedule, intents = _followed(policy, shared.schedule, heard, verdicts, moment.now)
    own, shared, released = _released(policy, own, shared._replace(schedule=schedule), heard)
    free = [task for task in candidates if task.seq not in heard.rows and task.seq not in moment.under_way]
    claimed = Claimed()
    if was_open or not own.suspicion.open:
        own, shared, claimed = claim(policy, own, shared, free, moment)
    requests = len(claimed.tasks) + claimed.health_check
    if requests:
        limiter = grant(policy.limit, shared.limiter, moment.now, requests).limiter
        schedule = shared.schedule._replace(asked=shared.schedule.asked + requests)
        shared = shared._replace(limiter=limiter, schedule=schedule)
    since: Mapping[str, EndCounts] | None = None
    if not 0 <= moment.now - own.kept_at < KEPT_EVERY_MS:
        since = policy.planner.since()
        own = own._replace(kept_at=moment.now)
        shared = shared._replace(schedule=policy.planner.refresh(shared.schedule))
    intents = intents._replace(
        released=tuple(task.seq for task in released if not is_verifying(task)),
        verify_again=tuple(task.seq for task in released if is_verifying(task)),
        replanned=claimed.replanned,
        claims=claimed.tasks,
        health_check=claimed.health_check,
        since=since,
    )
    replanning = 0 < len(claimed.replanned) < MOST_REPLANNED_TASKS
    return Decision(own, shared, intents, wants_more=replanning and len(claimed.tasks) < claimed.slots)


def floats(state: ScheduleState, now: int) -> bool:
    """Whether it is time for the delay per request to float: one process does it for all."""
    return not 0 <= now - state.floated_at < FLOATED_EVERY_MS


def _floated(policy: Policy, shared: Shared, moment: Moment) -> Shared:
    """Time in a pause does not count."""
    before, now = shared.schedule, moment.now
    if moment.backlog is None or not floats(before, now):
        return shared
    elapsed, after = now - before.floated_at, before
    if 0 < elapsed <= LONGEST_LOAD_MS and not shared.breaker.paused:
        rate = sustained(policy.limit, shared.limiter, now)
        load = Load(elapsed, before.asked, before.backlog, moment.backlog)
        after = policy.planner.float_delay(before, load, rate)
    return shared._replace(schedule=after._replace(floated_at=now, asked=0, backlog=moment.backlog))


def _judged(policy: Policy, own: Own, shared: Shared, heard: Collected, now: int) -> tuple[Own, Shared, list[Verdict]]:
    breaker, limiter, suspicion = shared.breaker, shared.limiter, own.suspicion
    verdicts: list[Verdict] = []
    answered = own.answered
    for one in heard.finished:
        row = heard.rows.get(one.seq)
        if one.requests > 1:
            # A token or a repeat took requests that no slot was granted for: they are paid for now.
            limiter = charge(policy.limit, limiter, one.requests - 1, now)
        if usable(one.reply):
            limiter = eased(policy.limit, limiter, now)
        elif too_fast(one.reply, limiter.pace) and not breaker.paused and not is_own(row, one.reply):
            limiter = slowed(policy.limit, limiter, one.asked_at, now)
        if isinstance(one.reply, Pending) and one.seq != NO_TASK:
            answered = (*(seq for seq in answered if seq != one.seq), one.seq)[-REMEMBERED_ANSWERS:]
        breaker, suspicion, more = judge(breaker, suspicion, one, now, policy.schedule, row)
        verdicts += more
    own = own._replace(
        suspicion=suspicion,
        answered=answered,
        usable=own.usable + sum(usable(one.reply) for one in heard.finished),
        unreachable=own.unreachable + sum(isinstance(one.reply, Unreachable) for one in heard.finished),
    )
    return own, shared._replace(breaker=breaker, limiter=limiter), verdicts


def _followed(
    policy: Policy, state: ScheduleState, heard: Collected, verdicts: Sequence[Verdict], now: int
) -> tuple[ScheduleState, Intents]:
    """From verdicts to the next states of their tasks, and what the schedule has earned, paid and learned."""
    rows = dict(heard.rows)
    passed_over = _passed_over(policy, heard, now)
    for one in heard.finished:
        row = rows.get(one.seq)
        if one.seq not in passed_over and row is not None and (row.state == "pending" or is_verifying(row)):
            rows[one.seq] = row._replace(last_status=one.status, last_trace_id=one.trace_id)
    conclusions: list[Conclusion] = []
    observations: list[Observation] = []
    for seq, reply, is_excused, is_counted in verdicts:
        task = rows.get(seq)
        if task is None or (seq in passed_over and not isinstance(reply, Concluded)):
            continue  # the health check, a row that was purged meanwhile, or one of which more is known
        if is_excused:
            polled = getattr(reply, "where", "api") == "api"
            rows[seq] = (asked_again if is_verifying(task) else excused)(task, now, polled=polled)
            continue
        if is_counted:
            task = task._replace(polls=task.polls - 1)
        if is_verifying(task):
            asked_at = max((one.asked_at for one in heard.finished if one.seq == seq), default=now)
            rows[seq] = compared(task, reply, heard.delivered.get(seq), asked_at, now, policy.schedule)
            if isinstance(reply, Concluded):
                conclusions.append(Conclusion(heard.rows[seq], rows[seq], reply.document))
            continue
        seen = policy.planner.observe(task, reply, now)
        if seen is not None:
            observations.append(seen)
            state = policy.planner.settle(task, seen, state, now)
        plan = None
        if isinstance(reply, Pending) and task.state == "pending":
            plan, state = policy.planner.plan(shown(task, reply.document, now), state, now)
        rows[seq] = after(task, reply, now, policy.schedule, plan)
        if isinstance(reply, Concluded):
            conclusions.append(Conclusion(heard.rows[seq], rows[seq], reply.document))
    concluded = {one.new.seq for one in conclusions}
    changed = [Save(old, rows[seq]) for seq, old in heard.rows.items() if rows[seq] is not old]
    saves = tuple(one for one in changed if one.new.seq not in concluded and not is_verifying(one.old))
    verifications = tuple(one for one in changed if is_verifying(one.old))
    verdicts = [one for one in verdicts if one.seq in rows and one.seq not in passed_over]
    garbled = [(seq, reply) for seq, reply, *_ in verdicts if isinstance(reply, Garbled)]
    bodies = tuple((seq, reply.code, reply.body) for seq, reply in garbled if reply.body)
    intents = Intents(saves, tuple(conclusions), verifications, bodies, _finished(verdicts))
    return state, intents._replace(observations=tuple(observations))


def _passed_over(policy: Policy, heard: Collected, now: int) -> frozenset[int]:
    """Rows that were polled, or claimed, after they were asked about here: a reply that comes so late says nothing new,
    but that the task is concluded.

    It comes late where the process was stopped, or the database could not be reached, for longer than the lease. And
    where it could not be told whether a transaction was committed, and it was: then the reply is saved already. An
    instant that is still to come, of a clock that was set back, tells of neither.
    """
    late = policy.lease_ms
    return frozenset(
        one.seq
        for one in heard.finished
        if (row := heard.rows.get(one.seq)) is not None
        and (one.asked_at < (row.last_poll_at or 0) <= now or one.asked_at + late < _leased_until(row) <= now + late)
    )


def _leased_until(row: Task) -> int:
    return (row.verify_at if is_verifying(row) else row.leased_until) or 0


def _finished(verdicts: Sequence[Verdict]) -> Mapping[int, bytes]:
    """By row, the finished paths of tasks that are still pending; empty where there are none."""
    return {seq: reply.document.finished for seq, reply, *_ in verdicts if isinstance(reply, Pending)}


def _released(policy: Policy, own: Own, shared: Shared, heard: Collected) -> tuple[Own, Shared, tuple[Task, ...]]:
    """Tasks whose jobs were taken back are due as they were. No request was made: only the slot's moment is lost."""
    back = len(heard.withdrawn)
    if not back:
        return own, shared, ()
    limiter = shared.limiter._replace(spent=max(0, shared.limiter.spent - back))
    asked = own.suspicion.asked - {job.seq for job in heard.withdrawn}
    own = own._replace(suspicion=own.suspicion._replace(asked=asked))
    # A later lease is another process's.
    released = [
        row
        for job in heard.withdrawn
        if (row := heard.rows.get(job.seq)) is not None and job.asked_at + policy.lease_ms == _leased_until(row)
    ]
    schedule = shared.schedule._replace(asked=max(0, shared.schedule.asked - back))
    return own, shared._replace(limiter=limiter, schedule=schedule), tuple(released)
