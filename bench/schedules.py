"""The world of the simulation, and the schedules that are compared in it.

The world: 70 % of the tasks have only paths that take seconds (2 to 30 s), 20 % also RTCOB (1 to 30 minutes), 10 % also
Coverage Insight (1 hour to 3 days); each time is drawn log-uniformly, as the sandbox does, and the body of a pending
task tells which families of paths are still pending. Instants, ages and durations are milliseconds.
"""

import math
import random
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Protocol

from worker.core.allowance import account, plan, spared_by, written_looks
from worker.core.forecast import Curve, Forecast, News, class_of, forecast, learn
from worker.core.price import Load, outdated, price_after
from worker.core.prior import prior
from worker.core.schedule import Cadence, Schedule

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
NAMES = ("seconds", "RTCOB", "Coverage Insight")
SHARES = (0.7, 0.2, 0.1)
TIMES = ((2 * SECOND, 30 * SECOND), (MINUTE, 30 * MINUTE), (HOUR, 72 * HOUR))
SLOW_PATHS = ((), ("RTCOB",), ("CoverageInsight",))


@dataclass(slots=True)
class Task:
    """One discovery, and what the poller knows of it. ``lasts`` is how long it takes, ``quick`` its fast paths."""

    id: str
    kind: int
    start: int
    lasts: int
    quick: int
    known: int = 0
    polls: int = 0
    family: str = "unseen"
    seen_at: int | None = None
    planned_at: int = 0
    planned_price: float = 0.0
    hinted: bool = False

    def pending(self, age: int) -> tuple[str, ...]:
        """The paths that a body shows as pending at ``age``."""
        slow = SLOW_PATHS[self.kind] if age < self.lasts else ()
        return (*(("Medicare", "Commercial") if age < self.quick else ()), *slow)


def tasks(count: int, per_second: float, dice: random.Random) -> list[Task]:
    """``count`` tasks that arrive at random; the times of each kind are drawn evenly from its distribution."""
    kinds = [kind for kind, share in enumerate(SHARES) for _ in range(round(count * share))]
    shuffled: list[list[float]] = []
    for kind in range(3):
        n = kinds.count(kind)
        levels = [(i + dice.random()) / n for i in range(n)]
        dice.shuffle(levels)
        shuffled.append(levels)
    dice.shuffle(kinds)
    at, out = 0.0, []
    for number, kind in enumerate(kinds):
        at += dice.expovariate(per_second) * 1000
        lasts = drawn(kind, shuffled[kind].pop())
        quick = lasts if kind == 0 else drawn(0, dice.random())
        out.append(Task(f"{dice.getrandbits(64):016x}", kind, round(at) + number, lasts, quick))
    return out


def drawn(kind: int, level: float) -> int:
    """The time that a share ``level`` of the tasks of this kind stay below."""
    low, high = TIMES[kind]
    return round(low * math.exp(level * math.log(high / low)))


def done_by(kind: int, age: float) -> float:
    """The true F of a kind."""
    low, high = TIMES[kind]
    return 0.0 if age <= low else 1.0 if age >= high else math.log(age / low) / math.log(high / low)


class Way(Protocol):
    """A schedule under test. ``look`` hears of a look at ``age`` and answers with the wait until the next, if any."""

    def first(self, task: Task) -> int: ...

    def look(self, task: Task, age: int) -> int | None: ...

    def load(self, load: Load) -> None: ...


@dataclass
class Simple:
    """A schedule that learns nothing: the wait by the age and the number of looks made."""

    schedule: Schedule | None = None
    waits: tuple[int, ...] = ()

    def first(self, task: Task) -> int:
        return self.schedule.first_look(task.id) if self.schedule else self.waits[0]

    def look(self, task: Task, age: int) -> int | None:
        if age >= task.lasts:
            return None
        if self.schedule:
            return self.schedule.wait(age, task.id, task.polls)
        return self.waits[min(task.polls, len(self.waits) - 1)]

    def load(self, load: Load) -> None:
        pass


def fixed() -> Simple:
    """The written cadence, as it is by default."""
    return Simple(Schedule())


def every(wait: int) -> Simple:
    """The same wait always."""
    return Simple(waits=(wait,))


def doubling(longest: int) -> Simple:
    """1 s, 2 s, 4 s … up to ``longest``."""
    return Simple(waits=tuple(min(SECOND << n, longest) for n in range(12)))


@dataclass
class History:
    """The curves of all classes."""

    curves: dict[str, Curve] = field(default_factory=dict)

    def copy(self) -> "History":
        return History(dict(self.curves))


