"""Which expected answer an answer of a batch belongs to: one of exactly one ref, on strong grounds, or none."""

import pytest

from tests.support.expecting import (
    ALONE,
    BORN,
    CANDIDATE,
    MATCHED,
    OURS,
    UNMATCHED,
    answered,
    joined,
    person,
    read,
    tell,
    told,
)
from tests.support.x12_samples import ACTIVE, subscriber
from worker.store.batch.staging import PAGE_ROWS
from worker.store.db.store import Store

# --- one expected answer


@pytest.mark.parametrize(
    "about",
    [
        {**OURS, "member_id": "M0001"},
        {**OURS, "member_id": " m-0001 "},
        {**OURS, "birth_date": BORN},
        {**OURS, "birth_date": "19700203", "member_id": "M0001"},
        {**ALONE, "member_id": "M0001"},
        {**ALONE, "member_id": "M0001", "birth_date": BORN},
    ],
    ids=str,
)
def test_an_answer_is_joined_where_the_trace_number_is_sure_and_nothing_differs(
    store: Store, about: dict[str, str]
) -> None:
    tell(store, "A", subtenant="clinic", **about)
    assert read(store).counts.matched == 1
    assert joined(store) == [MATCHED]
    assert told(store) == [(1, None, "A")]
    assert answered(store) == [("A", True)]


@pytest.mark.parametrize(
    "about",
    [
        {**OURS, "member_id": "M0002"},
        {**OURS, "member_id": "M0001", "birth_date": "1970-02-04"},
        {**OURS, "member_id": "M0002", "birth_date": BORN},
        {**ALONE, "member_id": "M0002"},
        {**ALONE, "birth_date": BORN},
        {**ALONE, "member_id": "M0001", "birth_date": "1970-02-04"},
        {**OURS, "originator_id": "9000000002", "member_id": "M0001"},
    ],
    ids=str,
)
def test_anything_weaker_is_a_candidate(store: Store, about: dict[str, str]) -> None:
    tell(store, "A", **about)
    assert read(store).counts.candidates == 1
    assert joined(store) == [CANDIDATE]
    assert told(store) == [(1, None, None)]
    assert answered(store) == [("A", False)]


