"""Requests per result, and how long results wait to be seen: the schedules compared by simulation.

Every decision is the program's own (bench/installation.py); time is simulated.
"""

import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from bench.discoveries import KINDS, Discovery, discoveries, reply_without_end
from bench.installation import Contender, Installation, Waits, run
from bench.optimum import OptimumPlanner
from bench.part import table
from bench.plain import UntaughtPlanner, by_number, doubling
from bench.worlds import EVEN, HOUR, MINUTE, SECOND, World
from worker.core.instant import FAR
from worker.core.pacing.limiter import RateLimit
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.fixed import FixedPlanner
from worker.core.schedule.hazard import EndCounts
from worker.core.schedule.learned import LearnedPlanner

FIXED, UNTAUGHT = "fixed", "learned, no history ever"
EVERY_30_S, DOUBLING_5, DOUBLING_15, GROWING = "fixed 30 s", "doubling to 5 min", "doubling to 15 min", "x1.5 to 15 min"
FROM_THE_FIRST, LEARNED = "learned, from the first task on", "learned, after some history"
BEST, BEST_FLOATING = "optimum at the same delay per request", "optimum, the delay per request floating"

FREE = RateLimit(10_000.0, 10_000)
SCARCE = RateLimit(10.0, 5)
DELAY_PER_REQUEST_MS = 20_000.0  # where no limit binds
LEAST_DELAY_MS = 5_000.0  # where one does

History = Mapping[str, EndCounts]

PLAIN: dict[str, Contender] = {
    FIXED: Contender(partial(FixedPlanner, Schedule())),
    EVERY_30_S: by_number(30 * SECOND),
    DOUBLING_5: doubling(5 * MINUTE),
    DOUBLING_15: doubling(15 * MINUTE),
    GROWING: by_number(*(round(min(30 * SECOND * 1.5**n, 15 * MINUTE)) for n in range(12))),
}


class Trial(NamedTuple):
    """One schedule in one world, in a form that another process can be sent."""

    name: str
    contender: Contender
    world: Sequence[Discovery]
    limit: RateLimit = FREE
    until: int = FAR


def free_world(count: int, seed: int, world: World = EVEN) -> list[Discovery]:
    """A new task every 20 s."""
    return discoveries(count, 0.05, random.Random(seed), world)  # noqa: S311


def busy_world(hours: float, seed: int, world: World = EVEN) -> list[Discovery]:
    """5 new tasks a second."""
    return discoveries(int(18_000 * hours) // 10 * 10, 5.0, random.Random(seed), world)  # noqa: S311


def learned(least_delay_ms: float = DELAY_PER_REQUEST_MS, history: History | None = None) -> Contender:
    return Contender(partial(LearnedPlanner, Schedule(), least_delay_ms, history or {}))


def optimum(least_delay_ms: float, world: World = EVEN, fineness: int = 1200) -> Contender:
    return Contender(partial(OptimumPlanner, Schedule(), least_delay_ms, world, fineness))


def trained(per_class: int, seed: int, contender: Contender | None = None, world: World = EVEN) -> History:
    """What was learned from a world in which ``per_class`` tasks of the rarest kind ended."""
    installation = Installation(contender or learned(), free_world(per_class * 10, seed, world), FREE)
    for _ in installation.passes():
        pass
    return installation.learned()


def run_trial(trial: Trial) -> Waits:
    return run(trial.contender, trial.world, trial.limit, trial.until)


def run_trials(trials: Sequence[Trial], processes: int) -> list[Waits]:
    """One run each, begun in this order."""
    if processes == 1:
        return [run_trial(trial) for trial in trials]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(run_trial, trials))


def medians(names: Iterable[str], trials: Sequence[Trial], found: Sequence[Waits]) -> dict[str, Waits]:
    """Figure by figure, for each name."""
    by_name = {name: [got for trial, got in zip(trials, found, strict=True) if trial.name == name] for name in names}
    return {name: _median(runs) for name, runs in by_name.items()}


def _median(runs: Sequence[Waits]) -> Waits:
    def of(read: Callable[[Waits], float]) -> float:
        return statistics.median(read(run) for run in runs)

    def kind(at: int, part: int) -> float:
        return of(lambda run: run.by_kind[at][part])

    return Waits(
        requests=of(lambda run: run.requests),
        mean=of(lambda run: run.mean),
        p95=of(lambda run: run.p95),
        by_kind=tuple((kind(at, 0), kind(at, 1)) for at in range(len(KINDS))),
        used=of(lambda run: run.used),
        delay_per_request=of(lambda run: run.delay_per_request),
    )


class Comparison(NamedTuple):
    """What was measured, by the name of the schedule; ``LEARNED`` had ``per_class`` finished tasks of each class.

    ``level`` names the learned schedule whose results wait nearest to as long as those of intervals that double to 15
    minutes.
    """

    free: dict[str, Waits]
    level: str
    contended: dict[str, Waits]
    per_class: int
    hours: float


