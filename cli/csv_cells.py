"""Lists as CSV, for spreadsheets: a cell that a spreadsheet would run as a formula is defused."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

import click

from cli.output import plain

_FORMULA = re.compile(r"\s*[=+\-@\t\r＝＋－＠]")
"""What makes a formula of a cell, the full-width forms too, which some spreadsheets read as the others."""


def defused(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would run it, also after blanks."""
    return f"'{text}" if _FORMULA.match(text) else text


def echo_csv(columns: Sequence[str], pages: Iterable[Sequence[Mapping[str, object]]]) -> None:
    """Print a line of column names and then a line for each row, page by page; what is ``None`` is an empty cell."""
    click.echo(_csv([columns]), nl=False)
    for page in pages:
        click.echo(_csv([[_cell(row[column]) for column in columns] for row in page]), nl=False)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case int() | float():
            return str(value)
        case list() | tuple():
            return _cell("; ".join(map(str, value)))
        case _:
            return plain(defused(str(value)))


def _csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
