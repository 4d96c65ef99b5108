"""Concluded tasks that a person should look at, and why."""

from typing import Any

import pytest

from tests.support.database import conclude, record
from tests.support.polled_bodies import ANOTHER_PAYER, INACTIVE, a_body, a_path, says
from worker.store.db.store import Store
from worker.store.views import review

MUTE = a_path(None, "processing_error", "RTCOB", "RT")
NONE = a_path(says(INACTIVE), "ineligible", "Commercial")
REJECTED = a_path(says(("AAA", "N", "", "72", "C")), "patient_unknown", "HMO", "87726")
UNFIT = {"id": "", "name": "Medicaid", "reason": "request does not meet path conditions"}
UNBUILT = {"id": "", "name": "Medicare", "reason": "error building request: missing date of birth"}

Story = list[tuple[str, list[tuple[str, str | None]]]]


def listed(store: Store, **narrowed: Any) -> Story:
    pages = review.review_pages(store, **narrowed)
    return [(row["id"], [(one["kind"], one["path"]) for one in row["review"]]) for page in pages for row in page]


def outcome_of(store: Store, task: str, **lists: Any) -> None:
    """Record a task and conclude it."""
    record(store, task)
    row = store.one("SELECT seq FROM tasks WHERE id = :id", {"id": task})
    assert row is not None
    conclude(store, a_body(task, **lists), row["seq"])


def test_what_is_listed_and_why(store: Store) -> None:
    outcome_of(store, "found", successful=[a_path(says())], unsuccessful=[MUTE, REJECTED])
    outcome_of(store, "none", status="failure", unsuccessful=[NONE], skipped=[UNFIT])
    outcome_of(store, "bare")
    outcome_of(store, "bare too", unsuccessful=[MUTE], skipped=[UNBUILT, UNFIT])
    outcome_of(store, "mute", status="failure", unsuccessful=[NONE, MUTE])
    outcome_of(store, "rejected", status="failure", unsuccessful=[REJECTED])
    outcome_of(store, "skipped", status="failure", skipped=[UNFIT, UNBUILT])
    outcome_of(store, "check", status="failure", real_time=says(("AAA", "N", "", "71", "N")), unsuccessful=[NONE])
    record(store, "pending")
    assert listed(store) == [
        ("bare", [("no_path", None)]),
        ("bare too", [("no_path", None), ("not_searched", "RTCOB"), ("skipped", "Medicare")]),
        ("mute", [("not_searched", "RTCOB")]),
        ("rejected", [("rejected", "HMO")]),
        ("skipped", [("skipped", "Medicare")]),
        ("check", [("rejected", "realTime")]),
    ]


def test_each_says_what_a_person_can_do(store: Store) -> None:
    outcome_of(store, "a", status="failure", unsuccessful=[MUTE, REJECTED])
    ((row,),) = review.review_pages(store)
    assert (row["state"], row["outcome"], row["refs"]) == ("concluded", "failure", [])
    mute, rejected = row["review"]
    assert mute == {
        "kind": "not_searched",
        "path": "RTCOB",
        "payer_id": "RT",
        "reason": "the inquiry could not be processed",
        "action": "check the provider's NPI and the patient's data of the inquiry, then send it again",
    }
    assert rejected == {
        "kind": "rejected",
        "path": "HMO",
        "payer_id": "87726",
        "reason": "member identification of the subscriber invalid or missing (72); correct and send again",
        "action": "check the member id; correct what is wrong and send the inquiry again, or ask the payer",
    }


def test_of_several_bodies_the_latest_counts(store: Store) -> None:
    outcome_of(store, "a")
    conclude(store, a_body(successful=[a_path(says())]), 1)
    outcome_of(store, "b", successful=[a_path(says())])
    conclude(store, a_body("b", status="failure", unsuccessful=[MUTE]), 2)
    assert listed(store) == [("b", [("changed", None), ("not_searched", "RTCOB")])]
    ((row,),) = review.review_pages(store)
    assert row["review"][0]["reason"] == "an earlier body says success, and the latest failure"
    assert "which of its answers holds" in row["review"][0]["action"]


def test_a_success_whose_271_says_otherwise_or_is_missing(store: Store) -> None:
    own = [a_path(says(INACTIVE), name="Medicare"), a_path(None, name="HMO"), a_path(says(), name="Commercial")]
    other = [a_path(says(*ANOTHER_PAYER), name="Medicaid")]
    outcome_of(store, "a", successful=own + other, unsuccessful=[REJECTED])
    kinds = [("271_says_otherwise", "Medicare"), ("no_271", "HMO"), ("rejected", "HMO")]
    assert listed(store) == [("a", kinds)]
    ((row,),) = review.review_pages(store)
    assert [(one["reason"], one["action"][:13]) for one in row["review"][:2]] == [
        ("listed as successful, but its 271 says inactive", "ask the payer"),
        ("listed as successful without a 271 that can be read", "ask the payer"),
    ]
    with store.write():
        store.execute("UPDATE results SET derived = NULL")
    assert listed(store) == []


def test_a_path_whose_payer_answered_was_searched_whatever_its_status(store: Store) -> None:
    answered = [a_path(says(INACTIVE), "payer_unavailable", "HMO"), a_path(says(), "processing_error", "Medicare")]
    refused = a_path(says(("AAA", "N", "", "42", "R")), "payer_unavailable", "Commercial")
    unknown = a_path(None, "payer_not_in_system", "RTCOB")
    outcome_of(store, "a", status="failure", unsuccessful=[*answered, refused, unknown])
    paths = [("not_searched", "Commercial"), ("not_searched", "RTCOB"), ("rejected", "Commercial")]
    assert listed(store) == [("a", paths)]


def test_by_ref_and_no_more_than_asked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "PAGE_ROWS", 2)
    for n in range(7):
        outcome_of(store, f"t{n}", **({} if n % 2 == 0 else {"successful": [a_path(says())]}))
    record(store, "t4", ref="R")
    record(store, "t5", ref="R")
    assert [task for task, _ in listed(store)] == ["t0", "t2", "t4", "t6"]
    assert [task for task, _ in listed(store, ref="R")] == ["t4"]
    assert [task for task, _ in listed(store, limit=3)] == ["t0", "t2", "t4"]


@pytest.mark.sqlite
def test_no_statement_reads_a_whole_table_or_sorts_the_tasks(store: Store, plans: list[str]) -> None:
    outcome_of(store, "a", status="failure", unsuccessful=[MUTE, REJECTED])
    plans.clear()
    assert len(listed(store)) == 1
    assert plans[0] == "SEARCH tasks USING INTEGER PRIMARY KEY (rowid>?)"
    assert plans[1].startswith("SEARCH results USING INDEX")
    assert not [line for line in plans if line.startswith("SCAN")]
