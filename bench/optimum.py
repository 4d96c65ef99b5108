"""The optimum for the known distribution, by dynamic programming: what no schedule can do better."""

import math
from bisect import bisect_left
from collections.abc import Sequence

from bench.discoveries import KINDS, SHARES
from bench.worlds import EVEN, MINUTE, SECOND, Times, World
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.delay_per_request import Load, delay_after, outdated
from worker.core.schedule.fixed import FixedPlanner
from worker.core.schedule.state import ScheduleState
from worker.core.task import DueReason, PollPlan, Task

# The share of the times below the first and above the last age of a grid.
BARELY = 0.0005

# The grid of the slowest kind has this many times the points of the others: a poll of it may be planned minutes ahead,
# and it spans weeks.
FINER = 5

FIRST_POLL_STEP_MS = 50.0


def grid_of(times: Times, n: int) -> list[float]:
    """n + 1 ages, nearer to each other where they are small, between which all but a few of the times lie."""
    low, high = times.drawn(BARELY) ** 0.5, times.drawn(1 - BARELY) ** 0.5
    return [(low + (high - low) * i / n) ** 2 for i in range(n + 1)]


def area_under(levels: Sequence[float], ages: Sequence[float]) -> list[float]:
    """The integral up to each age, by trapezoids."""
    area = [0.0]
    for i in range(1, len(ages)):
        area.append(area[-1] + (levels[i - 1] + levels[i]) / 2 * (ages[i] - ages[i - 1]))
    return area


class Optimum:
    """The best polls at one delay per request (ms), where no limit binds.

    With U(a) the cost still to come of a task of one kind, seen pending at a, times the chance of that: U(a) is the
    least over b of delay * (1 - F(a)) + (the integral of F(s) - F(a) from a to b) + U(b), on a grid of ages. The first
    poll does not know the kind yet: its cost is that of the mixture, and each kind's own U after it.
    """

    def __init__(self, delay: float, fineness: int, world: World) -> None:
        self._delay = delay
        self._grids: list[list[float]] = []
        self._next: list[list[int]] = []
        to_come = [
            self._cost_to_come(times, fineness * (FINER if kind == len(KINDS) - 1 else 1))
            for kind, times in enumerate(world.times)
        ]
        self.first_wait = self._best_first_wait(world, to_come)

    def wait(self, kind: int, age: int) -> int:
        """The wait (ms) after a poll that showed a task of this kind pending at ``age``."""
        grid = self._grids[kind]
        if age >= grid[-1]:
            return max(SECOND, age // 20)  # past all but a few
        place = self._place(kind, age) if age > grid[0] else 0
        return max(1, math.ceil(grid[self._next[kind][place]]) - age)

    def _cost_to_come(self, times: Times, n: int) -> list[float]:
        grid = grid_of(times, n)
        level = [times.done_by(age) for age in grid]
        area = area_under(level, grid)
        cost, then = [0.0] * (n + 1), [n] * (n + 1)
        for i in range(n - 1, -1, -1):
            base, mine = self._delay * (1 - level[i]) - area[i] + level[i] * grid[i], level[i]
            best = math.inf
            for j in range(i + 1, then[i + 1] + 1):  # a poll made later is followed by a later one
                here = area[j] - mine * grid[j]
                if base + here + cost[j] < best:
                    best, then[i] = base + here + cost[j], j
            cost[i] = best
        self._grids.append(grid)
        self._next.append(then)
        return cost

    def _best_first_wait(self, world: World, to_come: Sequence[Sequence[float]]) -> int:
        waited, best, best_age, age = 0.0, math.inf, 0.0, 0.0
        while age < 3 * MINUTE:
            age += FIRST_POLL_STEP_MS
            here = age - FIRST_POLL_STEP_MS / 2
            waited += FIRST_POLL_STEP_MS * sum(
                share * times.done_by(here) for share, times in zip(SHARES, world.times, strict=True)
            )
            later = sum(share * to_come[kind][self._place(kind, age)] for kind, share in enumerate(SHARES))
            if self._delay + waited + later < best:
                best, best_age = self._delay + waited + later, age
        return round(best_age)

    def _place(self, kind: int, age: float) -> int:
        return min(bisect_left(self._grids[kind], age), len(self._grids[kind]) - 1)


class OptimumPlanner(FixedPlanner):
    """Every poll is planned by the true distribution, at the delay per request of the moment.

    Where that floats, it lacks one thing to be a bound: it does not foresee how the delay will float.
    """

    def __init__(self, schedule: Schedule, least_delay_ms: float, world: World = EVEN, fineness: int = 1200) -> None:
        super().__init__(schedule)
        self._least_delay_ms = least_delay_ms
        self._world = world
        self._fineness = fineness
        self._levels: dict[int, Optimum] = {}

    def plan(self, task: Task, state: ScheduleState, now: int) -> tuple[PollPlan, ScheduleState]:
        kind = 2 if "insight" in task.task_class else 1 if "rtcob" in task.task_class else 0
        return self._planned(self._level(state).wait(kind, task.age(now)), state), state

    def replan(self, task: Task, state: ScheduleState, now: int) -> tuple[PollPlan, ScheduleState] | None:
        if not outdated(task.delay_per_request_ms or 0, state.delay_per_request_ms):
            return None
        if task.pending_at is None:
            due_at = task.recorded_at + self._level(state).first_wait
        else:
            due_at = task.pending_at + self.plan(task, state, task.pending_at)[0].wait_ms
        return (self._planned(due_at - now, state), state) if due_at > now else None

    def refresh(self, state: ScheduleState) -> ScheduleState:
        state = state._replace(delay_per_request_ms=max(state.delay_per_request_ms, self._least_delay_ms))
        return state._replace(first_wait_ms=self._level(state).first_wait)

    def float_delay(self, state: ScheduleState, load: Load, rate: float) -> ScheduleState:
        delay = delay_after(state.delay_per_request_ms, load, rate, self._least_delay_ms)
        return state._replace(delay_per_request_ms=delay)

    def _planned(self, wait_ms: int, state: ScheduleState) -> PollPlan:
        return PollPlan(wait_ms, DueReason.LEARNED, round(state.delay_per_request_ms))

    def _level(self, state: ScheduleState) -> Optimum:
        """The best polls at delays a fifth apart."""
        level = round(math.log(state.delay_per_request_ms / self._least_delay_ms) / math.log(1.2))
        if level not in self._levels:
            self._levels[level] = Optimum(self._least_delay_ms * 1.2**level, self._fineness, self._world)
        return self._levels[level]
