"""The ``learned`` schedule: what it knows of tasks like one, and when it polls.

It puts together the parts that say how: hazard curves (hazard.py, prior.py), the poll that pays best (inspection.py),
the request credit that keeps it from polling more than the cadence would (credit.py), and the delay per request
(delay_per_request.py). Questions change nothing: they take and return the numbers that all processes share; what polls
have shown is told by :meth:`LearnedPlanner.learn` once it is stored. From time to time that is added to the curves that
all processes share, and the planner goes on with those (:meth:`LearnedPlanner.kept`).
Instants, ages and durations are ms.
"""

from collections.abc import Iterable, Mapping

from worker.core.schedule.cadence import Schedule
from worker.core.schedule.credit import Polled, best_poll, cadence_polls, credit_of, plan, with_credit
from worker.core.schedule.delay_per_request import Load, delay_after, outdated
from worker.core.schedule.hazard import EndCounts, HazardCurve, Observation, alike, hazard_curve, learn, together, watch
from worker.core.schedule.inspection import Basis, Choice, reason_in_words
from worker.core.schedule.prior import prior
from worker.core.schedule.state import ScheduleState
from worker.core.task import PLANNED, DueReason, PollPlan, Task
from worker.core.vendor.reply import Concluded, Pending, Reply

# The hazards of a class are computed anew for each of its first observations, and later once in a hundred: one
# observation among many changes a curve little.
EACH_UP_TO_OBSERVATIONS = 20
OBSERVATIONS_PER_CURVE = 100

# Best polls that are remembered for each class.
_REMEMBERED_POLLS = 5_000

# A wait to the first poll that is shorter than the cadence's takes this much credit: `record` keeps no account.
_SHORT_FIRST_WAIT_CREDITS = 1_000

_UNSEEN = "unseen"


