"""What the learned schedule is held against: plain waits, plain orders, and itself untaught."""

from collections.abc import Iterable, Sequence
from functools import partial

from bench.installation import Contender
from bench.memory_store import MemoryStore
from bench.worlds import SECOND
from worker.core.schedule.cadence import Cadence, Schedule
from worker.core.schedule.fixed import FixedPlanner
from worker.core.schedule.hazard import Observation
from worker.core.schedule.learned import LearnedPlanner
from worker.core.schedule.state import ScheduleState
from worker.core.task import DueReason, PollPlan, Task


class WaitsByNumber(FixedPlanner):
    """The n-th poll that shows a task pending is followed by the n-th of some waits (ms), or by the last."""

    def __init__(self, schedule: Schedule, waits: Sequence[int]) -> None:
        super().__init__(schedule)
        self._waits = waits

    def plan(self, task: Task, state: ScheduleState, now: int) -> tuple[PollPlan, ScheduleState]:  # noqa: ARG002
        return PollPlan(self._waits[min(task.polls, len(self._waits) - 1)], DueReason.CADENCE), state


class UntaughtPlanner(LearnedPlanner):
    """The learned schedule that is never told anything."""

    def learn(self, observations: Iterable[Observation]) -> None:
        pass


def oldest_first(store: MemoryStore, slots: int) -> Sequence[Task]:
    return store.longest_due(slots)


def newest_first(store: MemoryStore, slots: int) -> Sequence[Task]:
    return store.latest_due(slots)


def by_number(*waits: int) -> Contender:
    """A plain poller: waits by number (ms), and a queue of what is due, the oldest first."""
    schedule = Schedule(Cadence(first=waits[0]), min_interval=SECOND)
    return Contender(partial(WaitsByNumber, schedule, waits), schedule, oldest_first)


def doubling(longest: int) -> Contender:
    """1 s, 2 s, 4 s … up to ``longest``."""
    return by_number(*(min(SECOND << n, longest) for n in range(12)))
