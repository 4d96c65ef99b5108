"""Requests per result, and how long results wait to be seen: the schedules compared by simulation.

The schedule code is that of the program, and so is the limiter; time is simulated. Run it as
``python bench/simulation.py`` (some minutes on two cores) or with ``--quick`` (15 seconds, rough).
"""

import argparse
import os
import random
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.installation import Figures, run
from bench.optimum import Floating, Optimum
from bench.queue import Order
from bench.schedules import (
    NAMES,
    History,
    Learned,
    Simple,
    Task,
    Way,
    doubling,
    every,
    fixed,
    tasks,
)
from bench.worlds import EVEN, HOUR, MINUTE, SECOND, World
from worker.core.pacing.limiter import RateLimit

LEARNED = "learned, after some history"
SLOW, HASTY, GROWING = "doubling to 5 min", "fixed 30 s", "x1.5 to 15 min"
BEST = "optimum, the price floating"

FREE = RateLimit(10_000.0, 10_000)
SCARCE = RateLimit(10.0, 5)
BUSY = 5.0  # new tasks a second


def free_world(count: int, seed: int, world: World = EVEN) -> list[Task]:
    """A new task every 20 s."""
    return tasks(count, 0.05, random.Random(seed), world)  # noqa: S311


def busy_world(count: int, seed: int, world: World = EVEN) -> list[Task]:
    """5 new tasks a second."""
    return tasks(count, BUSY, random.Random(seed), world)  # noqa: S311


def trained(per_class: int, seed: int, *, ends_told: bool = True, world: World = EVEN) -> History:
    """What was learned from a world in which ``per_class`` tasks of the rarest kind ended, looked at as written."""
    way = Learned(ends_told=ends_told, floor=20_000.0)
    run(free_world(per_class * 10, seed, world), way, FREE)
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
    )


def price_for(delay: float, history: History, seed: int, count: int) -> float:
    """The price (ms) at which the learned schedule comes nearest to this mean delay (s)."""

    def off(price: float) -> float:
        return abs(run(free_world(count, seed), Learned(floor=price, history=history.copy()), FREE).mean - delay)

    return min((14_000.0, 16_000.0, 18_000.0, 20_000.0), key=off)


def free(seeds: range, count: int, per_class: int) -> dict[str, Figures]:
    """All schedules with no limit that binds."""
    history = trained(per_class, 1000)
    untold = trained(per_class, 1001, ends_told=False)
    aim = run(free_world(count, seeds[0]), doubling(15 * MINUTE), FREE).mean
    price = price_for(aim, history, seeds[0], count)
    ways: dict[str, Callable[[], Way]] = {
        "fixed": fixed,
        HASTY: lambda: every(30 * SECOND),
        SLOW: lambda: doubling(5 * MINUTE),
        "doubling to 15 min": lambda: doubling(15 * MINUTE),
        "learned, no history ever": lambda: Learned(learning=False),
        "learned, from the first task on": Learned,
        LEARNED: lambda: Learned(history=history.copy()),
        "learned, with history, ends untold": lambda: Learned(history=untold.copy(), ends_told=False),
        "optimum at the same price": lambda: Optimum(20_000.0),
        f"learned, history, price {price / 1000:.1f} s": lambda: Learned(floor=price, history=history.copy()),
    }
    return {name: median([run(free_world(count, seed), way(), FREE) for seed in seeds]) for name, way in ways.items()}


CONTENDED = (
    "fixed",
    HASTY,
    SLOW,
    "doubling to 15 min",
    "learned, from the first task on",
    LEARNED,
    BEST,
)


def contended_run(name: str, seed: int, hours: float, history: History, world: World = EVEN) -> Figures:
    """One schedule in one world of 5 new tasks a second, with 10 requests a second."""

    def with_history() -> Way:
        return Learned(history=history.copy(), limited=SCARCE.rate, floor=5_000.0)

    plain: dict[str, Simple] = {
        HASTY: every(30 * SECOND),
        SLOW: doubling(5 * MINUTE),
        "doubling to 15 min": doubling(15 * MINUTE),
        GROWING: Simple(waits=tuple(round(min(30 * SECOND * 1.5**n, 15 * MINUTE)) for n in range(12))),
    }
    ways: dict[str, Callable[[], Way]] = {
        "fixed": fixed,
        "learned, from the first task on": lambda: Learned(limited=SCARCE.rate, floor=5_000.0),
        BEST: lambda: Floating(SCARCE.rate, world=world),
    }
    way = plain.get(name) or ways.get(name, with_history)()
    order: Order = "oldest" if name in plain else "deadlines"
    everyone = busy_world(int(18_000 * hours) // 10 * 10, seed, world)
    return run(everyone, way, SCARCE, int(hours * HOUR), order)


def contended_runs(cases: Sequence[tuple[str, int, float, History, World]], processes: int) -> list[Figures]:
    """One run each, begun in this order, on so many processes."""
    if processes == 1:
        return [contended_run(*case) for case in cases]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(contended_run, *zip(*cases, strict=True)))


