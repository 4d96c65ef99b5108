"""What each schedule asks for, and how long its results wait: the simulation's figures, and a chart of them.

`python -m bench --only schedules`.
"""

import os

from bench import contention
from bench.chart import drawing
from bench.part import Part, Target, at_most
from bench.simulation import (
    BEST,
    DOUBLING_5,
    DOUBLING_15,
    FIXED,
    LEARNED,
    UNTAUGHT,
    Comparison,
    compare,
    cost,
    figures_table,
    ratios,
)

CHART = "schedules.svg"


def targets(found: Comparison) -> list[Target]:
    """The figures that were aimed at."""
    loose = found.free
    level, doubled = loose[found.level], loose[DOUBLING_15]
    name = f"free: requests of doubling to 15 minutes, at {level.mean / doubled.mean:.2f} of its delay"
    return [
        at_most(name, level.requests / doubled.requests, 0.65),
        at_most("free: delay of `fixed`, before any history", loose[UNTAUGHT].mean / loose[FIXED].mean, 1.05),
        at_most("free: cost of the optimum, with history", cost(loose[LEARNED]) / cost(loose[BEST]), 1.15),
    ]


def part(*, quick: bool) -> Part:
    processes = os.cpu_count() or 1
    if quick:
        found = compare(seeds=1, count=600, hours=0.15, per_class=60)
        worlds = contention.compare(per_class=20, hours=0.05)
    else:
        found = compare(processes=processes)
        worlds = contention.compare(per_class=found.per_class, processes=processes)
    here = contention.Case("even", found.hours, "even")
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
            "What is polled when is decided by the program's own code (`decide`); store, vendor and time are simulated."
            " The tasks are seven parts done in seconds, two parts RTCOB, one part Coverage Insight. History is that of"
            f" {found.per_class} finished tasks a class.",
            f"![Requests per result against the wait of results, by schedule]({CHART})",
            "No limit that binds:",
            figures_table(found.free, scarce=False),
            f"{heading}:",
            figures_table(found.contended, scarce=True),
            ratios(found),
            "The same load in other worlds, mean delays beside those of intervals that double to 5 minutes:",
            contention.written(worlds),
        ]
    )
    aims = [*targets(found), *contention.targets(worlds)]
    plain, after, slow = found.free[FIXED], found.free[LEARNED], found.contended[DOUBLING_5].mean
    times = [of.times(LEARNED) for of in worlds]
    headlines = [
        f"With history and no limit that binds, the learned schedule makes {after.requests / plain.requests:.2f} of"
        f" the requests of the cadence, and results wait {after.mean / plain.mean:.2f} of the time (simulated).",
        f"With 5 new tasks and 10 requests a second, results wait {found.contended[LEARNED].mean:.0f} s on average;"
        f" with intervals doubling to 5 minutes, {slow:.0f} s (simulated). In"
        f" {len({of.case.world for of in worlds})} worlds they wait 1/{min(times):.1f} to 1/{max(times):.1f} of what"
        " they do with such intervals.",
    ]
    return Part("Schedules", "python -m bench --only schedules", text, aims, headlines, [(CHART, picture)])