def test_an_answer_without_an_originator_needs_the_member_id_and_one_told_is_not_met(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    assert read(store, person(originator="")).counts.candidates == 1
    tell(store, "B", trace_number="T2", member_id="M0001")
    assert read(store, person("T2", originator="")).counts.matched == 1


def test_an_answer_that_names_no_member_is_no_evidence(store: Store) -> None:
    tell(store, "A", **ALONE, member_id="M0001")
    assert read(store, person(member="")).counts.candidates == 1


def test_a_trace_of_the_answering_side_and_another_number_are_not_ours(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    theirs = [("TRN", "1", *one[2:]) if one[0] == "TRN" else one for one in subscriber(ACTIVE)]
    assert read(store, theirs, person("OURS-2")).counts.candidates == 1
    assert joined(store) == [CANDIDATE, UNMATCHED]


def test_a_later_answer_of_the_same_patient_is_joined_too(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    read(store)
    first = store.read("SELECT answered_at FROM expected")
    assert read(store, person(born="19700203"), [*subscriber(ACTIVE), ("EB", "6", "", "35")]).counts.matched >= 1
    assert store.read("SELECT answered_at FROM expected")[0]["answered_at"] == first[0]["answered_at"]


# --- two patients under one trace number


@pytest.mark.parametrize(
    ("known", "one", "other"),
    [
        ({"birth_date": BORN}, {"first": "ANN"}, {"first": "BEN"}),
        ({"birth_date": BORN, "member_id": "M0001"}, {"first": "ANN"}, {"first": "BEN"}),
        ({"member_id": "M0001"}, {"born": "19700203"}, {"born": "19990101"}),
        ({"birth_date": BORN}, {"member": "M0001"}, {"member": "M0002"}),
    ],
    ids=["twins", "twins with one member id", "a family's member id", "born on one day"],
)
def test_two_answers_that_name_different_patients_are_never_both_joined(
    store: Store, known: dict[str, str], one: dict[str, str], other: dict[str, str]
) -> None:
    tell(store, "A", **OURS, **known)
    assert read(store, person(**one), person(**other)).counts.candidates == 2
    assert joined(store) == [CANDIDATE] * 2
    assert answered(store) == [("A", False)]


def test_of_two_patients_far_apart_in_a_file_the_second_is_not_joined(store: Store) -> None:
    """Each stands in a transaction of its own; a rehearsal, which writes nothing, says the same."""
    tell(store, "A", **OURS, birth_date=BORN)
    between = [person(f"T{n}", member=f"N{n:04}") for n in range(PAGE_ROWS)]
    counts = read(store, person(), *between, person(first="BEN")).counts
    assert (counts.matched, counts.candidates) == (1, 1)


def test_a_second_file_that_names_another_patient_is_not_joined(store: Store) -> None:
    tell(store, "A", **OURS, birth_date=BORN)
    assert read(store, person()).counts.matched == 1
    assert read(store, person(first="BEN"), name="later").counts.candidates == 1


# --- several refs with one trace number


@pytest.mark.parametrize("known", [{"member_id": "M0001"}, {"member_id": "M0001", "birth_date": BORN}])
@pytest.mark.parametrize("other", [{"member_id": "M0001"}, {"member_id": "M0002"}, {"birth_date": "1999-01-01"}])
def test_a_trace_number_that_is_expected_for_two_refs_joins_neither(
    store: Store, known: dict[str, str], other: dict[str, str]
) -> None:
    tell(store, "A", **OURS, **known)
    tell(store, "B", **OURS, **other)
    assert read(store).counts.candidates == 1
    assert joined(store) == [CANDIDATE]
    assert answered(store) == [("A", False), ("B", False)]


def test_one_without_an_originator_makes_it_unsure_unless_it_differs(
    store: Store,
) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    tell(store, "B", **ALONE, member_id="M0002")
    assert read(store).counts.matched == 1
    tell(store, "C", **ALONE, birth_date=BORN)
    assert read(store, [*subscriber(ACTIVE), ("EB", "6", "", "35")], name="later").counts.candidates == 1


def test_another_originator_is_another_inquiry(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    tell(store, "B", trace_number="OURS-1", originator_id="9000000002", member_id="M0001")
    assert read(store, person(), person(originator="9000000002", member="M0001", first="ANNE")).counts.matched == 2
    assert [refs for _, _, refs in joined(store)] == ["A", "B"]


def test_the_same_ref_told_of_two_originators_is_expected_of_both(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    tell(store, "A", trace_number="OURS-1", originator_id="9000000002", member_id="M0001")
    assert read(store, person(originator="9000000002")).counts.matched == 1
    assert answered(store) == [("A", False), ("A", True)]


def test_the_same_ref_told_twice_is_expected_once(store: Store) -> None:
    tell(store, "A", **ALONE, member_id="M0001")
    tell(store, "A", **OURS, birth_date=BORN)
    tell(store, "A", **ALONE, member_id="M0009")
    assert read(store).counts.matched == 1
    assert answered(store) == [("A", True)]


# --- beside tasks


def test_a_task_of_the_same_ref_wins_and_what_was_expected_is_answered(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    tell(store, "A", id="task-1", **OURS)
    assert read(store).counts.matched == 1
    assert joined(store) == [("matched", "task-1", "A")]
    assert told(store) == [(1, "task-1", "A")]
    assert answered(store) == [("A", True)]


@pytest.mark.parametrize("ref", ["B", None])
@pytest.mark.parametrize("known", [{}, {"member_id": "M0001"}, {"member_id": "M0002"}])
def test_a_task_of_another_ref_with_the_same_trace_number_leaves_both_unsure(
    store: Store, ref: str | None, known: dict[str, str]
) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    tell(store, ref, id="task-1", **OURS, **known)
    assert read(store).counts.candidates == 1
    assert joined(store) == [CANDIDATE]
    assert store.read("SELECT 1 FROM candidates JOIN tasks ON tasks.seq = task WHERE id = 'task-1'")
    assert answered(store) == [("A", False)]


def test_what_is_known_of_the_expected_answer_speaks_against_the_task_of_its_ref(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0002")
    tell(store, "A", id="task-1", **OURS)
    assert read(store).counts.candidates == 1
    assert [row["reason"] for row in store.read("SELECT reason FROM candidates")] == ["member_id_differs"]


def test_an_expected_answer_that_is_another_patients_does_not_take_a_tasks_answer_away(store: Store) -> None:
    tell(store, "A", id="task-1", **OURS, member_id="M0001")
    tell(store, "B", **ALONE, member_id="M0002")
    assert read(store).counts.matched == 1
    assert joined(store) == [("matched", "task-1", "A")]


@pytest.mark.parametrize(("ref", "match"), [("A", "matched"), ("B", "candidate")])
def test_a_task_without_an_originator_stands_in_the_way_of_another_ref(store: Store, ref: str, match: str) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    tell(store, ref, id="task-1", **ALONE, member_id="M0001")
    read(store)
    assert joined(store) == [(match, None, "A" if match == "matched" else None)]


def test_two_tasks_with_the_trace_number_are_no_better_for_being_of_the_expected_ref(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    for task in ("task-1", "task-2"):
        tell(store, "A", id=task, **OURS)
    assert read(store).counts.candidates == 1
    assert joined(store) == [CANDIDATE]


def test_a_task_without_an_originator_that_is_another_patients_is_not_in_the_way(store: Store) -> None:
    tell(store, "A", **OURS, member_id="M0001")
    tell(store, "B", id="task-1", **ALONE, member_id="M0002")
    assert read(store).counts.matched == 1
    assert joined(store) == [MATCHED]


def test_the_task_and_what_was_expected_are_one_when_another_patient_comes(store: Store) -> None:
    """The id came after the first answer; the second one, of a twin, would be the task's first."""
    tell(store, "A", **OURS, birth_date=BORN)
    assert read(store, person()).counts.matched == 1
    tell(store, "A", id="task-1", **OURS)
    assert read(store, person(first="BEN"), name="later").counts.candidates == 1
    assert joined(store) == [MATCHED, CANDIDATE]
