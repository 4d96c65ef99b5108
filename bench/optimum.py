"""The optimum for the known distribution, by dynamic programming: what no schedule can do better."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.schedules import SHARES, Task
from bench.worlds import EVEN, MINUTE, SECOND, Times, World
from worker.core.schedule.delay_per_request import Load, delay_after, outdated

# The share of the times below the first and above the last age of a grid.
BARELY = 0.0005

# The grid of the slowest kind has so many times the points of the others: a look at it may be planned minutes ahead,
# and it spans weeks.
FINER = 5


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


@dataclass
class Optimum:
    """The optimum for the known distribution, free of contention, by dynamic programming.

    With U(a) the cost still to come of a task of one kind, seen pending at a, times the chance of that: U(a) is the
    least over b of price * (1 - F(a)) + (the integral of F(s) - F(a) from a to b) + U(b), on a grid of ages. The first
    look does not know the kind yet: its cost is that of the mixture, and each kind's own U after it.
    """

    price: float
    fineness: int = 3000
    world: World = EVEN
    at: int = 0
    _grids: list[list[float]] = field(default_factory=list)
    _next: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        to_come: list[list[float]] = []
        for kind, times in enumerate(self.world.times):
            n = self.fineness * (FINER if kind == len(self.world.times) - 1 else 1)
            grid = grid_of(times, n)
            level = [times.done_by(age) for age in grid]
            area = area_under(level, grid)
            cost, then = [0.0] * (n + 1), [n] * (n + 1)
            for i in range(n - 1, -1, -1):
                base, mine = self.price * (1 - level[i]) - area[i] + level[i] * grid[i], level[i]
                best = math.inf
                for j in range(i + 1, then[i + 1] + 1):  # who looks later looks again later
                    here = area[j] - mine * grid[j]
                    if base + here + cost[j] < best:
                        best, then[i] = base + here + cost[j], j
                cost[i] = best
            to_come.append(cost)
            self._grids.append(grid)
            self._next.append(then)
        waited, best, age, step = 0.0, math.inf, 0.0, 50.0
        while age < 3 * MINUTE:
            age += step
            here = age - step / 2
            waited += step * sum(
                share * times.done_by(here) for share, times in zip(SHARES, self.world.times, strict=True)
            )
            later = sum(share * to_come[kind][self._place(kind, age)] for kind, share in enumerate(SHARES))
            if self.price + waited + later < best:
                best, self.at = self.price + waited + later, round(age)

    def _place(self, kind: int, age: float) -> int:
        return min(bisect_left(self._grids[kind], age), len(self._grids[kind]) - 1)

    def first(self, task: Task) -> int:  # noqa: ARG002
        return self.at

    def look(self, task: Task, age: int) -> int | None:
        if age >= task.lasts:
            return None
        grid = self._grids[task.kind]
        if age >= grid[-1]:
            return max(SECOND, age // 20)  # past all but a few
        place = self._place(task.kind, age) if age > grid[0] else 0
        return max(1, math.ceil(grid[self._next[task.kind][place]]) - age)

    def load(self, load: Load) -> None:
        pass


@dataclass
class Floating:
    """The optimum under contention: that of the price of the moment, which floats as the program's does.

    Every look is planned by the true distribution. What it lacks to be a bound is that it does not foresee the price.
    """

    limited: float
    floor: float = 5_000.0
    price: float = 5_000.0
    world: World = EVEN
    _levels: dict[int, Optimum] = field(default_factory=dict)

    def first(self, task: Task) -> int:
        task.planned_price = self.price
        return self._level().at

    def look(self, task: Task, age: int) -> int | None:
        if age >= task.lasts:
            return None
        task.known, task.planned_price = age, self.price
        return self._level().look(task, age)

    def dearer(self, task: Task) -> bool:
        return outdated(task.planned_price, self.price)

    def replan(self, task: Task) -> int:
        if task.known == 0:
            return self.first(task)
        return task.known + (self.look(task, task.known) or 0)

    def load(self, load: Load) -> None:
        self.price = delay_after(self.price, load, self.limited, self.floor)

    def _level(self) -> Optimum:
        """Prices a fifth apart."""
        level = round(math.log(self.price / SECOND) / math.log(1.2))
        if level not in self._levels:
            self._levels[level] = Optimum(SECOND * 1.2**level, 1200, self.world)
        return self._levels[level]
