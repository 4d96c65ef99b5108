"""What one poll pass decides: from what was heard, and what is due, to what is to be written and sent.

:func:`decide` does no I/O, reads no clock and changes none of its arguments. The pass (worker/rounds/poll/poll.py)
reads what it needs, writes the intents, and only then replaces its own memory; so a transaction that fails leaves
nothing to undo. Steps, in this order:

1. The delay per request follows the load.
2. Every reply is judged: is it about its task, or about us (judge.py)? The rate limiter is charged and slowed or eased.
3. Each verdict becomes the next state of its task (worker/core/lifecycle.py), with its next poll from the planner.
4. Jobs that were taken back unbegun are released.
5. Due tasks are claimed, as many as the breaker, the limiter and the free threads allow, in the order of
   claim_order.py. One that was planned at a much lower delay per request is planned anew instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from worker.core.lifecycle import after, excused, shown
from worker.core.pacing.breaker import Breaker
from worker.core.pacing.claim_order import in_order, late_slots, probe_order
from worker.core.pacing.judge import NO_SUSPICION, Finished, Suspicion, Verdict, judge, too_fast, usable
from worker.core.pacing.limiter import RateLimit, charge, eased, grant, slowed, sustained
from worker.core.pacing.shared import Shared
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.delay_per_request import Load
from worker.core.schedule.hazard import EndCounts, Observation
from worker.core.schedule.state import ScheduleState
from worker.core.task import PollPlan, Task
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Concluded, Garbled, Pending, Reply, Unreachable

# The delay per request floats in steps: a lump of work must not pass for a rise in demand.
FLOATED_EVERY_MS = 10_000

# Losing what was learned in this time costs nothing.
KEPT_EVERY_MS = 15_000

# Planning one poll anew takes a tenth of a millisecond, and the write lock is held meanwhile.
MOST_REPLANNED_TASKS = 200


class Planner(Protocol):
    """A schedule. Questions change nothing but what it remembers of pure answers; only ``learn`` and ``kept`` do."""

    def plan(self, task: Task, state: ScheduleState, now: int) -> tuple[PollPlan, ScheduleState]:
        """The next poll of a task that was just shown pending, and the state that has paid for it."""

    def replan(self, task: Task, state: ScheduleState, now: int) -> tuple[PollPlan, ScheduleState] | None:
        """A later poll for a task that is due, if that pays better now."""

    def observe(self, task: Task, reply: Reply, now: int) -> Observation | None:
        """What a reply shows of tasks like this one; ``task`` is as it was before."""

    def settle(self, task: Task, seen: Observation, state: ScheduleState, now: int) -> ScheduleState:
        """The state with the credit that a poll has brought."""

    def float_delay(self, state: ScheduleState, load: Load, rate: float) -> ScheduleState:
        """The state with the delay per request after a load, at a rate of requests a second."""

    def refresh(self, state: ScheduleState) -> ScheduleState:
        """The state with the wait to the first poll as it would be planned now."""

    def learn(self, observations: Iterable[Observation]) -> None: ...  # once they are stored

    def changed(self) -> Mapping[str, EndCounts]:
        """Counts by class that are not stored as they are."""

    def kept(self, counts: Mapping[str, EndCounts]) -> None:
        """These are stored now."""


class Policy(NamedTuple):
    """What a pass decides by. ``lease_ms`` is a little longer than a request can take."""

    schedule: Schedule
    limit: RateLimit
    lease_ms: int
    planner: Planner


class Own(NamedTuple):
    """The memory of one process."""

    floated_at: int  # when the delay per request last floated
    kept_at: int  # when curves were last stored
    suspicion: Suspicion = NO_SUSPICION
    backlog: int = 0  # polls that were due and not made at `floated_at`
    spent: int = 0  # requests granted since then
    slots_given: int = 0  # ever; while it is even, the odd slot of a pass is a late task's
    usable: int = 0  # replies that told something of a task
    unreachable: int = 0  # polls that brought no whole answer


class Withdrawn(NamedTuple):
    """A job that was taken back from the pool before a thread began it."""

    seq: int
    asked_at: int


class Collected(NamedTuple):
    """What was heard, with the rows that it is about as they stand in the transaction, those of suspects included."""

    finished: Sequence[Finished] = ()
    withdrawn: Sequence[Withdrawn] = ()
    rows: Mapping[int, Task] = {}


class Moment(NamedTuple):
    """The time, and what the pool can take. Tasks are claimed that are due ``due_by``; ``free`` threads wait for work.

    ``under_way`` are rows that are being polled; ``awaited``: something under way may still answer in time.
    ``backlog`` is given when the delay per request is to float.
    """

    now: int
    due_by: int
    free: int
    under_way: frozenset[int] = frozenset()
    awaited: bool = False
    backlog: int | None = None


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
    bodies: tuple[tuple[int, str, bytes], ...] = ()  # of no result, to be kept: row, reason, body
    released: tuple[int, ...] = ()  # rows whose lease ends unused
    replanned: tuple[tuple[Task, PollPlan], ...] = ()
    claims: tuple[Task, ...] = ()
    health_check: bool = False  # a probe without a task
    curves: Mapping[str, EndCounts] = {}
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
    own, shared = _floated(policy, own, shared, moment)
    suspect_known = own.suspicion.suspect is not None  # then candidates were read for a probe, due or not
    own, shared, verdicts = _judged(policy, own, shared, heard.finished, moment.now)
    schedule, intents = _followed(policy, shared.schedule, heard, verdicts, moment.now)
    own, shared, released = _released(policy, own, shared._replace(schedule=schedule), heard)
    free = [task for task in candidates if task.seq not in heard.rows and task.seq not in moment.under_way]
    own, shared, claimed = _claimed(policy, own, shared, free, moment)
    if own.suspicion.suspect is not None and suspect_known and claimed.slots and not claimed.tasks:
        claimed = claimed._replace(health_check=True)
    requests = len(claimed.tasks) + claimed.health_check
    if requests:
        limiter = grant(policy.limit, shared.limiter, moment.now, requests).limiter
        own, shared = own._replace(spent=own.spent + requests), shared._replace(limiter=limiter)
    curves: Mapping[str, EndCounts] = {}
    if not 0 <= moment.now - own.kept_at < KEPT_EVERY_MS:
        curves = policy.planner.changed()
        own = own._replace(kept_at=moment.now)
        shared = shared._replace(schedule=policy.planner.refresh(shared.schedule))
    intents = intents._replace(
        released=released,
        replanned=claimed.replanned,
        claims=claimed.tasks,
        health_check=claimed.health_check,
        curves=curves,
    )
    replanning = 0 < len(claimed.replanned) < MOST_REPLANNED_TASKS
    return Decision(own, shared, intents, wants_more=replanning and len(claimed.tasks) < claimed.slots)


def may_send(breaker: Breaker, suspicion: Suspicion, moment: Moment) -> bool:
    """False while a pause lasts, or a probe (or what left before it) is still under way."""
    if breaker.resumes_at is not None and moment.now < breaker.resumes_at:
        return False
    return not ((breaker.paused or suspicion.suspect is not None) and moment.awaited)


def _floated(policy: Policy, own: Own, shared: Shared, moment: Moment) -> tuple[Own, Shared]:
    """Time in a pause does not count."""
    if moment.backlog is None:
        return own, shared
    elapsed = moment.now - own.floated_at
    if elapsed > 0 and not shared.breaker.paused:
        rate = sustained(policy.limit, shared.limiter, moment.now)
        load = Load(elapsed, own.spent, own.backlog, moment.backlog)
        shared = shared._replace(schedule=policy.planner.float_delay(shared.schedule, load, rate))
    return own._replace(floated_at=moment.now, spent=0, backlog=moment.backlog), shared


def _judged(
    policy: Policy, own: Own, shared: Shared, finished: Sequence[Finished], now: int
) -> tuple[Own, Shared, list[Verdict]]:
    breaker, limiter, suspicion = shared.breaker, shared.limiter, own.suspicion
    verdicts: list[Verdict] = []
    for one in finished:
        if one.requests > 1:
            # A token or a repeat took requests that no slot was granted for: they are paid for now.
            limiter = charge(policy.limit, limiter, one.requests - 1, now)
        if usable(one.reply):
            limiter = eased(limiter, now)
        elif too_fast(one.reply) and not breaker.paused:
            limiter = slowed(policy.limit, limiter, one.asked_at, now)
        breaker, suspicion, more = judge(breaker, suspicion, one, now, policy.schedule)
        verdicts += more
    own = own._replace(
        suspicion=suspicion,
        usable=own.usable + sum(usable(one.reply) for one in finished),
        unreachable=own.unreachable + sum(isinstance(one.reply, Unreachable) for one in finished),
    )
    return own, shared._replace(breaker=breaker, limiter=limiter), verdicts


def _followed(
    policy: Policy, state: ScheduleState, heard: Collected, verdicts: Sequence[Verdict], now: int
) -> tuple[ScheduleState, Intents]:
    """From verdicts to the next states of their tasks, and what the schedule has earned, paid and learned."""
    rows = dict(heard.rows)
    for one in heard.finished:
        row = rows.get(one.seq)
        if row is not None and row.state == "pending":
            rows[one.seq] = row._replace(last_status=one.status, last_trace_id=one.trace_id)
    conclusions: list[Conclusion] = []
    observations: list[Observation] = []
    for seq, reply, is_excused in verdicts:
        task = rows.get(seq)
        if task is None:
            continue  # the health check, or a row that was purged meanwhile
        if is_excused:
            rows[seq] = excused(task, now, polled=getattr(reply, "where", "api") == "api")
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
    saves = tuple(
        Save(old, rows[seq]) for seq, old in heard.rows.items() if seq not in concluded and rows[seq] is not old
    )
    garbled = [(seq, reply) for seq, reply, _ in verdicts if isinstance(reply, Garbled) and seq in rows]
    bodies = tuple((seq, reply.code, reply.body) for seq, reply in garbled if reply.body)
    return state, Intents(saves, tuple(conclusions), bodies, observations=tuple(observations))


def _released(policy: Policy, own: Own, shared: Shared, heard: Collected) -> tuple[Own, Shared, tuple[int, ...]]:
    """Tasks whose jobs were taken back are due as they were. No request was made: only the slot's moment is lost."""
    back = len(heard.withdrawn)
    if not back:
        return own, shared, ()
    limiter = shared.limiter._replace(spent=max(0, shared.limiter.spent - back))
    released = []
    for job in heard.withdrawn:
        row = heard.rows.get(job.seq)
        # A later lease is another process's.
        if row is not None and row.leased_until == job.asked_at + policy.lease_ms:
            released.append(job.seq)
    return own._replace(spent=own.spent - back), shared._replace(limiter=limiter), tuple(released)


