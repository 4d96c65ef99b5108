"""The learned schedule under contention in several worlds (bench/worlds.py): 5 new tasks a second, 10 requests allowed.

Every figure is of one run of one world. What was aimed at: results wait at most a twelfth of what they wait with
intervals that double to 5 minutes, and at most a hundredth with hints from lists.
"""

from typing import NamedTuple

from bench.bound import bound
from bench.installation import Figures
from bench.part import Target, at_least, table
from bench.simulation import (
    BEST,
    BUSY,
    GROWING,
    HASTY,
    HINTS,
    LEARNED,
    SAME,
    SCARCE,
    SLOW,
    TENFOLD,
    contended_runs,
    trained,
)
from bench.worlds import HOUR, WORLDS


class Case(NamedTuple):
    """``learned_in``: the world in which the history was made."""

    world: str
    hours: float
    learned_in: str
    ways: tuple[str, ...]


# Pages that count as one take long to simulate, and differ little from world to world.
CASES = (
    Case("half a day", 7.75, "half a day", (SLOW, LEARNED, BEST, TENFOLD, SAME, HASTY, GROWING)),
    Case("bells", 3.0, "bells", (SLOW, LEARNED, BEST, TENFOLD, SAME)),
    Case("hours", 3.0, "hours", (SLOW, LEARNED, BEST, TENFOLD)),
    Case("long tail", 3.0, "long tail", (SLOW, LEARNED, BEST, TENFOLD)),
    Case("bells", 3.0, "hours", (SLOW, LEARNED)),
)


class Found(NamedTuple):
    """What was measured of one case, by the name of the way."""

    case: Case
    figures: dict[str, Figures]
    least: float  # the mean delay, s, below which nobody can get with pages of 10

    def times(self, way: str) -> float:
        """How many times shorter results wait than with intervals that double to 5 minutes."""
        return self.figures[SLOW].mean / self.figures[way].mean

    @property
    def possible(self) -> float:
        """How many times shorter they can wait at all with pages of 10."""
        return self.figures[SLOW].mean / self.least


def compare(*, per_class: int, hours: float = 24.0, processes: int = 1) -> list[Found]:
    """All cases, each for so many hours at most; the costly runs are begun first."""
    histories = {name: trained(per_class, 1000, world=WORLDS[name]) for name in {case.learned_in for case in CASES}}
    heavy = (HASTY, GROWING, SLOW, LEARNED, TENFOLD, BEST, SAME)
    runs = sorted(
        ((case, way) for case in CASES for way in case.ways), key=lambda at: (-at[0].hours, -heavy.index(at[1]))
    )
    figures = contended_runs(
        [(way, 1, min(case.hours, hours), histories[case.learned_in], WORLDS[case.world]) for case, way in runs],
        processes,
    )
    got = dict(zip(runs, figures, strict=True))
    return [beside_bound(case, {way: got[case, way] for way in case.ways}, hours) for case in CASES]


def beside_bound(case: Case, figures: dict[str, Figures], hours: float = 24.0) -> Found:
    """What was measured, and the bound."""
    until = int(min(case.hours, hours) * HOUR)
    return Found(case, figures, bound(WORLDS[case.world], SCARCE.rate, BUSY, until, HINTS[TENFOLD]))


def label(case: Case) -> str:
    """In words."""
    return case.world + ("" if case.learned_in == case.world else f", with the history of {case.learned_in}")


def written(found: list[Found]) -> str:
    """Markdown: the worlds, and the mean delays in them."""
    worlds = "\n".join(f"- *{name}*: {world.says}." for name, world in WORLDS.items())

    def cell(of: Found, way: str) -> str:
        if way not in of.figures:
            return ""
        delay = f"{of.figures[way].mean:.1f} s"
        return delay if way == SLOW else f"{delay}, 1/{of.times(way):.1f}"

    def least(of: Found) -> str:
        return f"{of.least:.1f} s, 1/{of.possible:.1f}" if TENFOLD in of.figures else ""

    shown = (SLOW, LEARNED, BEST, TENFOLD, SAME)
    rows = [[label(of.case), f"{of.case.hours:g}", *(cell(of, way) for way in shown), least(of)] for of in found]
    first, hours = found[0].figures, f"{found[0].case.hours:g}"
    return "\n\n".join(
        [
            worlds,
            table(["world", "hours", *shown, "the least, a page as 10"], rows),
            f"*{BEST}* knows the true distributions, and plans every look by dynamic programming at the price of the"
            " moment, which it does not foresee (bench/optimum.py).",
            "*The least* is what nobody can do better who has pages of 10 requests (bench/bound.py). A page tells of a"
            " hundred pending tasks at the most, so each costs 0.1 of a request or more, and a result takes one look by"
            " its id: with 5 results a second, of 10 requests (10 - 5) / 0.1 = 50 tellings of pending tasks a second"
            " are left. And a page tells of neighbours: whoever wants to hear of the quick ones among the tasks of some"
            " age is told of all, or looks at each by its id. Beyond that everything is allowed: to know each task's"
            " kind and the true distributions, and to save up or borrow the requests of the whole run.",
            f"In *{found[0].case.world}* after {hours} hours {HASTY} gives {first[HASTY].mean:.0f} s, {SLOW}"
            f" {first[SLOW].mean:.0f} s, and waits growing by half from 30 s to 15 min {first[GROWING].mean:.0f} s. The"
            " targets come from an earlier simulation, in which these had 1,030, 880 and 670 s, and a schedule that"
            " learns 56 s: this world was chosen because it comes nearest to that, so what is met in it says less than"
            " what is met in the others.",
        ]
    )


def targets(found: list[Found]) -> list[Target]:
    """What was aimed at, world by world."""
    wanted = {LEARNED: (12, "no hints"), TENFOLD: (100, "hints, a page as 10"), SAME: (100, "hints, a page as 1")}

    def aim(of: Found, way: str) -> Target:
        times, said = wanted[way]
        what = f"{label(of.case)}, {of.case.hours:g} h, {said}: delay, times shorter"
        target = at_least(what, of.times(way), times, "{:.1f}")
        if way == TENFOLD:
            return target._replace(got=f"{target.got} (at most {of.possible:.1f} is possible)")
        if way == LEARNED and BEST in of.figures:
            return target._replace(got=f"{target.got} (the optimum at the same price: {of.times(BEST):.1f})")
        return target

    return [aim(of, way) for of in found for way in wanted if way in of.figures]
