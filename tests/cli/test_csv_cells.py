"""Cells of CSV that a spreadsheet would run as a formula."""

import pytest

from cli.csv_cells import defused


@pytest.mark.parametrize("begins", [*"=+-@", "\t", "\r", *"＝＋－＠"])
@pytest.mark.parametrize("blanks", ["", "  ", "\n ", "\xa0"])
def test_a_formula_gets_an_apostrophe(begins: str, blanks: str) -> None:
    text = f"{blanks}{begins}cmd|' /C calc'!A0"
    assert defused(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", " ", "SMITH-JONES", "1990-05-04", "a=b", "'=1", "87726", "O'NEIL"])
def test_everything_else_stays(text: str) -> None:
    assert defused(text) == text