class _Claimed(NamedTuple):
    slots: int = 0
    tasks: tuple[Task, ...] = ()
    replanned: tuple[tuple[Task, PollPlan], ...] = ()
    health_check: bool = False


def _claimed(
    policy: Policy, own: Own, shared: Shared, candidates: Sequence[Task], moment: Moment
) -> tuple[Own, Shared, _Claimed]:
    """Tasks for the slots there are. While the API rests or is suspected to refuse us, one at a time, as a probe."""
    breaker, suspect = shared.breaker, own.suspicion.suspect
    probing = breaker.paused or suspect is not None
    wanted = min(moment.free, 1) if probing else moment.free
    if not may_send(breaker, own.suspicion, moment):
        wanted = 0
    slots = grant(policy.limit, shared.limiter, moment.now, wanted).slots
    if slots <= 0:
        return own, shared, _Claimed()
    if probing:
        due = probe_order(candidates, moment.due_by, None if suspect is None else suspect[0])
        return own, shared, _Claimed(slots, tuple(due[:slots]))
    due = [task for task in candidates if task.due_at is not None and task.due_at <= moment.due_by]
    late, fresh = in_order(due, moment.now)
    queue = _Queue(policy.planner, shared.schedule, moment.now)
    for_late = late_slots(slots, own.slots_given)
    early = queue.take(fresh, slots - for_late)
    claimed = queue.take(late, slots - len(early)) + early
    claimed += queue.take(fresh, slots - len(claimed))
    own = own._replace(slots_given=own.slots_given + slots)
    claims = _Claimed(slots, tuple(claimed), tuple(queue.replanned))
    return own, shared._replace(schedule=queue.state), claims


class _Queue:
    """Takes tasks in order, and leaves out those that are planned anew. Lives within one call."""

    def __init__(self, planner: Planner, state: ScheduleState, now: int) -> None:
        self._planner = planner
        self._now = now
        self.state = state
        self.replanned: list[tuple[Task, PollPlan]] = []

    def take(self, tasks: list[Task], most: int) -> list[Task]:
        """Up to ``most`` tasks from the front of the list; all that were considered are taken off it."""
        taken: list[Task] = []
        considered = 0
        for task in tasks:
            if len(taken) >= most or len(self.replanned) >= MOST_REPLANNED_TASKS:
                break
            considered += 1
            made = self._planner.replan(task, self.state, self._now)
            if made is None:
                taken.append(task)
            else:
                plan, self.state = made
                self.replanned.append((task, plan))
        del tasks[:considered]
        return taken
