"""The learned schedule under contention in several worlds (bench/worlds.py): 5 new tasks a second, 10 requests allowed.

Every figure is of one run of one world. What was aimed at: results wait at most a twelfth of what they wait with
intervals that double to 5 minutes.
"""

from typing import NamedTuple

from bench.installation import Figures
from bench.part import Target, at_least, table
from bench.simulation import (
    BEST,
    GROWING,
    HASTY,
    LEARNED,
    SLOW,
    contended_runs,
    trained,
)
from bench.worlds import WORLDS


class Case(NamedTuple):
    """``learned_in``: the world in which the history was made."""

    world: str
    hours: float
    learned_in: str
    ways: tuple[str, ...]


CASES = (
    Case("half a day", 7.75, "half a day", (SLOW, LEARNED, BEST, HASTY, GROWING)),
    Case("bells", 3.0, "bells", (SLOW, LEARNED, BEST)),
    Case("hours", 3.0, "hours", (SLOW, LEARNED, BEST)),
    Case("long tail", 3.0, "long tail", (SLOW, LEARNED, BEST)),
    Case("bells", 3.0, "hours", (SLOW, LEARNED)),
)


class Found(NamedTuple):
    """What was measured of one case, by the name of the way."""

    case: Case
    figures: dict[str, Figures]

    def times(self, way: str) -> float:
        """How many times shorter results wait than with intervals that double to 5 minutes."""
        return self.figures[SLOW].mean / self.figures[way].mean


def compare(*, per_class: int, hours: float = 24.0, processes: int = 1) -> list[Found]:
    """All cases, each for so many hours at most; the costly runs are begun first."""
    histories = {name: trained(per_class, 1000, world=WORLDS[name]) for name in {case.learned_in for case in CASES}}
    heavy = (HASTY, GROWING, SLOW, LEARNED, BEST)
    runs = sorted(
        ((case, way) for case in CASES for way in case.ways), key=lambda at: (-at[0].hours, -heavy.index(at[1]))
    )
    figures = contended_runs(
        [(way, 1, min(case.hours, hours), histories[case.learned_in], WORLDS[case.world]) for case, way in runs],
        processes,
    )
    got = dict(zip(runs, figures, strict=True))
    return [Found(case, {way: got[case, way] for way in case.ways}) for case in CASES]


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

    shown = (SLOW, LEARNED, BEST)
    rows = [[label(of.case), f"{of.case.hours:g}", *(cell(of, way) for way in shown)] for of in found]
    first, hours = found[0].figures, f"{found[0].case.hours:g}"
    return "\n\n".join(
        [
            worlds,
            table(["world", "hours", *shown], rows),
            f"*{BEST}* knows the true distributions, and plans every look by dynamic programming at the price of the"
            " moment, which it does not foresee (bench/optimum.py).",
            f"In *{found[0].case.world}* after {hours} hours {HASTY} gives {first[HASTY].mean:.0f} s, {SLOW}"
            f" {first[SLOW].mean:.0f} s, and waits growing by half from 30 s to 15 min {first[GROWING].mean:.0f} s. The"
            " targets come from an earlier simulation, in which these had 1,030, 880 and 670 s, and a schedule that"
            " learns 56 s: this world was chosen because it comes nearest to that, so what is met in it says less than"
            " what is met in the others.",
        ]
    )


def targets(found: list[Found]) -> list[Target]:
    """What was aimed at, world by world."""

    def aim(of: Found) -> Target:
        what = f"{label(of.case)}, {of.case.hours:g} h: delay, times shorter"
        target = at_least(what, of.times(LEARNED), 12, "{:.1f}")
        if BEST in of.figures:
            return target._replace(got=f"{target.got} (the optimum at the same price: {of.times(BEST):.1f})")
        return target

    return [aim(of) for of in found]
