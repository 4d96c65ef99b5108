"""The learned schedule under contention in several worlds (bench/worlds.py): 5 new tasks a second, 10 requests allowed.

Every figure is of one run of one world. What was aimed at: results wait at most a twelfth of what they wait with
intervals that double to 5 minutes.
"""

from typing import NamedTuple

from bench.installation import Waits
from bench.part import Target, at_least, table
from bench.simulation import (
    BEST_FLOATING,
    DOUBLING_5,
    EVERY_30_S,
    GROWING,
    LEARNED,
    contended_trial,
    run_trials,
    trained,
)
from bench.worlds import WORLDS


class Case(NamedTuple):
    """``learned_in``: the world in which the history was made."""

    world: str
    hours: float
    learned_in: str
    schedules: tuple[str, ...] = (DOUBLING_5, LEARNED, BEST_FLOATING)


CASES = (
    Case("half a day", 7.75, "half a day", (DOUBLING_5, LEARNED, BEST_FLOATING, EVERY_30_S, GROWING)),
    Case("bells", 3.0, "bells"),
    Case("hours", 3.0, "hours"),
    Case("long tail", 3.0, "long tail"),
    Case("bells", 3.0, "hours", (DOUBLING_5, LEARNED)),
)


class Found(NamedTuple):
    """What was measured of one case, by the name of the schedule."""

    case: Case
    figures: dict[str, Waits]

    def times(self, schedule: str) -> float:
        """How many times shorter results wait than with intervals that double to 5 minutes."""
        return self.figures[DOUBLING_5].mean / self.figures[schedule].mean


def compare(*, per_class: int, hours: float = 24.0, processes: int = 1) -> list[Found]:
    """All cases, each for ``hours`` at most; the costly runs are begun first."""
    histories = {name: trained(per_class, 1000, world=WORLDS[name]) for name in {case.learned_in: 0 for case in CASES}}
    costly = (LEARNED, BEST_FLOATING, EVERY_30_S, GROWING, DOUBLING_5)
    runs = sorted(
        ((case, name) for case in CASES for name in case.schedules), key=lambda at: (-at[0].hours, costly.index(at[1]))
    )
    trials = [
        contended_trial(name, min(case.hours, hours), histories[case.learned_in], WORLDS[case.world])
        for case, name in runs
    ]
    got = dict(zip(runs, run_trials(trials, processes), strict=True))
    return [Found(case, {name: got[case, name] for name in case.schedules}) for case in CASES]


def label(case: Case) -> str:
    """In words."""
    return case.world + ("" if case.learned_in == case.world else f", with the history of {case.learned_in}")


def written(found: list[Found]) -> str:
    """Markdown: the worlds, and the mean delays in them."""
    worlds = "\n".join(f"- *{name}*: {world.says}." for name, world in WORLDS.items())

    def cell(of: Found, name: str) -> str:
        if name not in of.figures:
            return ""
        delay = f"{of.figures[name].mean:.1f} s"
        return delay if name == DOUBLING_5 else f"{delay}, 1/{of.times(name):.1f}"

    shown = (DOUBLING_5, LEARNED, BEST_FLOATING)
    rows = [[label(of.case), f"{of.case.hours:g}", *(cell(of, name) for name in shown)] for of in found]
    first, hours = found[0].figures, f"{found[0].case.hours:g}"
    return "\n\n".join(
        [
            worlds,
            table(["world", "hours", *shown], rows),
            f"*{BEST_FLOATING}* knows the true distributions, and plans every poll by dynamic programming at the delay"
            " per request of the moment. It does not foresee how that will float (bench/optimum.py).",
            f"In *{found[0].case.world}* after {hours} hours {EVERY_30_S} gives {first[EVERY_30_S].mean:.0f} s,"
            f" {DOUBLING_5} {first[DOUBLING_5].mean:.0f} s, and waits growing by half from 30 s to 15 min"
            f" {first[GROWING].mean:.0f} s. The targets come from an earlier simulation, in which these had 1,030, 880"
            " and 670 s, and a schedule that learns 56 s: this world was chosen because it comes nearest to that, so"
            " what is met in it says less than what is met in the others.",
        ]
    )


def targets(found: list[Found]) -> list[Target]:
    """What was aimed at, world by world."""

    def aim(of: Found) -> Target:
        what = f"{label(of.case)}, {of.case.hours:g} h: delay, times shorter"
        target = at_least(what, of.times(LEARNED), 12, "{:.1f}")
        if BEST_FLOATING in of.figures:
            return target._replace(got=f"{target.got} (the optimum: {of.times(BEST_FLOATING):.1f})")
        return target

    return [aim(of) for of in found]
