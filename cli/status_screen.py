"""The screen of `cdpoll status`: three verdicts, then problems, then facts."""

from collections.abc import Iterator, Mapping
from typing import Any

from cli.lines import Line
from worker.core.problems import counted
from worker.store.views.facts import facts
from worker.store.views.verdicts import Installation, Verdict, problem_line

Json = dict[str, Any]

_NAME_CHARS = 10
_STATE_CHARS = 10
_INDENT_CHARS = _NAME_CHARS + _STATE_CHARS + 2

# On a terminal, where more would push the verdicts off the screen.
_SHOWN_PROBLEMS = 6


def screen(picture: Json, told: Mapping[str, Verdict], here: Installation, now: int, *, brief: bool) -> list[Line]:
    """All lines. ``brief``: only the worst problems are shown, and how many more there are."""
    lines = []
    for name, one in told.items():
        text = f"{name.capitalize():<{_NAME_CHARS}} {one.state:<{_STATE_CHARS}} {one.words}"
        lines.append(Line(text, one.state, one.level, _INDENT_CHARS))
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