def free(seeds: range, count: int, per_class: int, processes: int = 1) -> tuple[dict[str, Waits], str]:
    """All schedules with no limit that binds, and the name of ``level``."""
    history = trained(per_class, 1000)
    untold = trained(per_class, 1001, learned()._replace(reply=reply_without_end))
    worlds = [free_world(count, seed) for seed in seeds]
    levels = {f"learned, history, {ms // 1000} s a request": learned(ms, history) for ms in (14_000, 16_000, 18_000)}
    contenders = {
        **{name: PLAIN[name] for name in (FIXED, EVERY_30_S, DOUBLING_5, DOUBLING_15)},
        UNTAUGHT: Contender(partial(UntaughtPlanner, Schedule(), DELAY_PER_REQUEST_MS, {})),
        FROM_THE_FIRST: learned(),
        LEARNED: learned(history=history),
        "learned, with history, ends untold": learned(history=untold)._replace(reply=reply_without_end),
        BEST: optimum(DELAY_PER_REQUEST_MS, fineness=3000),
        **levels,
    }
    # Polls every 30 s are as many as all others together: one world shows as much.
    trials = [
        Trial(name, contender, world)
        for name, contender in contenders.items()
        for world in (worlds[:1] if name == EVERY_30_S else worlds)
    ]
    found = medians(contenders, trials, run_trials(trials, processes))
    level = min([LEARNED, *levels], key=lambda name: abs(found[name].mean - found[DOUBLING_15].mean))
    return {name: got for name, got in found.items() if name not in levels or name == level}, level


CONTENDED = (FIXED, EVERY_30_S, DOUBLING_5, DOUBLING_15, FROM_THE_FIRST, LEARNED, BEST_FLOATING)


def contended_trial(name: str, hours: float, history: History, world: World = EVEN) -> Trial:
    """One schedule in one world of 5 new tasks a second, with 10 requests a second."""
    others = {
        FROM_THE_FIRST: learned(LEAST_DELAY_MS),
        LEARNED: learned(LEAST_DELAY_MS, history),
        BEST_FLOATING: optimum(LEAST_DELAY_MS, world),
    }
    return Trial(name, (PLAIN | others)[name], busy_world(hours, 1, world), SCARCE, int(hours * HOUR))


def contended(hours: float, per_class: int, processes: int = 1) -> dict[str, Waits]:
    """All schedules under contention; the costly ones are begun first."""
    history = trained(per_class, 1000)
    trials = [contended_trial(name, hours, history) for name in reversed(CONTENDED)]
    return medians(CONTENDED, trials, run_trials(trials, processes))


def compare(
    *, seeds: int = 3, count: int = 3000, hours: float = 3.0, per_class: int = 300, processes: int = 1
) -> Comparison:
    """Everything. Medians over ``seeds`` worlds where no limit binds; one large world where it does."""
    loose, level = free(range(1, seeds + 1), count, per_class, processes)
    return Comparison(loose, level, contended(hours, per_class, processes), per_class, hours)


def figures_table(figures: Mapping[str, Waits], *, scarce: bool) -> str:
    """Markdown."""
    more = ["of the limit", "delay per request at the end"] if scarce else []
    heads = [
        "schedule",
        "requests per task",
        "mean delay",
        "p95",
        *(f"{kind}: requests, delay" for kind in KINDS),
        *more,
    ]
    rows = []
    for name, got in figures.items():
        cells = [name, f"{got.requests:.2f}", f"{got.mean:.1f} s", f"{got.p95:.0f} s"]
        cells += [f"{requests:.2f}, {delay:.0f} s" for requests, delay in got.by_kind]
        if scarce:
            cells += [f"{got.used:.1%}", f"{got.delay_per_request:.0f} s" if got.delay_per_request else ""]
        rows.append(cells)
    return table(heads, rows)


def cost(got: Waits) -> float:
    """Seconds a task: its requests at 20 s each, and its delay."""
    return DELAY_PER_REQUEST_MS / 1000 * got.requests + got.mean


def ratios(found: Comparison) -> str:
    """Those that count, one a line."""
    loose, scarce = found.free, found.contended
    after, level, before = loose[LEARNED], loose[found.level], loose[UNTAUGHT]
    plain, twice, best = loose[FIXED], loose[DOUBLING_15], loose[BEST]
    lines = [
        f"Free, before any history: {before.requests / plain.requests:.3f} of the requests of fixed,"
        f" {before.mean / plain.mean:.3f} of its delay.",
        f"Free, with history: {after.requests / plain.requests:.2f} of the requests of fixed,"
        f" {after.mean / plain.mean:.2f} of its delay.",
        f"Free, at {level.mean / twice.mean:.2f} of the delay of doubling to 15 minutes:"
        f" {level.requests / twice.requests:.2f} of its requests.",
        f"Free, cost (requests at 20 s, and delay): {cost(after) / cost(best):.3f} of the optimum.",
    ]
    for name in (FROM_THE_FIRST, LEARNED, BEST_FLOATING):
        times = scarce[DOUBLING_5].mean / scarce[name].mean
        lines.append(f"Contended, {name}: 1/{times:.1f} of the delay of doubling to 5 minutes.")
    return "\n".join(f"- {line}" for line in lines)
