"""The screen of `cdpoll status`: three verdicts, then problems, then facts. On a terminal in colour, and wrapped."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import click

from cli.output import plain
from cli.table import width_of
from worker.core.problems import counted
from worker.store.views.facts import facts
from worker.store.views.verdicts import Installation, Verdict, problem_line

Json = dict[str, Any]

_NAME_CHARS = 10
_STATE_CHARS = 10

# On a terminal, where more would push the verdicts off the screen.
_SHOWN_PROBLEMS = 6

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


def screen(picture: Json, told: Mapping[str, Verdict], here: Installation, now: int, *, brief: bool) -> list[Line]:
    """All lines. ``brief``: only the worst problems are shown, and how many more there are."""
    names = {"work": "Work", "parts": "Parts", "picture": "Picture"}
    lines = [
        Line(f"{names[name]:<{_NAME_CHARS}} {one.state:<{_STATE_CHARS}} {one.words}", one.state, one.level, 22)
        for name, one in told.items()
    ]
    lines += _problems(picture["problems"], now, brief=brief)
    lines.append(Line())
    told_facts = facts(picture, told["work"].words, here, now)
    lines += [Line(f"{name:<{_NAME_CHARS}} {said}", indent=_NAME_CHARS + 1) for name, said in told_facts]
    return lines


def _problems(problems: list[Json], now: int, *, brief: bool) -> Iterator[Line]:
    if not problems:
        return
    yield Line()
    yield Line(f"{counted(len(problems), 'problem')}:")
    shown = problems[:_SHOWN_PROBLEMS] if brief else problems
    for one in shown:
        word, text = problem_line(one, now)
        yield Line(f"  {text}", word, one["severity"], 11)
    if len(shown) < len(problems):
        yield Line(f"  and {len(problems) - len(shown)} more; all of them: cdpoll status | less", indent=2)
