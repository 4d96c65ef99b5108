"""What one part of the bench hands in: its tables, the figures that were aimed at, and its lines in short."""

from collections.abc import Sequence
from typing import NamedTuple


class Target(NamedTuple):
    """One figure that was aimed at, in words."""

    what: str
    wanted: str
    got: str
    met: bool


class Part(NamedTuple):
    """``text`` is Markdown; ``headlines`` say in short what was found; ``pictures`` are SVG texts by file name."""

    title: str
    command: str
    text: str
    targets: Sequence[Target] = ()
    headlines: Sequence[str] = ()
    pictures: Sequence[tuple[str, str]] = ()


def at_least(what: str, got: float, wanted: float, form: str = "{:.2f}") -> Target:
    """Met from ``wanted`` upwards. What was measured decides, not what it is rounded to."""
    return Target(what, f"at least {form.format(wanted)}", form.format(got), got >= wanted)


def at_most(what: str, got: float, wanted: float, form: str = "{:.2f}") -> Target:
    """Met up to ``wanted``."""
    return Target(what, f"at most {form.format(wanted)}", form.format(got), got <= wanted)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown, the first column to the left and the others to the right."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
