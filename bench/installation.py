"""One simulated installation: a world of tasks, a schedule, the program's limiter, and the looks that come of them.

Time is simulated, in ms; the schedule, the price and the limiter are those of the program.
"""

import statistics
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from bench.optimum import Floating
from bench.queue import Order, Queue
from bench.schedules import Learned, Task, Way
from worker.core.pacing.decide import FLOATED_EVERY_MS
from worker.core.pacing.limiter import LimiterState, RateLimit, grant
from worker.core.schedule.delay_per_request import Load


class Figures(NamedTuple):
    """What one run gave. Delays in seconds, from the end at the vendor until it was seen."""

    requests: float  # per task
    mean: float
    p95: float
    by_kind: tuple[tuple[float, float], ...]  # requests per task, mean delay
    used: float = 0.0  # share of the limit
    unseen: int = 0
    price: float = 0.0


def run(
    world: Sequence[Task],
    way: Way,
    limit: RateLimit,
    until: int | None = None,
    order: Order = "deadlines",
) -> Figures:
    """One run, to the last result, or to ``until``: then what ended and was not seen has waited until then."""
    return Run(world, way, limit, until, order=order).figures()


class Late(NamedTuple):
    """A look, made ``late`` ms after it was due."""

    at: int
    number: int
    late: int


class Run:
    """A simulated installation. All looks that are due and not made stand in ``ready``.

    ``opens``: nothing is asked before, and all tasks that arrived until then are due as planned. From then on ``late``
    keeps of every look how late it was.
    """

    def __init__(
        self,
        world: Sequence[Task],
        way: Way,
        limit: RateLimit,
        until: int | None = None,
        opens: int = 0,
        order: Order = "deadlines",
    ) -> None:
        self.world, self.way, self.limit, self.until = world, way, limit, until
        self.opens = opens
        self.late: list[Late] = []
        self.waiting: list[tuple[int, int]] = []  # (due, number)
        self.ready = Queue(world, order)
        self.spent = self.arrived = 0
        self.now = self.slot_at = opens
        self.meter = LimiterState()
        self.looks = [0, 0, 0]
        self._simulate()

    def _simulate(self) -> None:
        tick, spent, backlog = self.now + FLOATED_EVERY_MS, 0, 0
        while True:
            moment = self._next_moment(tick)
            if moment is None or (self.until is not None and moment > self.until):
                break
            self.now = moment
            self._arrive()
            while self.waiting and self.waiting[0][0] <= moment:
                self.ready.add(heappop(self.waiting)[1])
            if moment >= tick:
                waiting = len(self.ready)
                self.way.load(Load(FLOATED_EVERY_MS, self.spent - spent, backlog, waiting))
                spent, backlog, tick = self.spent, waiting, tick + FLOATED_EVERY_MS
            self._serve()

    def _serve(self) -> None:
        """Use the slots there are for what is due."""
        while self.slot_at <= self.now and (number := self._next()) is not None:
            _, self.meter, self.slot_at = grant(self.limit, self.meter, self.now, 1)
            self.spent += 1
            self.ready.drop(number)
            self._look(number)

    def _next(self) -> int | None:
        """The look to be made next; what there is nothing to look at for is dropped."""
        while (number := self.ready.next(self.now, self.spent)) is not None and self._moved(number):
            self.ready.drop(number)
        return number

    def _moved(self, number: int) -> bool:
        """Whether there is nothing to look at now: seen already, or planned anew and not due."""
        task = self.world[number]
        if task.seen_at is not None:
            return True
        if isinstance(self.way, Learned | Floating) and self.way.dearer(task):
            due = task.start + self.way.replan(task)
            if due > self.now:
                self._await(due, number)
                return True
        return False

    def _next_moment(self, tick: int) -> int | None:
        moments = []
        if self.arrived < len(self.world):
            moments.append(self.world[self.arrived].start)
        if self.waiting:
            moments.append(self.waiting[0][0])
        if self.ready:
            moments.append(self.slot_at)
        if self.until is not None:
            moments.append(tick)
        return max(self.now, min(moments)) if moments else None

    def _arrive(self) -> None:
        while self.arrived < len(self.world) and self.world[self.arrived].start <= self.now:
            task = self.world[self.arrived]
            self._await(task.start + self.way.first(task), self.arrived)
            self.arrived += 1

    def _look(self, number: int) -> None:
        task = self.world[number]
        age = self.now - task.start
        task.polls += 1
        self.looks[task.kind] += 1
        if self.opens:
            self.late.append(Late(self.now, number, self.now - task.due))
        wait = self.way.look(task, age)
        if wait is None:
            task.seen_at = self.now
        else:
            self._await(self.now + wait, number)

    def _await(self, due: int, number: int) -> None:
        self.world[number].due = due
        heappush(self.waiting, (due, number))

    def figures(self) -> Figures:
        delays: list[list[float]] = [[], [], []]
        unseen = 0
        for task in self.world[: self.arrived]:
            end = task.start + task.lasts
            if task.seen_at is not None:
                delays[task.kind].append((task.seen_at - end) / 1000)
            elif self.until is not None and end < self.until:
                delays[task.kind].append((self.until - end) / 1000)
                unseen += 1
        every_delay = sorted(delay for kind in delays for delay in kind)
        counts = [max(1, sum(task.kind == kind for task in self.world[: self.arrived])) for kind in range(3)]
        return Figures(
            requests=self.spent / max(1, self.arrived),
            mean=statistics.fmean(every_delay),
            p95=every_delay[int(0.95 * len(every_delay))],
            by_kind=tuple(
                (self.looks[kind] / counts[kind], statistics.fmean(delays[kind] or [0.0])) for kind in range(3)
            ),
            used=self.spent / (self.limit.rate * self.now / 1000),
            unseen=unseen,
            price=getattr(self.way, "price", 0.0) / 1000,
        )
