"""Requests per result, and how long results wait to be seen: the schedules compared in one simulated world.

The schedule code is that of the program, and so is the limiter; time is simulated. Run it as
``python bench/simulation.py`` (a quarter of an hour on one core), with ``--seeds 1`` (six minutes) or with ``--quick``
(15 seconds, rough).
"""

import argparse
import random
import statistics
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.hints import PAGE_COST, Book
from bench.schedules import (
    HOUR,
    MINUTE,
    NAMES,
    SECOND,
    History,
    Learned,
    Optimum,
    Task,
    Way,
    doubling,
    every,
    fixed,
    tasks,
)
from worker.core.limit import Limit, Meter, charge, grant
from worker.core.price import Load

FREE = Limit(10_000.0, 10_000)
SCARCE = Limit(10.0, 5)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run gave. Delays in seconds, from the end at the vendor until it was seen."""

    requests: float  # per task
    mean: float
    p95: float
    by_kind: tuple[tuple[float, float], ...]  # requests per task, mean delay
    used: float = 0.0  # share of the limit
    unseen: int = 0
    price: float = 0.0
    pages: int = 0


def run(world: Sequence[Task], way: Way, limit: Limit, until: int | None = None, hints: str = "") -> Figures:
    """One run, to the last result, or to ``until``: then what ended and was not seen has waited until then.

    ``hints`` is "" for none, ``all`` for pages of tasks in the order of their start whatever their state, ``pending``
    for pages of those the vendor shows as pending, of which the ones left out are looked at.
    """
    return _Run(world, way, limit, until, hints).figures()


class _Run:
    def __init__(self, world: Sequence[Task], way: Way, limit: Limit, until: int | None, hints: str) -> None:
        self.world, self.way, self.limit, self.until = world, way, limit, until
        self.waiting: list[tuple[int, int]] = []  # (due, number)
        self.ready: deque[int] = deque()
        self.spent = self.arrived = self.now = 0
        self.meter = Meter()
        self.looks = [0, 0, 0]
        self.book: Book | None = None
        if hints:
            assert isinstance(way, Learned)
            self.book = Book(self.world, way, pending_only=hints == "pending")
        self._simulate()

    def _simulate(self) -> None:
        tick, spent, backlog = SECOND, 0, 0
        while True:
            moment = self._next_moment(tick)
            if moment is None or (self.until is not None and moment > self.until):
                break
            self.now = moment
            self._arrive()
            while self.waiting and self.waiting[0][0] <= moment:
                self.ready.append(heappop(self.waiting)[1])
            if moment >= tick:
                if self.book:
                    self._sweep()
                self.way.load(Load(SECOND, self.spent - spent, backlog, len(self.ready)))
                spent, backlog, tick = self.spent, len(self.ready), tick + SECOND
            self._serve()

    def _serve(self) -> None:
        while self.ready:
            number = self.ready[0]
            if self._moved(number):
                self.ready.popleft()
                continue
            granted = grant(self.limit, self.meter, self.now, 1)
            self.meter = granted.meter
            if not granted.slots:
                return
            self.ready.popleft()
            self.spent += 1
            self._look(number)

    def _moved(self, number: int) -> bool:
        """Whether there is nothing to look at now: seen already, or planned anew and not due."""
        task = self.world[number]
        if task.seen_at is not None:
            return True
        if isinstance(self.way, Learned) and self.way.dearer(task):
            due = task.start + self.way.replan(task)
            if due > self.now:
                heappush(self.waiting, (due, number))
                return True
        return False

    def _next_moment(self, tick: int) -> int | None:
        moments = []
        if self.arrived < len(self.world):
            moments.append(self.world[self.arrived].start)
        if self.waiting:
            moments.append(self.waiting[0][0])
        if self.ready:
            moments.append(grant(self.limit, self.meter, self.now, 0).next_at)
        if self.until is not None:
            moments.append(tick)
        return max(self.now, min(moments)) if moments else None

    def _arrive(self) -> None:
        while self.arrived < len(self.world) and self.world[self.arrived].start <= self.now:
            task = self.world[self.arrived]
            heappush(self.waiting, (task.start + self.way.first(task), self.arrived))
            if self.book:
                self.book.add(self.arrived, self.now)
            self.arrived += 1

    def _look(self, number: int) -> None:
        task = self.world[number]
        age = self.now - task.start
        task.polls += 1
        self.looks[task.kind] += 1
        wait = self.way.look(task, age)
        if wait is None:
            task.seen_at = self.now
        else:
            heappush(self.waiting, (self.now + wait, number))

    def _sweep(self) -> None:
        assert self.book is not None
        for ended in self.book.sweep(self.now, most=0 if self._hinted() else 1):
            self.spent += PAGE_COST
            self.meter = charge(self.limit, self.meter, PAGE_COST, self.now)
            self.ready.extendleft(ended)

    def _hinted(self) -> bool:
        return bool(self.ready) and self.world[self.ready[0]].hinted

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
        pages = self.book.pages if self.book else 0
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
            pages=pages,
        )


def free_world(count: int, seed: int) -> list[Task]:
    """A new task every 20 s."""
    return tasks(count, 0.05, random.Random(seed))  # noqa: S311


def busy_world(count: int, seed: int) -> list[Task]:
    """5 new tasks a second."""
    return tasks(count, 5.0, random.Random(seed))  # noqa: S311


def trained(per_class: int, seed: int, *, ends_told: bool = True) -> History:
    """What was learned from a world in which ``per_class`` tasks of the rarest kind ended, looked at as written."""
    way = Learned(ends_told=ends_told, floor=20_000.0)
    run(free_world(per_class * 10, seed), way, FREE)
    return way.history


def median(runs: Sequence[Figures]) -> Figures:
    """Figure by figure."""

    def of(read: Callable[[Figures], float]) -> float:
        return statistics.median(read(run) for run in runs)

    def kind(at: int, part: int) -> float:
        return of(lambda run: run.by_kind[at][part])

    return Figures(
        requests=of(lambda run: run.requests),
        mean=of(lambda run: run.mean),
        p95=of(lambda run: run.p95),
        by_kind=tuple((kind(at, 0), kind(at, 1)) for at in range(3)),
        used=of(lambda run: run.used),
        unseen=round(of(lambda run: run.unseen)),
        price=of(lambda run: run.price),
        pages=round(of(lambda run: run.pages)),
    )


def price_for(delay: float, history: History, seed: int, count: int) -> float:
    """The price (ms) at which the learned schedule comes nearest to this mean delay (s)."""

    def off(price: float) -> float:
        return abs(run(free_world(count, seed), Learned(floor=price, history=history.copy()), FREE).mean - delay)

    return min((13_000.0, 14_000.0, 15_000.0, 16_000.0, 18_000.0, 20_000.0, 23_000.0), key=off)


def free(seeds: range, count: int, per_class: int) -> dict[str, Figures]:
    """All schedules with no limit that binds."""
    history = trained(per_class, 1000)
    untold = trained(per_class, 1001, ends_told=False)
    aim = run(free_world(count, seeds[0]), doubling(15 * MINUTE), FREE).mean
    price = price_for(aim, history, seeds[0], count)
    ways: dict[str, Callable[[], Way]] = {
        "fixed": fixed,
        "fixed 30 s": lambda: every(30 * SECOND),
        "doubling to 5 min": lambda: doubling(5 * MINUTE),
        "doubling to 15 min": lambda: doubling(15 * MINUTE),
        "learned, no history ever": lambda: Learned(learning=False),
        "learned, from the first task on": Learned,
        f"learned, after {per_class} a class": lambda: Learned(history=history.copy()),
        f"learned, after {per_class}, ends untold": lambda: Learned(history=untold.copy(), ends_told=False),
        "optimum at the same price": lambda: Optimum(20_000.0),
        f"learned, price {price / 1000:.1f} s": lambda: Learned(floor=price, history=history.copy()),
    }
    return {name: median([run(free_world(count, seed), way(), FREE) for seed in seeds]) for name, way in ways.items()}


def contended(seeds: range, hours: float, per_class: int) -> dict[str, Figures]:
    """5 new tasks a second, 10 requests a second."""
    history = trained(per_class, 1000)
    count, until = int(5 * 3600 * hours) // 10 * 10, int(hours * HOUR)

    def learned(past: History) -> Learned:
        return Learned(history=past.copy(), limited=SCARCE.rate, floor=5_000.0)

    ways: dict[str, tuple[Callable[[], Way], str]] = {
        "fixed": (fixed, ""),
        "fixed 30 s": (lambda: every(30 * SECOND), ""),
        "doubling to 5 min": (lambda: doubling(5 * MINUTE), ""),
        "doubling to 15 min": (lambda: doubling(15 * MINUTE), ""),
        "learned, from the first task on": (lambda: learned(History()), ""),
        f"learned, after {per_class} a class": (lambda: learned(history), ""),
        "learned + hints, every state": (lambda: learned(history), "all"),
        "learned + hints, pending only": (lambda: learned(history), "pending"),
    }
    return {
        name: median([run(busy_world(count, seed), way(), SCARCE, until, hints) for seed in seeds])
        for name, (way, hints) in ways.items()
    }


def table(figures: dict[str, Figures], *, scarce: bool) -> str:
    """Markdown."""
    more = ["of the limit", "price at the end", "pages"] if scarce else []
    kinds = [f"{name}: requests, delay" for name in NAMES]
    heads = ["schedule", "requests per task", "mean delay", "p95", *kinds, *more]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for name, got in figures.items():
        cells = [name, f"{got.requests:.2f}", f"{got.mean:.1f} s", f"{got.p95:.0f} s"]
        cells += [f"{requests:.2f}, {delay:.0f} s" for requests, delay in got.by_kind]
        cells += [f"{got.used:.1%}", f"{got.price:.0f} s" if got.price else "", str(got.pages or "")] if scarce else []
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def chart(figures: dict[str, Figures]) -> str:
    """Requests per task and mean delay side by side, as bars."""
    most, longest = max(got.requests for got in figures.values()), max(got.mean for got in figures.values())
    lines = [f"{'':33}{'requests per task':32}mean delay"]
    for name, got in figures.items():
        asked, waited = "#" * max(1, round(20 * got.requests / most)), "=" * max(1, round(20 * got.mean / longest))
        lines.append(f"{name:33}{asked:20} {got.requests:<10.2f} {waited:20} {got.mean:.0f} s")
    return "\n".join(["```", *lines, "```"])


def verdicts(loose: dict[str, Figures], scarce: dict[str, Figures], per_class: int) -> str:
    """The ratios that count, one a line."""
    after = loose[f"learned, after {per_class} a class"]
    level = next(got for name, got in loose.items() if name.startswith("learned, price"))
    plain, twice, best = loose["fixed"], loose["doubling to 15 min"], loose["optimum at the same price"]
    before = loose["learned, no history ever"]

    def cost(got: Figures) -> float:
        return 20 * got.requests + got.mean

    slow = scarce["doubling to 5 min"].mean
    lines = [
        f"Free, before any history: {before.requests / plain.requests:.3f} of the requests of fixed,"
        f" {before.mean / plain.mean:.3f} of its delay.",
        f"Free, after {per_class}: {after.requests / plain.requests:.2f} of the requests of fixed,"
        f" {after.mean / plain.mean:.2f} of its delay.",
        f"Free, at {level.mean / twice.mean:.2f} of the delay of doubling to 15 minutes:"
        f" {level.requests / twice.requests:.2f} of its requests.",
        f"Free, cost (requests at 20 s, and delay): {cost(after) / cost(best):.3f} of the optimum.",
    ]
    for name, got in scarce.items():
        if name.startswith("learned"):
            lines.append(f"Contended, {name}: 1/{slow / got.mean:.1f} of the delay of doubling to 5 minutes.")
    return "\n".join(f"- {line}" for line in lines)


def report(*, seeds: int = 3, count: int = 3000, hours: float = 6.0, per_class: int = 300) -> str:
    """The whole text, as Markdown."""
    loose = free(range(1, seeds + 1), count, per_class)
    scarce = contended(range(1, seeds + 1), hours, per_class)
    less = {name: got for name, got in loose.items() if got.requests < 50}
    return "\n\n".join(
        [
            "### No limit that binds",
            table(loose, scarce=False),
            chart(less),
            f"### 5 new tasks a second, 10 requests a second, for {hours:g} hours",
            table(scarce, scarce=True),
            chart(scarce),
            "### What it comes to",
            verdicts(loose, scarce, per_class),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="runs of which the medians are taken (3)")
    parser.add_argument("--hours", type=float, default=6.0, help="simulated hours of contention (6)")
    parser.add_argument("--quick", action="store_true", help="a rough one, in seconds")
    given = parser.parse_args()
    if given.quick:
        print(report(seeds=1, count=600, hours=0.25, per_class=60))
    else:
        print(report(seeds=given.seeds, hours=given.hours))


if __name__ == "__main__":
    main()
