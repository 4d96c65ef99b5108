"""An answer of a batch that came before it was expected, or before its file was whole."""

from typing import Any

import pytest

from tests.support.batch_files import read as read_in
from tests.support.database import NOW
from tests.support.expecting import ALONE, BORN, MATCHED, OURS, UNMATCHED, answered, joined, person, read, tell, told
from tests.support.x12_samples import a_file
from worker.store import outbox
from worker.store.batch import earlier
from worker.store.batch.batches import FileRows
from worker.store.db.store import Store


def test_an_answer_that_is_there_is_joined_when_it_is_told_to_be_expected(store: Store) -> None:
    assert read(store).counts.unmatched == 1
    assert told(store) == [(1, None, None)]
    tell(store, "A", **OURS, member_id="M0001")
    assert joined(store) == [MATCHED]
    assert told(store) == [(2, None, "A")]
    assert answered(store) == [("A", True)]
    counts = store.one("SELECT matched, candidates, unmatched FROM files")
    assert counts is not None
    assert (counts["matched"], counts["candidates"], counts["unmatched"]) == (1, 0, 0)
    tell(store, "A", **OURS, member_id="M0001")
    assert told(store) == [(2, None, "A")]


@pytest.mark.parametrize(
    "about",
    [
        {**OURS, "member_id": "M0002"},
        {**ALONE, "birth_date": BORN},
        {**OURS, "originator_id": "9000000002", "member_id": "M0001"},
    ],
    ids=str,
)
def test_an_answer_that_is_there_is_joined_by_the_same_rules(store: Store, about: dict[str, str]) -> None:
    read(store)
    tell(store, "A", **about)
    assert joined(store) == [UNMATCHED]
    assert answered(store) == [("A", False)]


@pytest.mark.parametrize("first", ["ANN", "BEN"])
def test_of_two_patients_that_are_there_neither_is_joined(store: Store, first: str) -> None:
    read(store, person(), person(first="BEN"))
    tell(store, "A", **OURS, birth_date=BORN)
    assert joined(store) == [UNMATCHED] * 2
    assert read(store, person(first=first, last="HOLDERS"), name="later").counts.candidates == 1


def test_an_answer_that_was_unsure_is_joined_once_more_is_told(store: Store) -> None:
    tell(store, "A", **ALONE, birth_date=BORN)
    assert read(store).counts.candidates == 1
    tell(store, "A", **OURS, member_id="M0001")
    assert joined(store) == [MATCHED]
    counts = store.one("SELECT matched, candidates FROM files")
    assert counts is not None
    assert (counts["matched"], counts["candidates"]) == (1, 0)


def test_a_file_that_is_being_read_is_not_passed_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is expected is told after the answer was staged, and before the file is shown."""
    put = FileRows.put

    def and_tell(rows: FileRows, *page: Any) -> Any:
        counts = put(rows, *page)
        tell(store, "A", **OURS, member_id="M0001")
        assert answered(store) == [("A", False)]
        return counts

    monkeypatch.setattr(FileRows, "put", and_tell)
    read_in(store, a_file(), "batch")
    assert joined(store) == [MATCHED]
    assert told(store) == [(1, None, "A")]
    assert answered(store) == [("A", True)]
    counts = store.one("SELECT matched, unmatched FROM files")
    assert counts is not None
    assert (counts["matched"], counts["unmatched"]) == (1, 0)


def test_nor_is_one_that_is_about_to_be_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is expected is told after it was looked up what the answers of the file answer."""
    look = outbox.further_refs

    def and_tell(*about: Any) -> Any:
        found = look(*about)
        if not answered(store):
            tell(store, "A", **OURS, member_id="M0001")
        return found

    monkeypatch.setattr(outbox, "further_refs", and_tell)
    read_in(store, a_file(), "batch")
    assert joined(store) == [MATCHED]
    assert answered(store) == [("A", True)]


def test_what_is_taken_back_was_no_answer(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    whole = a_file()
    assert read_in(store, whole[: whole.index("IEA")], "batch").state == "incomplete"
    assert answered(store) == [("A", False)]
    assert read_in(store, whole, "batch").counts.matched == 1


def test_a_trace_number_of_very_many_answers_joins_none_of_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "MOST_ANSWERS_ROWS", 2)
    read(store, *(person(member=f"M{n:04}") for n in range(3)))
    tell(store, "A", **OURS, member_id="M0001")
    assert joined(store) == [UNMATCHED] * 3


def test_a_task_that_came_before_gets_an_answer_that_is_told_for_its_ref(store: Store) -> None:
    read(store)
    tell(store, "A", id="task-1", **OURS)
    tell(store, "B", id="task-1")
    assert joined(store) == [UNMATCHED]
    tell(store, "A", NOW + 1, **OURS, member_id="M0001")
    assert joined(store) == [("matched", "task-1", "A, B")]
    assert told(store) == [(2, "task-1", "A"), (3, "task-1", "B")]


@pytest.mark.parametrize("first", ["told", "read"])
@pytest.mark.parametrize("number", [None, "a"])
def test_where_twins_were_left_a_corrected_answer_of_one_is_left_too(
    store: Store, first: str, number: str | None
) -> None:
    """It is not more certain whose the trace number is than it was."""
    about = {**OURS, "birth_date": BORN} | ({} if number is None else {"id": number})
    if first == "told":
        tell(store, "A", **about)
    read(store, person(first="ANN"), person(first="BEN"))
    tell(store, "A", **about)
    assert read(store, [*person(first="BEN"), ("EB", "6", "", "35")], name="later").counts.matched == 0
    assert not [ref for _, _, ref in told(store) if ref]


def test_another_that_was_left_and_is_known_to_differ_is_no_hindrance(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    assert read(store, person(first="BEN", member="M0002")).counts.candidates == 1
    assert read(store, person(), name="later").counts.matched == 1
