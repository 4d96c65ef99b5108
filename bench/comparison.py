"""What each schedule asks for, and how long its results wait: the simulation's figures, and a chart of them.

`python -m bench --only schedules`.
"""

import os

from bench import contention
from bench.chart import drawing
from bench.part import Part, Target, at_most
from bench.simulation import BEST, LEARNED, SLOW, Comparison, compare, cost, table, verdicts
from bench.simulation import quick as quick_comparison

CHART = "schedules.svg"
# Of contention. The longer, the larger the differences (bench/simulation.py --hours 9), and the longer it takes.
HOURS = 3.0


def targets(found: Comparison) -> list[Target]:
    """The figures that were aimed at."""
    loose = found.free
    level = next(got for name, got in loose.items() if name.startswith("learned, history, price"))
    before, best = loose["learned, no history ever"], loose["optimum at the same price"]
    plain, doubled = loose["fixed"], loose["doubling to 15 min"]
    name = f"free: requests of doubling to 15 minutes, at {level.mean / doubled.mean:.2f} of its delay"
    return [
        at_most(name, level.requests / doubled.requests, 0.65),
        at_most("free: delay of `fixed`, before any history", before.mean / plain.mean, 1.05),
        at_most("free: cost of the optimum, with history", cost(loose[LEARNED]) / cost(best), 1.15),
    ]


def part(*, quick: bool) -> Part:
    processes = os.cpu_count() or 1
    if quick:
        found, worlds = quick_comparison(), contention.compare(per_class=20, hours=0.05)
    else:
        found = compare(hours=HOURS, processes=processes)
        worlds = contention.compare(per_class=found.per_class, processes=processes)
    here = contention.Case("even", found.hours, "even", (SLOW, LEARNED, BEST))
    worlds.insert(1, contention.Found(here, found.contended))
    heading = f"5 new tasks a second, 10 requests a second, for {found.hours:g} hours"
    shown = {name: got for name, got in found.free.items() if not name.endswith(("untold", "first task on"))}
    picture = drawing(
        {name: (got.mean, got.requests) for name, got in shown.items()},
        {name: got.mean for name, got in found.contended.items()},
        heading,
    )
    text = "\n\n".join(
        [
            "The schedule, the price and the limiter are the program's own; time is simulated. The tasks are seven"
            " parts done in seconds, two parts RTCOB, one part Coverage Insight. History is that of"
            f" {found.per_class} finished tasks a class.",
            f"![Requests per result against the wait of results, by schedule]({CHART})",
            "No limit that binds:",
            table(found.free, scarce=False),
            f"{heading}:",
            table(found.contended, scarce=True),
            verdicts(found),
            "The same load in other worlds, mean delays beside those of intervals that double to 5 minutes:",
            contention.written(worlds),
        ]
    )
    aims = [*targets(found), *contention.targets(worlds)]
    plain, after, slow = found.free["fixed"], found.free[LEARNED], found.contended[SLOW].mean
    plainly = [of.times(LEARNED) for of in worlds]
    headlines = [
        f"With history and no limit that binds, the learned schedule makes {after.requests / plain.requests:.2f} of"
        f" the requests of the written one, and results wait {after.mean / plain.mean:.2f} of the time (simulated).",
        f"With 5 new tasks and 10 requests a second, results wait {found.contended[LEARNED].mean:.0f} s on average;"
        f" with intervals doubling to 5 minutes, {slow:.0f} s (simulated). In"
        f" {len({of.case.world for of in worlds})} worlds they wait 1/{min(plainly):.1f} to"
        f" 1/{max(plainly):.1f} of what they do with such intervals.",
    ]
    return Part("Schedules", "python -m bench --only schedules", text, aims, headlines, [(CHART, picture)])
