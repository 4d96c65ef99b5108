"""The view ``found_coverage``: one meaning, whichever way an answer came, and each answer once."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.batch_files import read
from tests.support.database import conclude, record
from tests.support.engine import elsewhere
from tests.support.polled_bodies import ANOTHER_PAYER, INACTIVE, a_body, a_path, says
from worker.store.db.store import Store

SHOWN = "SELECT list, path, status, coverage, other_payers FROM found_coverage ORDER BY result, answer"


def found(path: Path) -> list[tuple[Any, ...]]:
    return elsewhere(path, SHOWN)


def test_every_path_is_read_as_a_batch_is(store: Store, path: Path) -> None:
    record(store, "a")
    other = a_path(says(*ANOTHER_PAYER), "ineligible", "HMO")
    silent = a_path(says(INACTIVE), "ineligible", "RTCOB")
    conclude(store, a_body(successful=[a_path(says())], unsuccessful=[silent, other]))
    assert found(path) == [
        ("successful", "Medicare", "eligible", "active", ""),
        ("unsuccessful", "HMO", "ineligible", "inactive", "OVERDALE MUTUAL"),
    ]
    read(store, says(*ANOTHER_PAYER, member="M0002"))
    assert found(path)[2:] == [(None, None, None, "inactive", "OVERDALE MUTUAL")]


def test_the_real_time_answer_of_a_failure_is_found(store: Store, path: Path) -> None:
    record(store, "a")
    conclude(store, a_body(status="failure", real_time=says(), unsuccessful=[a_path(None, "patient_unknown")]))
    assert found(path) == [("realTime", "realTime", None, "active", "")]


@pytest.mark.parametrize("text", [None, says(INACTIVE), "string"], ids=["none", "says otherwise", "placeholder"])
def test_a_successful_path_has_a_row_whatever_its_271_says(store: Store, path: Path, text: str | None) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(text)]))
    coverage, others = ("inactive", "") if text == says(INACTIVE) else (None, None)
    assert found(path) == [("successful", "Medicare", "eligible", coverage, others)]


def test_a_successful_path_with_two_answers_has_a_row_for_each_that_found_coverage(store: Store, path: Path) -> None:
    record(store, "a")
    both = says(INACTIVE, control="0001") + says(control="0002", member="M0002")
    neither = says(INACTIVE, control="0003") + says(INACTIVE, control="0004")
    conclude(store, a_body(successful=[a_path(both), a_path(neither, name="HMO")]))
    assert found(path) == [
        ("successful", "Medicare", "eligible", "active", ""),
        ("successful", "HMO", "eligible", "inactive", ""),
    ]


def test_of_several_bodies_the_latest_counts(store: Store, path: Path) -> None:
    record(store, "a")
    other = a_path(says(*ANOTHER_PAYER), "ineligible", "RTCOB")
    conclude(store, a_body(successful=[a_path(says()), a_path(None, name="Commercial")], unsuccessful=[other]))
    conclude(store, a_body(successful=[a_path(says(member="M7"), name="Medicaid"), a_path(None, name="HMO")]))
    assert elsewhere(path, "SELECT path, member_id, revision FROM found_coverage ORDER BY path") == [
        ("HMO", None, 2),
        ("Medicaid", "M7", 2),
    ]


def test_a_set_that_stands_in_a_polled_body_is_one_answer(store: Store, path: Path) -> None:
    record(store, "a")
    read(store, says() + says(member="M0002", control="0002"))
    assert elsewhere(path, "SELECT source FROM found_coverage") == [("batch",), ("batch",)]
    conclude(store, a_body(successful=[a_path(says())]))
    assert elsewhere(path, "SELECT source, member_id FROM found_coverage ORDER BY member_id") == [
        ("poll", "M0001"),
        ("batch", "M0002"),
    ]
    # The next body does not have it any more: then the batch alone tells of it.
    conclude(store, a_body(successful=[a_path(says(member="M0003"))]))
    assert elsewhere(path, "SELECT source, member_id FROM found_coverage ORDER BY member_id") == [
        ("batch", "M0001"),
        ("batch", "M0002"),
        ("poll", "M0003"),
    ]


def test_a_managed_care_plan_to_bill_is_found_coverage(store: Store, path: Path) -> None:
    read(store, says(INACTIVE))
    assert found(path) == []
    with store.write():
        store.execute("UPDATE answers SET managed_care = 'PLAN OF CARE'")
    assert elsewhere(path, "SELECT managed_care, coverage FROM found_coverage") == [("PLAN OF CARE", "inactive")]


def test_an_answer_tells_its_numbers_and_reasons(store: Store, path: Path) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(says())]))
    read(store, says(member="M0002"))
    columns = "begins, ends, managed_care, to_ask, rejections, warnings, trace_number, reference, account, provisional"
    told = ("", "", "", "", "", "", "OURS-1", "INQ-1", "", 0)
    assert elsewhere(path, f"SELECT {columns} FROM found_coverage") == [told, told]


@pytest.mark.sqlite
def test_the_views_are_read_by_a_reader_who_trusts_no_schema_and_may_not_write(store: Store, path: Path) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(says())]))
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as conn:
        conn.execute("PRAGMA trusted_schema = OFF")
        for view in ("found_coverage", "batch_answers", "published", "tasks_overview", "kept_results"):
            conn.execute(f"SELECT * FROM {view}").fetchall()


@pytest.mark.sqlite
@pytest.mark.parametrize("wanted", ["WHERE result IN (1, 2)", "WHERE id = 'a'", ""])
def test_what_belongs_to_an_answer_is_looked_up_by_an_index(store: Store, wanted: str) -> None:
    """Of 100,000 answers, none may be compared with every other."""
    plan = [row["detail"] for row in store.read(f"EXPLAIN QUERY PLAN SELECT * FROM found_coverage {wanted}")]
    scans = [line for line in plan if line.startswith("SCAN ") and line != "SCAN found_coverage"]
    outermost = {"SCAN answers USING INDEX answers_trace", "SCAN paths", "SCAN answers USING INDEX answers_set"}
    assert set(scans) == (set() if wanted else outermost)
    assert "TEMP B-TREE" not in " ".join(plan)
