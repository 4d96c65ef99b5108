"""The learned schedule under contention in several worlds (bench/worlds.py): 5 new tasks a second, 10 requests allowed.

Every figure is of one run of one world. What was aimed at: results wait at most a twelfth of what they wait with
intervals that double to 5 minutes, and at most a hundredth with hints from lists.
"""

from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from typing import NamedTuple

from bench.installation import Figures, run
from bench.part import table
from bench.schedules import History, Learned, Simple, Way, doubling, every
from bench.simulation import SCARCE, busy_world, trained
from bench.worlds import HOUR, MINUTE, SECOND, WORLDS

PLAIN, TENFOLD, SAME = "learned", "learned, a page as 10", "learned, a page as 1"
PAGES = {TENFOLD: 10, SAME: 1}
SLOW, HASTY, GROWING = "doubling to 5 min", "fixed 30 s", "x1.5 to 15 min"


class Case(NamedTuple):
    """``learned_in``: the world in which the history was made, and what is not compared there."""

    world: str
    hours: float
    learned_in: str
    ways: tuple[str, ...] = (SLOW, PLAIN, TENFOLD, SAME)


CASES = (
    Case("half a day", 7.5, "half a day", (SLOW, PLAIN, TENFOLD, HASTY, GROWING)),
    *(Case(world, 2.0, world) for world in WORLDS),
    Case("half a day", 2.0, "hours", (SLOW, PLAIN, TENFOLD)),
)


class Found(NamedTuple):
    """What was measured of one case, by the name of the way."""

    case: Case
    figures: dict[str, Figures]

    def times(self, way: str) -> float:
        """How many times shorter results wait than with intervals that double to 5 minutes."""
        return self.figures[SLOW].mean / self.figures[way].mean


def one(case: Case, name: str, histories: dict[str, History], hours: float) -> Figures:
    """One way in one world; ``hours`` at most."""
    hours = min(case.hours, hours)
    plain: dict[str, Simple] = {
        SLOW: doubling(5 * MINUTE),
        HASTY: every(30 * SECOND),
        GROWING: Simple(waits=tuple(round(min(30 * SECOND * 1.5**n, 15 * MINUTE)) for n in range(12))),
    }
    way: Way = plain.get(name) or Learned(history=histories[case.learned_in].copy(), limited=SCARCE.rate, floor=5_000.0)
    world = busy_world(int(18_000 * hours) // 10 * 10, 1, WORLDS[case.world])
    return run(world, way, SCARCE, int(hours * HOUR), PAGES.get(name, 0), "oldest" if name in plain else "both")


def compare(*, per_class: int = 300, hours: float = 24.0, processes: int = 1) -> list[Found]:
    """All cases, each for so many hours at most."""
    histories = {name: trained(per_class, 1000, world=WORLDS[name]) for name in {case.learned_in for case in CASES}}
    runs = [(case, way) for case in CASES for way in reversed(case.ways)]
    cases, ways = [case for case, _ in runs], [way for _, way in runs]
    if processes == 1:
        figures = [one(case, way, histories, hours) for case, way in runs]
    else:
        with ProcessPoolExecutor(processes) as pool:
            figures = list(pool.map(one, cases, ways, repeat(histories), repeat(hours)))
    got = dict(zip(runs, figures, strict=True))
    return [Found(case, {way: got[case, way] for way in case.ways}) for case in CASES]


def written(found: list[Found]) -> str:
    """Markdown: the worlds, and the mean delays in them."""
    worlds = "\n".join(f"- *{name}*: {world.says}." for name, world in WORLDS.items())

    def cell(of: Found, way: str) -> str:
        if way not in of.figures:
            return ""
        delay = f"{of.figures[way].mean:.1f} s"
        return delay if way == SLOW else f"{delay}, 1/{of.times(way):.1f}"

    rows = [
        [
            of.case.world + ("" if of.case.learned_in == of.case.world else f", history of *{of.case.learned_in}*"),
            f"{of.case.hours:g}",
            *(cell(of, way) for way in (SLOW, PLAIN, TENFOLD, SAME)),
            f"{of.figures[PLAIN].price:.0f} s",
        ]
        for of in found
    ]
    first = found[0].figures
    return "\n\n".join(
        [
            worlds,
            table(["world", "hours", SLOW, PLAIN, TENFOLD, SAME, "price at the end"], rows),
            f"In *{found[0].case.world}* after {found[0].case.hours:g} hours, {HASTY} gives {first[HASTY].mean:.0f} s,"
            f" {SLOW} {first[SLOW].mean:.0f} s, and intervals growing by half from 30 s to 15 min"
            f" {first[GROWING].mean:.0f} s: of these worlds the one nearest to the first trials of such schedules"
            " (1,030, 880 and 670 s; 56 s with a learned one).",
        ]
    )