@dataclass
class Learned:
    """The learned schedule: the code of worker/core, wired as the daemon wires it."""

    floor: float = 20_000.0
    history: History = field(default_factory=History)
    schedule: Schedule = field(default_factory=lambda: Schedule(Cadence()))
    learning: bool = True
    ends_told: bool = True
    limited: float = 0.0  # requests a second, where the price floats
    price: float = 0.0
    spared: int = 0
    _odds: dict[str, Forecast] = field(default_factory=dict)
    _news: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.price = self.floor

    def odds(self, family: str) -> Forecast:
        found = self._odds.get(family)
        if found is None:
            curve = self.history.curves.get(family, Curve())
            found = self._odds[family] = forecast(curve, prior(self.schedule, self.floor))
        return found

    def first(self, task: Task) -> int:
        return self._plan(task)

    def look(self, task: Task, age: int) -> int | None:
        ended = age >= task.lasts
        self.tell(task, age, ended=ended)
        change = spared_by(self.schedule, 0, task.known, age, task.lasts if ended else None)
        self.spared = account(self.spared, change)
        if ended:
            return None
        task.known, task.family = age, class_of(task.pending(age))
        return self._plan(task)

    def tell(self, task: Task, age: int, *, ended: bool) -> None:
        """What was seen of a task, by a look or on a page."""
        if not self.learning:
            return
        news = News(task.known, age, ended, task.lasts if ended and self.ends_told else None)
        curve = self.history.curves.get(task.family, Curve())
        self.history.curves[task.family] = learn(curve, news, self.odds(task.family))
        count = self._news[task.family] = self._news.get(task.family, 0) + 1
        if count < 50 or count % 50 == 0:
            self._odds.pop(task.family, None)

    def told(self, task: Task, age: int) -> None:
        """A page shows the task as pending."""
        self.tell(task, age, ended=False)
        passed = written_looks(self.schedule, 0, age) - written_looks(self.schedule, 0, task.known)
        self.spared = account(self.spared, passed)

    def dearer(self, task: Task) -> bool:
        """Whether the plan for a task is out of date: made at a price much lower, or before a page showed it."""
        if task.hinted:
            return False
        return task.planned_at < task.known or outdated(task.planned_price, self.price)

    def replan(self, task: Task) -> int:
        """The age at which to look instead."""
        return task.known + self._plan(task)

    def may_spend(self, requests: int) -> bool:
        """Whether so much has been spared; then it is spent."""
        allowed = self.spared >= requests
        self.spared -= requests if allowed else 0
        return allowed

    def _plan(self, task: Task) -> int:
        task.planned_price, task.planned_at = self.price, task.known
        made = plan(task.id, task.polls, task.known, self.odds(task.family), self.price, self.spared, self.schedule)
        self.spared = account(self.spared, -made.cost)
        return made.choice.wait

    def load(self, load: Load) -> None:
        if self.limited:
            self.price = price_after(self.price, load, self.limited, self.floor)


@dataclass
class Optimum:
    """The optimum for the known distribution, free of contention, by dynamic programming.

    With U(a) the cost still to come of a task of one kind, seen pending at a, times the chance of that: U(a) is the
    least over b of price * (1 - F(a)) + (the integral of F(s) - F(a) from a to b) + U(b), on a grid of ages. The first
    look does not know the kind yet: its cost is that of the mixture, and each kind's own U after it.
    """

    price: float
    fineness: int = 3000
    at: int = 0
    _grids: list[list[float]] = field(default_factory=list)
    _next: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        to_come: list[list[float]] = []
        for kind, (low, high) in enumerate(TIMES):
            n = self.fineness
            grid = [(low**0.5 + (high**0.5 - low**0.5) * i / n) ** 2 for i in range(n + 1)]
            level = [done_by(kind, age) for age in grid]
            area = [0.0]
            for i in range(n):
                area.append(area[-1] + (level[i] + level[i + 1]) / 2 * (grid[i + 1] - grid[i]))
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
            waited += step * sum(share * done_by(kind, age - step / 2) for kind, share in enumerate(SHARES))
            later = sum(share * to_come[kind][self._place(kind, age)] for kind, share in enumerate(SHARES))
            if self.price + waited + later < best:
                best, self.at = self.price + waited + later, round(age)

    def _place(self, kind: int, age: float) -> int:
        return min(bisect_left(self._grids[kind], age), self.fineness)

    def first(self, task: Task) -> int:  # noqa: ARG002
        return self.at

    def look(self, task: Task, age: int) -> int | None:
        if age >= task.lasts:
            return None
        place = self._place(task.kind, age) if age > TIMES[task.kind][0] else 0
        return max(1, math.ceil(self._grids[task.kind][self._next[task.kind][place]]) - age)

    def load(self, load: Load) -> None:
        pass
