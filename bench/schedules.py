"""The tasks of the simulation, and the schedules that are compared on them.

70 % of the tasks have only paths that take seconds, 20 % also RTCOB, 10 % also Coverage Insight; how long each takes is
drawn from a world's distributions (bench/worlds.py). The body of a pending task tells which families of paths are still
pending. Instants, ages and durations are milliseconds.
"""

import random
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from bench.worlds import EVEN, SECOND, World
from worker.core.schedule.cadence import Cadence, Schedule
from worker.core.schedule.credit import Polled, best_poll, credit_of, plan, with_credit
from worker.core.schedule.delay_per_request import Load, delay_after, outdated
from worker.core.schedule.hazard import Curve, HazardCurve, class_of, hazard_curve, learn, watch
from worker.core.schedule.inspection import Choice
from worker.core.schedule.learned import EACH_OBSERVATION_UP_TO, OBSERVATIONS_PER_CURVE, rounded
from worker.core.schedule.prior import prior
from worker.core.schedule.state import ScheduleState

NAMES = ("seconds", "RTCOB", "Coverage Insight")
SHARES = (0.7, 0.2, 0.1)
SLOW_PATHS = ((), ("RTCOB",), ("CoverageInsight",))


@dataclass(slots=True)
class Task:
    """One discovery, and what the poller knows of it. ``lasts`` is how long it takes, ``quick`` its fast paths."""

    id: str
    kind: int
    start: int
    lasts: int
    quick: int
    known: int = 0  # the age at which it was last seen pending
    looked: int = 0  # the age at the last look
    polls: int = 0
    family: str = "unseen"
    seen_at: int | None = None
    planned_at: int = 0
    planned_price: float = 0.0
    due: int = 0

    def pending(self, age: int) -> tuple[str, ...]:
        """The paths that a body shows as pending at ``age``."""
        slow = SLOW_PATHS[self.kind] if age < self.lasts else ()
        return (*(("Medicare", "Commercial") if age < self.quick else ()), *slow)


def tasks(count: int, per_second: float, dice: random.Random, world: World = EVEN) -> list[Task]:
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
        lasts = world.times[kind].drawn(shuffled[kind].pop())
        quick = lasts if kind == 0 else world.times[0].drawn(dice.random())
        out.append(Task(f"{dice.getrandbits(64):016x}", kind, round(at) + number, lasts, quick))
    return out


@lru_cache(maxsize=64)
def _class_of(pending: tuple[str, ...]) -> str:
    return class_of(pending)


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
        return self.schedule.first_poll(task.id) if self.schedule else self.waits[0]

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
    _odds: dict[str, HazardCurve] = field(default_factory=dict)
    _news: dict[str, int] = field(default_factory=dict)
    _best: dict[tuple[str, int, int], Choice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.price = self.floor

    def odds(self, family: str) -> HazardCurve:
        found = self._odds.get(family)
        if found is None:
            curve = self.history.curves.get(family, Curve())
            found = self._odds[family] = hazard_curve(curve, prior(self.schedule, self.floor))
        return found

    def first(self, task: Task) -> int:
        return self._plan(task)

    def look(self, task: Task, age: int) -> int | None:
        ended = age >= task.lasts
        self.tell(task, age, ended=ended)
        change = credit_of(self.schedule, 0, task.looked, age, task.lasts if ended else None)
        self.spared = with_credit(ScheduleState(self.price, self.spared), change).credit
        if ended:
            return None
        task.known = task.looked = age
        task.family = _class_of(task.pending(age))
        return self._plan(task)

    def tell(self, task: Task, age: int, *, ended: bool) -> None:
        """What a look showed of a task."""
        if not self.learning:
            return
        curve = self.history.curves.get(task.family, Curve())
        if ended:
            end = task.lasts if self.ends_told else None
            curve = learn(curve, task.known, age, end, self.odds(task.family))
        else:
            curve = watch(curve, [(task.known, age)])
        self.history.curves[task.family] = curve
        self._heard(task.family)

    def _heard(self, family: str) -> None:
        """Forecasts are renewed as in the program."""
        count = self._news[family] = self._news.get(family, 0) + 1
        if count < EACH_OBSERVATION_UP_TO or count % OBSERVATIONS_PER_CURVE == 0:
            self._odds.pop(family, None)
            self._best = {found: best for found, best in self._best.items() if found[0] != family}

    def dearer(self, task: Task) -> bool:
        """Whether the plan for a task is out of date: made at a price much lower."""
        return outdated(task.planned_price, self.price)

    def replan(self, task: Task) -> int:
        """The age at which to look instead."""
        return task.known + self._plan(task)

    def _plan(self, task: Task) -> int:
        task.planned_price, task.planned_at = self.price, task.known
        odds, known, price = self.odds(task.family), rounded(task.known), rounded(round(self.price))
        best = self._best.get((task.family, known, price))
        if best is None:
            best = self._best[task.family, known, price] = best_poll(known, known, odds, price, self.schedule)
        asked = Polled(task.id, task.polls, task.known)
        made = plan(asked, odds, ScheduleState(self.price, self.spared), self.schedule, best)
        self.spared = made.state.credit
        return made.choice.wait

    def load(self, load: Load) -> None:
        if self.limited:
            self.price = delay_after(self.price, load, self.limited, self.floor)
