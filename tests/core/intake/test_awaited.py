"""Lines and options that tell of something without an id: a request to look for, an answer to wait for."""

import pytest

from tests.core.intake.test_json_lines import line
from worker.core.errors import BadData
from worker.core.intake.intake import Expected, Lookup
from worker.core.intake.json_lines import from_jsonl_line
from worker.core.intake.recording import from_lookup


def test_a_line_with_a_correlation_id_alone_is_looked_for() -> None:
    intake = from_jsonl_line(line(correlation_id="c-1", ref="R", trace_number="T1"), place="line 1")
    assert intake.lookups == (Lookup("c-1", "R", "T1"),)
    assert (intake.expected, intake.unreadable, intake.recordings) == ((), (), ())


def test_a_line_with_a_trace_number_and_a_patient_is_expected() -> None:
    said = line(trace_number="T1", originator_id="O1", member_id="M1", birth_date="1970-01-02", subtenant="clinic")
    intake = from_jsonl_line(said, place="line 1", ref="R")
    assert intake.expected == (Expected("T1", "R", "O1", "M1", "1970-01-02", None, "clinic"),)
    assert not intake.lookups


def test_what_no_answer_can_be_joined_to_surely_is_said() -> None:
    intake = from_jsonl_line(line(trace_number="T1", birth_date="1970-01-02", ref="R"), place="line 1")
    assert intake.expected == (Expected("T1", "R", birth_date="1970-01-02"),)
    assert any("without originator_id and member_id no answer" in note for note in intake.notes)
    for more in ({"originator_id": "O1"}, {"member_id": "M1"}):
        said = line(trace_number="T1", birth_date="1970-01-02", ref="R", **more)
        assert not from_jsonl_line(said, place="line 1").notes


def test_a_line_may_be_both() -> None:
    intake = from_jsonl_line(line(correlation_id="c", trace_number="T1", member_id="M1", ref="R"), place="line 1")
    assert intake.lookups == (Lookup("c", "R", "T1", member_id="M1"),)
    assert intake.expected == (Expected("T1", "R", member_id="M1", correlation_id="c"),)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"trace_number": "T1", "ref": "Doe"}, "needs trace_number, ref, and member_id or birth_date"),
        ({"trace_number": "T1", "member_id": "Doe"}, "needs trace_number, ref, and member_id or birth_date"),
        ({"member_id": "Doe", "ref": "Doe"}, "names nothing"),
        ({"correlation_id": "c", "links": "Doe"}, "did you mean link?"),
        ({"correlation_id": "c", "refs": "Doe"}, "did you mean ref?"),
        ({"correlation_id": "c" * 257}, "no correlation id"),
        ({"correlation_id": " "}, "empty"),
    ],
)
def test_a_line_that_says_too_little_is_kept_raw(keys: dict[str, object], words: str) -> None:
    intake = from_jsonl_line(line(**keys), place="line 1")
    assert (intake.lookups, intake.expected) == ((), ())
    (lost,) = intake.unreadable
    assert words in lost.reason
    assert "Doe" not in lost.reason


def test_the_correlation_id_of_the_command_is_not_looked_for() -> None:
    """It is that of the tasks of all lines; a line that lost its task must not become something else."""
    intake = from_jsonl_line(line(trace_number="T1"), place="line 1", correlation_id="c")
    assert not intake.lookups
    assert intake.unreadable


def test_a_line_that_names_a_task_is_no_lookup() -> None:
    assert not from_jsonl_line(line(correlation_id="c", link=None), place="line 1").lookups
    assert not from_jsonl_line(line(correlation_id="c", id="a"), place="line 1").lookups


@pytest.mark.parametrize("wrong", ["", " ", "a\nb", "x" * 257])
def test_what_is_no_correlation_id(wrong: str) -> None:
    with pytest.raises(BadData):
        from_lookup(wrong)


def test_two_correlation_ids_are_one_too_many() -> None:
    assert from_lookup(" c ", ref="R", correlation_id="c").lookups == (Lookup("c", "R"),)
    with pytest.raises(BadData, match="differ"):
        from_lookup("c", correlation_id="d")
