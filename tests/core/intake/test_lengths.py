"""How long a caller's own keys may be, and what becomes of one that is longer: it is never left out in silence."""

import pytest

from tests.core.intake.test_json_lines import line
from worker.core.intake.intake import Lookup, Recording
from worker.core.intake.json_lines import from_jsonl_line
from worker.core.intake.lengths import MOST_REF_BYTES, length_trouble
from worker.core.intake.recording import MOST_CORRELATION_CHARACTERS

LIMITS = {"ref": 1_000, "trace_number": 250, "originator_id": 250}

# Of PostgreSQL: an entry of a b-tree in a page of 8 KiB. An entry and each text in it have a header of a few bytes.
ENTRY_BYTES, HEADERS_BYTES = 2_704, 8 + 3 * 8


@pytest.mark.parametrize(("key", "most"), LIMITS.items())
def test_bytes_count(key: str, most: int) -> None:
    assert length_trouble(key, "x" * most) == length_trouble(key, "ü" * (most // 2)) == ""
    assert length_trouble(key, "x" * (most + 1)) == f"is longer than {most:,} bytes"
    assert length_trouble(key, "ü" * (most // 2 + 1)) == f"is longer than {most:,} bytes"


def test_what_is_no_part_of_a_key_may_be_of_any_length() -> None:
    assert length_trouble("member_id", "x" * 10_000) == length_trouble("correlation_id", "x" * 10_000) == ""


def test_every_key_of_several_columns_fits_into_an_index() -> None:
    assert sum(LIMITS.values()) + HEADERS_BYTES < ENTRY_BYTES  # of expected
    assert MOST_CORRELATION_CHARACTERS * len("𠀀".encode()) + MOST_REF_BYTES + HEADERS_BYTES < ENTRY_BYTES  # of lookups


@pytest.mark.parametrize(("key", "most"), LIMITS.items())
def test_a_task_is_recorded_without_it_and_the_line_is_kept(key: str, most: int) -> None:
    intake = from_jsonl_line(line(id="a", **{key: "Doe" * most}), place="line 1", ref=None)
    assert intake.recordings == (Recording("a", "jsonl"),)
    (lost,) = intake.unreadable
    assert lost.reason == f"line 1: {key} is longer than {most:,} bytes: the line's tasks are recorded without it"
    assert "Doe" * most in lost.raw


def test_no_other_ref_stands_in_its_place() -> None:
    intake = from_jsonl_line(line(id="a", ref="x" * 1_001), place="line 1", ref="of the command")
    assert intake.recordings == (Recording("a", "jsonl"),)
    intake = from_jsonl_line(line(correlation_id="c", ref="x" * 1_001), place="line 1", ref="of the command")
    assert intake.lookups == (Lookup("c"),)
    assert len(intake.unreadable) == 1


@pytest.mark.parametrize("key", ["ref", "trace_number"])
def test_an_answer_that_cannot_be_expected_is_kept_and_the_reason_says_why(key: str) -> None:
    said = {"ref": "R", "trace_number": "T", "member_id": "M", key: "Doe" * 1_000}
    intake = from_jsonl_line(line(**said), place="line 1")
    assert not intake.expected
    (lost,) = intake.unreadable
    assert f"; {key} is longer than {LIMITS[key]:,} bytes; an answer without an id needs" in lost.reason
    assert "Doe" not in lost.reason


def test_a_number_may_be_too_long() -> None:
    (lost,) = from_jsonl_line(b'{"id": "a", "ref": %s}' % (b"7" * 1_001), place="line 1").unreadable
    assert "ref is longer than 1,000 bytes" in lost.reason
