"""What 271s of the field mean. Each file in meaning/ is one kind of trouble that was met there; every name and number
in them is invented. meaning/expected.json says what is unusual in each, and what is right.

Of an answer: ``found``, whether it tells of coverage to bill; ``warned``, whether anything odd is said of it or of its
set; ``named``, texts that its columns or its JSON have, and ``not_named``, texts that its columns have not; ``words``,
how the words of a rejection's text begin, or after ``!`` do not; every other key is a column, exactly.
"""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from worker.core.x12.answer_columns import answer_columns
from worker.core.x12.answer_json import answer_json
from worker.core.x12.batch import read_batch

FOLDER = Path(__file__).with_name("meaning")
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text())

Row = dict[str, Any]


def read(name: str) -> tuple[list[str], list[Row]]:
    """The codes of the sets that are held, and each answer: its columns, and its JSON as ``said``."""
    held: list[str] = []
    rows: list[Row] = []
    for one in read_batch(io.BytesIO((FOLDER / name).read_bytes())):
        if one.verdict == "hold":
            held += [issue.code for issue in one.issues]
        for answer in one.parsed.answers() if one.verdict in ("accept", "warn") and one.parsed else ():
            columns = answer_columns(answer, one.issues)._asdict()
            found = bool(columns["coverage"] == "active" or columns["other_payers"] or columns["managed_care"])
            rows.append({**columns, "found": found, "said": json.loads(answer_json(answer))})
    return held, rows


def texts(value: object) -> list[str]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [value] if isinstance(value, str) else [text for one in inner for text in texts(one)]


def differences(row: Row, expected: Row) -> Row:
    """What is not as expected, as it is."""
    said = row["said"]
    columns = [value for value in row.values() if isinstance(value, str)]
    reasons = {one.get("code", ""): one.get("text", "") for one in said["rejections"]}
    wrong: Row = {}
    for key, want in expected.items():
        if key == "warned":
            right = bool(row["warnings"]) is want
        elif key == "named":
            right = all(any(text.casefold() in one.casefold() for one in columns + texts(said)) for text in want)
        elif key == "not_named":
            right = not any(text.casefold() in one.casefold() for one in columns for text in want)
        elif key == "words":
            begins = {
                code: [bool(re.search(rf"\b{word.lstrip('!')}", reasons[code])) for word in want[code]] for code in want
            }
            right = begins == {code: [not word.startswith("!") for word in want[code]] for code in want}
        else:
            right = row[key] == want
        if not right:
            wrong[key] = row.get(key, row)
    return wrong


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_271_is_told_as_its_sender_meant_it(name: str) -> None:
    case = EXPECTED[name]
    held, rows = read(name)
    assert held == case.get("held", []), case["why"]
    assert len(rows) == len(case["answers"]), case["why"]
    wrong = [differences(row, expected) for row, expected in zip(rows, case["answers"], strict=True)]
    assert not any(wrong), case["why"]


def test_every_file_has_its_expectation() -> None:
    assert {path.name for path in FOLDER.glob("*.x12")} == set(EXPECTED)
