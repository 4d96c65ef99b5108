"""After an outage: how late looks are, for tasks that waited through it and for those that came after.

A day's outage has left 100,000 tasks due; 10 requests a second are allowed, and 2 new tasks arrive a second. Three
rules are compared for which of the due looks is made first: the oldest, the newest, and that of the program
(worker/core/pacing/claim_order.py), by which late looks and others take turns. The schedule, the price and the limiter
are those of the program. Run it as ``python bench/fairness.py`` (some two minutes on one core).
"""

import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.installation import Run
from bench.part import Part
from bench.queue import Order
from bench.schedules import History, Learned, Task, tasks
from bench.simulation import trained
from bench.worlds import HOUR, MINUTE
from worker.core.pacing.limiter import RateLimit

OUTAGE = 24 * HOUR
LIMIT = RateLimit(10.0, 5)
PERIODS = ((0, 10 * MINUTE), (10 * MINUTE, HOUR), (HOUR, 3 * HOUR), (3 * HOUR, 6 * HOUR))


class Lateness(NamedTuple):
    """Of the looks at one group of tasks in one period; seconds since they were due, or since the outage ended."""

    order: Order
    group: str  # old: due when the outage ended; fresh: recorded since
    begin: int  # ms after the end of the outage
    end: int
    looks: int
    p50: float
    p95: float
    p99: float
    most: float


def world(old: int, hours: float, seed: int = 1) -> list[Task]:
    """Tasks that arrived through the outage, and 2 a second after it."""
    dice = random.Random(seed)  # noqa: S311
    waiting = tasks(old, old / (OUTAGE / 1000), dice)
    waiting = [task for task in waiting if task.start < OUTAGE - MINUTE]
    after = tasks(int(hours * 7200) // 10 * 10, 2.0, dice)
    for task in after:
        task.start += OUTAGE
    return waiting + after


def measure(order: Order, past: History, old: int = 100_000, hours: float = 6.0) -> list[Lateness]:
    """How late looks are by one rule. A look that is due and not made counts in the last period, as late as it is."""
    everyone, until = world(old, hours), OUTAGE + int(hours * HOUR)
    way = Learned(history=past.copy(), limited=LIMIT.rate)
    run = Run(everyone, way, LIMIT, until, opens=OUTAGE, order=order)
    late = [*run.late, *((until, number, until - everyone[number].due) for number in run.ready.looks())]
    found = []
    for begin, end in PERIODS:
        if end > hours * HOUR:
            break
        for group in ("fresh", "old"):
            times = sorted(
                min(by, at - OUTAGE) / 1000
                for at, number, by in late
                if begin <= at - OUTAGE - (at == until) < end
                and (everyone[number].start >= OUTAGE) == (group == "fresh")
            )
            if times:
                found.append(Lateness(order, group, begin, end, len(times), *_levels(times)))
    return found


def _levels(times: Sequence[float]) -> tuple[float, float, float, float]:
    n = len(times)
    return times[n // 2], times[int(0.95 * n)], times[int(0.99 * n)], times[-1]


def compare(old: int = 100_000, hours: float = 6.0, per_class: int = 300) -> list[Lateness]:
    """All rules."""
    history = trained(per_class, 1000)
    return [line for order in get_args(Order) for line in measure(order, history, old, hours)]


def table(lines: Sequence[Lateness]) -> str:
    """Markdown."""
    heads = "| first | after the outage | tasks | looks | p50 | p95 | p99 | longest |\n|---|---|---" + "|---:" * 5 + "|"
    rows = [
        f"| {line.order} | {line.begin / HOUR:.2g} to {line.end / HOUR:.2g} h | {line.group} | {line.looks:,} |"
        f" {line.p50:,.0f} s | {line.p95:,.0f} s | {line.p99:,.0f} s | {line.most:,.0f} s |"
        for line in lines
    ]
    return "\n".join([heads, *rows])


def part(*, quick: bool) -> Part:
    """The rule of the program against the two plain ones."""
    found = compare(600, 0.05, 30) if quick else compare()
    fresh = max(line.most for line in found if line.order == "deadlines" and line.group == "fresh")
    old = max(line.most for line in found if line.order == "deadlines" and line.group == "old")
    text = (
        "100,000 looks are due after a day's outage, 2 new tasks come in a second, 10 requests a second are allowed"
        " (simulated). `deadlines` is the rule of the program (worker/core/pacing/claim_order.py). Lateness of looks:"
        "\n\n"
    ) + table(found)
    headline = (
        f"After a day's outage with 100,000 looks due, no new task waits longer than {fresh:,.0f} s for a look that is"
        f" due, and the last of the old ones is looked at after {old / 3600:.1f} h at 10 requests a second (simulated)."
    )
    return Part("Fairness after an outage", "python -m bench --only fairness", text, (), [headline])


if __name__ == "__main__":
    print(table(compare()))
