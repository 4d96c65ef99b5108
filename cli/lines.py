"""Lines of what a command prints for people: on a terminal in colour, and wrapped."""

import os
import sys
from collections.abc import Iterable
from typing import NamedTuple

import click

from cli.output import plain
from cli.table import width_of

_COLOURS = {"good": "green", "warning": "yellow", "critical": "red"}


class Line(NamedTuple):
    """``marked`` is the part of ``text`` in the colour of ``level``. Wrapped, it goes on at ``indent``."""

    text: str = ""
    marked: str = ""
    level: str = ""
    indent: int = 0


def drawn(lines: Iterable[Line], width: int | None) -> list[str]:
    """The lines as they are printed: no letter of them steers the terminal but our colours."""
    coloured = colours()
    out = []
    for line in lines:
        first, *more = _wrapped(plain(line.text), line.indent, width)
        if coloured and line.marked:
            shown = click.style(line.marked, fg=_COLOURS[line.level], bold=True)
            first = first.replace(line.marked, shown, 1)
        out += [first, *more]
    return out


def colours() -> bool:
    """Whether standard output is a terminal that may be coloured (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _wrapped(text: str, indent: int, width: int | None) -> list[str]:
    """Broken between words. A word that is longer than a line, a path say, is left whole."""
    if width is None or width_of(text) <= width:
        return [text]
    lines: list[str] = []
    line = ""
    lead = text[: len(text) - len(text.lstrip())]
    for word in text[len(lead) :].split(" "):
        longer = f"{line} {word}" if line else (lead if not lines else " " * indent) + word
        if line and width_of(longer) > width:
            lines.append(line.rstrip())
            longer = " " * indent + word
        line = longer
    return [*lines, line]
