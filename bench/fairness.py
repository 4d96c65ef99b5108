"""After an outage: how late polls are, of tasks that waited through it and of those that came after.

A day's outage has left 100,000 tasks due; 10 requests a second are allowed, and 2 new tasks arrive a second. Three
rules are compared for which of the due polls is made first: the oldest, the newest, and that of the program
(worker/core/pacing/claim_order.py), by which late polls and others take turns. `python -m bench --only fairness`.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from bench.discoveries import Discovery, discoveries
from bench.installation import Installation, Selection, as_the_program
from bench.part import Part, table
from bench.plain import newest_first, oldest_first
from bench.simulation import SCARCE, History, learned, trained
from bench.worlds import HOUR, MINUTE

OUTAGE_MS = 24 * HOUR
PERIODS_MS = ((0, 10 * MINUTE), (10 * MINUTE, HOUR), (HOUR, 3 * HOUR), (3 * HOUR, 6 * HOUR))
PROGRAM = "deadlines"
ORDERS: dict[str, Selection] = {"oldest": oldest_first, "newest": newest_first, PROGRAM: as_the_program}


class Lateness(NamedTuple):
    """Of the polls of one group of tasks in one period; seconds since they were due, or since the outage ended."""

    order: str
    group: str  # old: due when the outage ended; fresh: recorded since
    begin: int  # ms after the end of the outage
    end: int
    polls: int
    p50: float
    p95: float
    p99: float
    most: float


class Late(NamedTuple):
    """A poll of a task recorded at ``recorded_at``, made ``at`` an instant after it was ``due_at``."""

    recorded_at: int
    due_at: int
    at: int

    @property
    def group(self) -> str:
        return "fresh" if self.recorded_at >= OUTAGE_MS else "old"

    @property
    def seconds(self) -> float:
        return (self.at - max(self.due_at, OUTAGE_MS)) / 1000


def world(old: int, hours: float, seed: int = 1) -> list[Discovery]:
    """Discoveries that began through the outage, and 2 a second after it."""
    dice = random.Random(seed)  # noqa: S311
    waiting = discoveries(old, old / (OUTAGE_MS / 1000), dice)
    after = discoveries(int(hours * 7200) // 10 * 10, 2.0, dice)
    return [
        *(one for one in waiting if one.start < OUTAGE_MS - MINUTE),
        *(one._replace(start=one.start + OUTAGE_MS) for one in after),
    ]


def measure(order: str, history: History, old: int = 100_000, hours: float = 6.0) -> list[Lateness]:
    """How late polls are by one rule. One that is due and not made counts in the last period, as late as it is."""
    until = OUTAGE_MS + int(hours * HOUR)
    contender = learned(history=history)._replace(selection=ORDERS[order])
    installation = Installation(contender, world(old, hours), SCARCE, until, opens=OUTAGE_MS)
    late = []
    for intents in installation.passes():
        late += [Late(task.recorded_at, task.due_at or 0, installation.now) for task in intents.claims]
    waiting = installation.store.longest_due(installation.store.backlog)
    late += [Late(task.recorded_at, task.due_at or 0, until - 1) for task in waiting]
    found = []
    for begin, end in PERIODS_MS:
        for group in ("fresh", "old"):
            times = sorted(one.seconds for one in late if begin <= one.at - OUTAGE_MS < end and one.group == group)
            if times and end <= hours * HOUR:
                found.append(Lateness(order, group, begin, end, len(times), *_levels(times)))
    return found


def _levels(times: Sequence[float]) -> tuple[float, float, float, float]:
    n = len(times)
    return times[n // 2], times[int(0.95 * n)], times[int(0.99 * n)], times[-1]


def compare(old: int = 100_000, hours: float = 6.0, per_class: int = 300) -> list[Lateness]:
    """All rules."""
    history = trained(per_class, 1000)
    return [line for order in ORDERS for line in measure(order, history, old, hours)]


def part(*, quick: bool) -> Part:
    """The rule of the program against the two plain ones."""
    found = compare(600, 0.2, 30) if quick else compare()
    fresh = max(line.most for line in found if line.order == PROGRAM and line.group == "fresh")
    old = max(line.most for line in found if line.order == PROGRAM and line.group == "old")
    rows = [
        [line.order, f"{line.begin / HOUR:.2g} to {line.end / HOUR:.2g} h", line.group, f"{line.polls:,}"]
        + [f"{seconds:,.0f} s" for seconds in (line.p50, line.p95, line.p99, line.most)]
        for line in found
    ]
    text = (
        "100,000 polls are due after a day's outage, 2 new tasks come in a second, 10 requests a second are allowed"
        f" (simulated). `{PROGRAM}` is the rule of the program (worker/core/pacing/claim_order.py). Lateness of polls:"
        "\n\n"
    ) + table(["first", "after the outage", "tasks", "polls", "p50", "p95", "p99", "longest"], rows)
    headline = (
        f"After a day's outage with 100,000 polls due, no new task waits longer than {fresh:,.0f} s for a poll that is"
        f" due, and the last of the old ones is polled after {old / 3600:.1f} h at 10 requests a second (simulated)."
    )
    return Part("Fairness after an outage", "python -m bench --only fairness", text, (), [headline])
