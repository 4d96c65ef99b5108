"""Aligned columns for people: texts are cut, and columns left out, until a line fits the terminal."""

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from cli.output import plain

_GAP = "  "

_DECIDING_ROWS = 1000

# No cell is cut to less.
_LEAST_CUT_CHARS = 10


class Column(NamedTuple):
    """``rank``: columns of 0 are always there; of the others those of a low rank come first, while there is room.

    ``cut``: its texts may be cut where there is no room for all columns of rank 0; ids and numbers never are.
    """

    title: str
    rank: int = 0
    cut: bool = False


def output_width() -> int | None:
    """$COLUMNS, or the columns of the terminal, 80 where it does not tell; ``None``, no limit, for a file or a pipe."""
    return shutil.get_terminal_size((80 if sys.stdout.isatty() else 0, 24)).columns or None


def table_lines(columns: Sequence[Column], pages: Iterable[list[list[str]]], width: int | None) -> Iterator[str]:
    """The lines of a table. The first pages, of some thousand rows, decide how wide each column is and which ones
    there are.

    Columns of which these say nothing are left out, but for those of rank 0 where more pages follow. No page, no line.
    """
    rest = iter(pages)
    first: list[list[str]] = []
    more = True
    while more and len(first) < _DECIDING_ROWS:
        page = next(rest, None)
        more = page is not None
        first += [[plain(cell) for cell in row] for row in page or ()]
    if not first:
        return
    if width is None:
        columns = [Column(column.title) for column in columns]
    widths = _fitted(columns, first, width or 0, more=more)
    yield _line(columns, [column.title for column in columns], widths)
    for row in first:
        yield _line(columns, row, widths)
    for row in chain.from_iterable(rest):
        yield _line(columns, [plain(cell) for cell in row], widths)


def _fitted(columns: Sequence[Column], rows: list[list[str]], width: int, *, more: bool) -> dict[int, int]:
    """By the place of each column that is shown, its width. Columns of rank 0 that may not be cut need no ``width``."""
    longest = [max(width_of(cell) for cell in cells) for cells in zip(*rows, strict=True)]
    wanted = {
        at: max(longest[at], width_of(one.title))
        for at, one in enumerate(columns)
        if longest[at] or (more and one.rank == 0)
    }
    shown = _cut(columns, {at: wide for at, wide in wanted.items() if columns[at].rank == 0}, width)
    for at in sorted(wanted.keys() - shown.keys(), key=lambda at: columns[at].rank):
        if _total(shown) + len(_GAP) + wanted[at] <= width:
            shown[at] = wanted[at]
    return dict(sorted(shown.items()))


def _cut(columns: Sequence[Column], widths: dict[int, int], width: int) -> dict[int, int]:
    """The widest columns that may be cut made narrower, until the line fits or none can be cut any more."""
    found = dict(widths)
    while _total(found) > width:
        widest = max((at for at in found if columns[at].cut), key=found.__getitem__, default=None)
        if widest is None or found[widest] <= _LEAST_CUT_CHARS:
            break
        found[widest] -= 1
    return found


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _line(columns: Sequence[Column], cells: Sequence[str], widths: dict[int, int]) -> str:
    filled = [_filled(cells[at], width, cut=columns[at].cut) for at, width in widths.items()]
    return _GAP.join(filled).rstrip()


def _filled(cell: str, width: int, *, cut: bool) -> str:
    """The cell at this width: filled with blanks, or cut. What may not be cut is as wide as it is."""
    own = width_of(cell)
    if cut and own > width:
        while own >= width:
            cell = cell[:-1]
            own = width_of(cell)
        cell, own = f"{cell}…", own + 1
    return cell + " " * (width - own)


def width_of(text: str) -> int:
    """How many columns of a terminal the text takes: letters of East Asia take two, accents of their own none."""
    if text.isascii():
        return len(text)
    return sum(_letter_width(letter) for letter in text)


def _letter_width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