def contended(seeds: range, hours: float, per_class: int, processes: int = 1) -> dict[str, Figures]:
    """All schedules under contention; the costly ones are begun first."""
    history = trained(per_class, 1000)
    cases = [(name, seed, hours, history, EVEN) for name in reversed(CONTENDED) for seed in seeds]
    found = contended_runs(cases, processes)
    return {
        name: median([got for case, got in zip(cases, found, strict=True) if case[0] == name]) for name in CONTENDED
    }


def table(figures: dict[str, Figures], *, scarce: bool) -> str:
    """Markdown."""
    more = ["of the limit", "price at the end"] if scarce else []
    kinds = [f"{name}: requests, delay" for name in NAMES]
    heads = ["schedule", "requests per task", "mean delay", "p95", *kinds, *more]
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|---:" * (len(heads) - 1) + "|"]
    for name, got in figures.items():
        cells = [name, f"{got.requests:.2f}", f"{got.mean:.1f} s", f"{got.p95:.0f} s"]
        cells += [f"{requests:.2f}, {delay:.0f} s" for requests, delay in got.by_kind]
        cells += [f"{got.used:.1%}", f"{got.price:.0f} s" if got.price else ""] if scarce else []
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


class Comparison(NamedTuple):
    """What was measured, by the name of the schedule; ``LEARNED`` had ``per_class`` finished tasks of each class."""

    free: dict[str, Figures]
    contended: dict[str, Figures]
    per_class: int
    hours: float


def cost(got: Figures) -> float:
    """Seconds a task: its requests at 20 s each, and its delay."""
    return 20 * got.requests + got.mean


def verdicts(found: Comparison) -> str:
    """The ratios that count, one a line."""
    loose, scarce = found.free, found.contended
    after = loose[LEARNED]
    level = next(got for name, got in loose.items() if name.startswith("learned, history, price"))
    plain, twice, best = loose["fixed"], loose["doubling to 15 min"], loose["optimum at the same price"]
    before = loose["learned, no history ever"]

    slow = scarce[SLOW].mean
    lines = [
        f"Free, before any history: {before.requests / plain.requests:.3f} of the requests of fixed,"
        f" {before.mean / plain.mean:.3f} of its delay.",
        f"Free, with history: {after.requests / plain.requests:.2f} of the requests of fixed,"
        f" {after.mean / plain.mean:.2f} of its delay.",
        f"Free, at {level.mean / twice.mean:.2f} of the delay of doubling to 15 minutes:"
        f" {level.requests / twice.requests:.2f} of its requests.",
        f"Free, cost (requests at 20 s, and delay): {cost(after) / cost(best):.3f} of the optimum.",
    ]
    for name, got in scarce.items():
        if name.startswith(("learned", "optimum")):
            lines.append(f"Contended, {name}: 1/{slow / got.mean:.1f} of the delay of doubling to 5 minutes.")
    return "\n".join(f"- {line}" for line in lines)


def compare(
    *, seeds: int = 3, count: int = 3000, hours: float = 9.0, per_class: int = 300, processes: int = 1
) -> Comparison:
    """Everything. Medians over ``seeds`` worlds where no limit binds; one large world where it does."""
    return Comparison(
        free(range(1, seeds + 1), count, per_class),
        contended(range(1, 2), hours, per_class, processes),
        per_class,
        hours,
    )


def quick() -> Comparison:
    """A rough one, in seconds."""
    return compare(seeds=1, count=600, hours=0.15, per_class=60)


def report(found: Comparison) -> str:
    """The whole text, as Markdown."""
    less = {name: got for name, got in found.free.items() if got.requests < 50}
    return "\n\n".join(
        [
            f"History is that of {found.per_class} finished tasks a class.",
            "### No limit that binds",
            table(found.free, scarce=False),
            chart(less),
            f"### 5 new tasks a second, 10 requests a second, for {found.hours:g} hours",
            "The longer it lasts, the more slow tasks are pending at once and the scarcer requests are: delays grow"
            " with the hours.",
            table(found.contended, scarce=True),
            chart(found.contended),
            "### What it comes to",
            verdicts(found),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3, help="free runs of which the medians are taken (3)")
    parser.add_argument("--hours", type=float, default=9.0, help="simulated hours of contention (9)")
    parser.add_argument("--quick", action="store_true", help="a rough one, in seconds")
    given = parser.parse_args()
    processes = os.cpu_count() or 1
    print(report(quick() if given.quick else compare(seeds=given.seeds, hours=given.hours, processes=processes)))


if __name__ == "__main__":
    main()