class LearnedPlanner:
    """Plans by what was seen of tasks. See ``Planner`` in worker/core/pacing/decide.py.

    ``least_delay_ms`` is the configured ``delay_per_request``; ``counts`` are what was stored, by class.
    """

    def __init__(self, schedule: Schedule, least_delay_ms: float, counts: Mapping[str, EndCounts]) -> None:
        self._schedule = schedule
        self._least_delay_ms = least_delay_ms
        self._stored = dict(counts)
        self._since: dict[str, EndCounts] = {}  # what was learned and is not stored yet
        self._observations: dict[str, int] = {}
        # Remembered answers to pure questions:
        self._hazard_curves: dict[str, HazardCurve] = {}
        self._best: dict[str, dict[tuple[int, int], Choice]] = {}

    def plan(self, task: Task, state: ScheduleState, now: int) -> tuple[PollPlan, ScheduleState]:
        """The next poll of a task that was seen pending ``now``, and the state that has paid for it."""
        return self._plan_from(task, self._floored(state), now)

    def replan(self, task: Task, state: ScheduleState, now: int) -> tuple[PollPlan, ScheduleState] | None:
        """A later poll for a task that falls due, if it was planned when requests were worth much less waiting."""
        state, planned_at = self._floored(state), task.delay_per_request_ms
        if task.reason not in PLANNED or planned_at is None or not outdated(planned_at, state.delay_per_request_ms):
            return None
        last = task.pending_at if task.pending_at is not None else task.life_from
        made, state = self._plan_from(task, state, last)
        due = last + made.wait_ms
        return (made._replace(wait_ms=due - now), state) if due > now else None

    def settle(self, task: Task, seen: Observation, state: ScheduleState, now: int) -> ScheduleState:
        """The state with the credit that a poll has brought; ``task`` is as it was before the poll."""
        if task.reason not in PLANNED:
            return state
        entry = _entry(task, now - seen.age)
        before = max(seen.known, entry)
        passed = cadence_polls(self._schedule, entry, seen.age) - cadence_polls(self._schedule, entry, before)
        if task.pending_at is None and passed == 0:
            # `record` planned it, and could not pay.
            state = with_credit(state, -1)
        # Where the end is not told, the cadence may have seen it with its very next poll.
        reached = (seen.end if seen.end is not None else before) if seen.ended else None
        return with_credit(state, credit_of(self._schedule, entry, before, seen.age, reached))

    def float_delay(self, state: ScheduleState, load: Load, rate: float) -> ScheduleState:
        """The state after ``load``; ``rate`` is what the limiter allows a second."""
        delay = delay_after(self._floored(state).delay_per_request_ms, load, rate, self._least_delay_ms)
        return state._replace(delay_per_request_ms=delay)

    def refresh(self, state: ScheduleState) -> ScheduleState:
        """The state with the wait from recording to the first poll as it would be planned now."""
        state = self._floored(state)
        given = ScheduleState(state.delay_per_request_ms, 1 if state.credit >= _SHORT_FIRST_WAIT_CREDITS else 0)
        made = plan(Polled(_UNSEEN, 0, 0), self.hazard_curve(_UNSEEN), given, self._schedule)
        return state._replace(first_wait_ms=made.choice.wait)

    def observe(self, task: Task, reply: Reply, now: int) -> Observation | None:
        """What a poll shows of tasks like this one, if anything; ``task`` is as it was before the reply."""
        if not isinstance(reply, Pending | Concluded) or task.state != "pending" or task.life_from != task.recorded_at:
            return None  # after a fresh start, a task's age is not that of its discovery
        document = reply.document
        if document.started_at is not None and document.started_at != task.started_at:
            task = task._replace(started_at=document.started_at)
        begin = now - task.age(now)
        known = max(0, task.pending_at - begin) if task.pending_at is not None else 0
        if isinstance(reply, Pending):
            return Observation(task.task_class, known, now - begin)
        end = document.ended_at
        told = end - begin if end is not None and end >= begin else None
        return Observation(task.task_class, known, now - begin, ended=True, end=told)

    def learn(self, observations: Iterable[Observation]) -> None:
        """Count what polls have shown. Not before it is stored: nothing here is ever taken back."""
        watched: dict[str, list[tuple[int, int]]] = {}
        for seen in observations:
            of_class = watched.setdefault(seen.task_class, [])
            if seen.ended:
                since = watch(self._since_of(seen.task_class), of_class)
                of_class.clear()
                expected = self.hazard_curve(seen.task_class)
                self._since[seen.task_class] = learn(since, seen.known, seen.age, seen.end, expected)
            elif seen.age > seen.known:
                of_class.append((seen.known, seen.age))  # many at once cost a tenth of each
            self._count(seen.task_class)
        for task_class, spans in watched.items():
            if spans:
                self._since[task_class] = watch(self._since_of(task_class), spans)

    def since(self) -> Mapping[str, EndCounts]:
        """What was learned by class, and is not stored yet."""
        return dict(self._since)

    def kept(self, counts: Mapping[str, EndCounts]) -> None:
        """What was learned is stored now, and ``counts`` are all that stand there, with what others have learned."""
        before = {task_class: self._counts_of(task_class) for task_class in counts}
        self._stored, self._since = dict(counts), {}
        for task_class, now in counts.items():
            if not alike(before[task_class], now):
                self._hazard_curves.pop(task_class, None)
                self._best.pop(task_class, None)

    def hazard_curve(self, task_class: str) -> HazardCurve:
        """What is expected of tasks of a class."""
        found = self._hazard_curves.get(task_class)
        if found is None:
            expected = prior(self._schedule, self._least_delay_ms)
            found = self._hazard_curves[task_class] = hazard_curve(self._counts_of(task_class), expected)
        return found

    def _floored(self, state: ScheduleState) -> ScheduleState:
        if state.delay_per_request_ms >= self._least_delay_ms:
            return state
        return state._replace(delay_per_request_ms=self._least_delay_ms)

    def _plan_from(self, task: Task, state: ScheduleState, seen_at: int) -> tuple[PollPlan, ScheduleState]:
        begin = seen_at - task.age(seen_at)
        entry = _entry(task, begin)
        known = seen_at - begin if task.pending_at is not None else 0
        best = self._best_poll(task.task_class, known, state.delay_per_request_ms) if entry <= known else None
        asked = Polled(task.id, task.polls, known, entry)
        choice, state = plan(asked, self.hazard_curve(task.task_class), state, self._schedule, best)
        reason = DueReason.CADENCE if choice.basis == "cadence" else DueReason.LEARNED
        return PollPlan(choice.wait, reason, round(state.delay_per_request_ms)), state

    def _best_poll(self, task_class: str, known: int, delay_ms: float) -> Choice:
        """The poll that pays best; for ages and delays within a hundredth the same, since to find it takes 50 µs."""
        known, delay = rounded(known), rounded(round(delay_ms))
        best = self._best.setdefault(task_class, {})
        found = best.get((known, delay))
        if found is None:
            if len(best) > _REMEMBERED_POLLS:
                best.clear()
            curve = self.hazard_curve(task_class)
            found = best[known, delay] = best_poll(known, known, curve, delay, self._schedule)
        return found

    def _counts_of(self, task_class: str) -> EndCounts:
        return together(self._stored.get(task_class, EndCounts()), self._since_of(task_class))

    def _since_of(self, task_class: str) -> EndCounts:
        return self._since.get(task_class, EndCounts())

    def _count(self, task_class: str) -> None:
        count = self._observations[task_class] = self._observations.get(task_class, 0) + 1
        if count < EACH_UP_TO_OBSERVATIONS or count % OBSERVATIONS_PER_CURVE == 0:
            self._hazard_curves.pop(task_class, None)
            self._best.pop(task_class, None)


def explain(task: Task, curve: HazardCurve, schedule: Schedule) -> str:
    """Why the next poll of a task is when it is, in words; for one that the learned schedule has planned."""
    last = task.pending_at if task.pending_at is not None else task.recorded_at
    begin = last - task.age(last)
    known = last - begin if task.pending_at is not None else 0
    due = (task.due_at if task.due_at is not None else last) - begin
    likely, waited = curve.outlook(known, due)
    wait = max(0, due - known)
    basis: Basis = "cadence" if task.reason == DueReason.CADENCE else "learned"
    if abs(wait - schedule.min_interval) <= 1:
        basis = "shortest"
    elif abs(wait - schedule.max_interval) <= 1:
        basis = "longest"
    choice = Choice(wait, likely, waited, basis)
    return reason_in_words(choice, task.task_class, known, task.delay_per_request_ms or 0)


def rounded(number: int) -> int:
    """To eight binary digits: polls at ages, and delays, that are alike in them are planned alike."""
    unit = 1 << max(0, number.bit_length() - 8)
    return number // unit * unit


def _entry(task: Task, begin: int) -> int:
    """The age at which it was recorded, or begun afresh."""
    return max(0, task.life_from - begin)
