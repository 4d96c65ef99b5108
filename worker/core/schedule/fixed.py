"""The ``fixed`` schedule: the cadence alone. It learns nothing and keeps no account."""

from collections.abc import Iterable, Mapping

from worker.core.schedule.cadence import Schedule
from worker.core.schedule.delay_per_request import Load
from worker.core.schedule.hazard import EndCounts, Observation
from worker.core.schedule.state import ScheduleState
from worker.core.task import DueReason, PollPlan, Task
from worker.core.vendor.reply import Reply


def cadence_plan(schedule: Schedule, task: Task, now: int) -> PollPlan:
    """The next poll by the cadence, of a task that was polled ``now`` (ms)."""
    return PollPlan(schedule.wait(task.age(now), task.id, task.polls), DueReason.CADENCE)


class FixedPlanner:
    """Plans by the cadence of ``schedule``. See ``Planner`` in worker/core/pacing/decide.py."""

    # ruff: noqa: ARG002 - the protocol names what other schedules need

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def plan(self, task: Task, state: ScheduleState, now: int) -> tuple[PollPlan, ScheduleState]:
        return cadence_plan(self._schedule, task, now), state

    def replan(self, task: Task, state: ScheduleState, now: int) -> tuple[PollPlan, ScheduleState] | None:
        return None

    def settle(self, task: Task, seen: Observation, state: ScheduleState, now: int) -> ScheduleState:
        return state

    def float_delay(self, state: ScheduleState, load: Load, rate: float) -> ScheduleState:
        return state

    def refresh(self, state: ScheduleState) -> ScheduleState:
        return state._replace(first_wait_ms=None)

    def observe(self, task: Task, reply: Reply, now: int) -> Observation | None:
        return None

    def learn(self, observations: Iterable[Observation]) -> None:
        pass

    def since(self) -> Mapping[str, EndCounts]:
        return {}

    def kept(self, counts: Mapping[str, EndCounts]) -> None:
        pass
