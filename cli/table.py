"""Aligned columns for people: texts are cut, and columns left out, until a line fits the terminal."""

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from cli.output import plain, say

_GAP = "  "

_DECIDING_ROWS = 1000

# Without a width, a cell that is longer than this makes its own line longer and no other.
_MOST_FILLED_CHARS = 40


# For columns of these ranks texts are cut, where there is no other room.
_DEAR_RANKS = (0, 1, 2)


class Column(NamedTuple):
    """``rank``: columns of 0 are always there; of the others those of a low rank come first, while there is room.

    ``cut``: its texts may be cut, to ``least`` columns of the terminal; ids and numbers never are.
    """

    title: str
    rank: int = 0
    cut: bool = False
    least: int = 10


def output_width() -> int | None:
    """$COLUMNS, or the columns of the terminal, 80 where it does not tell; ``None``, no limit, for a file or a pipe."""
    return shutil.get_terminal_size((80 if sys.stdout.isatty() else 0, 24)).columns or None


def table_lines(
    columns: Sequence[Column],
    pages: Iterable[list[list[str]]],
    width: int | None,
    left_out: list[str] | None = None,
) -> Iterator[str]:
    """The lines of a table. The first pages, of some thousand rows, decide how wide each column is and which ones
    there are.

    Columns of which these say nothing are not there, but for those of rank 0 where more pages follow. No page, no line.
    ``left_out`` gets the titles of those that had no room.
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
    wanted = _wanted(columns, first, more=more)
    widths = _fitted(columns, wanted, width)
    if left_out is not None:
        left_out += [columns[at].title for at in sorted(wanted.keys() - widths.keys())]
    yield _line(columns, [column.title for column in columns], widths)
    for row in first:
        yield _line(columns, row, widths)
    for row in chain.from_iterable(rest):
        yield _line(columns, [plain(cell) for cell in row], widths)


def _wanted(columns: Sequence[Column], rows: list[list[str]], *, more: bool) -> dict[int, int]:
    """By the place of each column that has something to say, the width of its longest text."""
    longest = [max(width_of(cell) for cell in cells) for cells in zip(*rows, strict=True)]
    return {
        at: max(longest[at], width_of(one.title))
        for at, one in enumerate(columns)
        if longest[at] or (more and one.rank == 0)
    }


def _fitted(columns: Sequence[Column], wanted: dict[int, int], width: int | None) -> dict[int, int]:
    """By the place of each column that is shown, its width. Columns of rank 0 are shown whether they fit or not."""
    if width is None:
        return {at: min(wide, _MOST_FILLED_CHARS) for at, wide in wanted.items()}
    least = {at: min(wide, columns[at].least) if columns[at].cut else wide for at, wide in wanted.items()}
    ranked = sorted(wanted, key=lambda at: columns[at].rank)
    dear = [at for at in ranked if columns[at].rank in _DEAR_RANKS]
    shown: dict[int, int] = {}
    for at in dear:
        if columns[at].rank == 0 or _total(shown) + len(_GAP) + least[at] <= width:
            shown[at] = least[at]
    # What room is left goes to the texts that are cut, and then to more columns.
    while _total(shown) < width and (short := [at for at in shown if shown[at] < wanted[at]]):
        shown[min(short, key=shown.__getitem__)] += 1
    for at in ranked[len(dear) :]:
        room = width - _total(shown) - len(_GAP)
        if room >= least[at]:
            shown[at] = min(wanted[at], room)
    return dict(sorted(shown.items()))


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _line(columns: Sequence[Column], cells: Sequence[str], widths: dict[int, int]) -> str:
    texts = [filled(cells[at], width, cut=columns[at].cut) for at, width in widths.items()]
    return _GAP.join(texts).rstrip()


def filled(cell: str, width: int, *, cut: bool) -> str:
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


def say_left_out(titles: Sequence[str]) -> None:
    """One line on standard error, where columns had no room."""
    if titles:
        say(f"not shown for want of room: {', '.join(titles)}; --csv has all", err=True)
