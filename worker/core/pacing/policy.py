"""What a poll pass decides by: its planner and limits, the memory of its process, and the moment."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from worker.core.instant import FAR
from worker.core.pacing.judge import NO_SUSPICION, Suspicion
from worker.core.pacing.limiter import RateLimit
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.delay_per_request import Load
from worker.core.schedule.hazard import EndCounts, Observation
from worker.core.schedule.state import ScheduleState
from worker.core.task import PollPlan, Task
from worker.core.vendor.reply import Reply


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

    def since(self) -> Mapping[str, EndCounts]:
        """What was learned by class, and is not stored yet."""

    def kept(self, counts: Mapping[str, EndCounts]) -> None:
        """What :meth:`since` gave is stored now, and ``counts`` are all that stand there."""


class Policy(NamedTuple):
    """What a pass decides by. ``lease_ms`` is a little longer than a request can take."""

    schedule: Schedule
    limit: RateLimit
    lease_ms: int
    planner: Planner


class Own(NamedTuple):
    """The memory of one process."""

    kept_at: int  # when curves were last stored
    suspicion: Suspicion = NO_SUSPICION
    slots_given: int = 0  # ever; while it is even, the odd slot of a pass is a late task's
    usable: int = 0  # replies that told something of a task
    unreachable: int = 0  # polls that brought no whole answer
    answered: tuple[int, ...] = ()  # the rows last shown pending, the latest last
    early_at: int = 0  # when a probe was last sent before its time


class Moment(NamedTuple):
    """The time, and what the pool can take. Tasks are claimed that are due ``due_by``; ``free`` threads wait for work.

    ``under_way`` are rows that are being polled; ``awaited``: something under way may still answer in time.
    ``for_failing``: of the free threads, those that may poll a task whose last poll failed. ``backlog`` is given when
    the delay per request is to float.
    """

    now: int
    due_by: int
    free: int
    under_way: frozenset[int] = frozenset()
    awaited: bool = False
    backlog: int | None = None
    for_failing: int = FAR
