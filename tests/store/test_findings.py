"""What came of a task, in a person's words: the headline over polled results, early ones and answers of batches."""

from typing import Any

import pytest

from tests.support.batch_files import read
from tests.support.database import NOW, conclude, concluded, pending, record, task_of
from tests.support.polled_bodies import ANOTHER_PAYER, INACTIVE, a_body, a_path, says
from worker.store.conclude import conclude as conclude_task
from worker.store.db.store import Store
from worker.store.views.report import show

ACTIVE_TOLD = "PLAN OF PLENTY (PAY), member M0001"


def told(store: Store, task: str = "a") -> dict[str, Any]:
    found = show(store, task)
    assert found is not None
    return found


def headline(store: Store, document: dict[str, Any]) -> str:
    record(store, "a", ref="r1")
    record(store, "a", ref="r2")
    conclude(store, document)
    return str(told(store)["headline"])


MUTE = a_path(None, "processing_error", "RTCOB")
AWAY = a_path(None, "payer_unavailable", "HMO")
NONE = a_path(says(INACTIVE), "ineligible", "Commercial")
OTHER = a_path(says(*ANOTHER_PAYER), "ineligible", "HMO")
SKIPPED = {"id": "", "name": "Medicaid", "reason": "parent path (Commercial) conditions not met"}

SUCCESSES: dict[str, tuple[Any, str]] = {
    "one": (a_body(successful=[a_path(says())]), f"coverage found: {ACTIVE_TOLD}"),
    "two": (
        a_body(successful=[a_path(says()), a_path(says(member="M2"), name="HMO")]),
        f"coverage found: {ACTIVE_TOLD}; and 1 more below",
    ),
    "twice the same": (
        a_body(successful=[a_path(says()), a_path(says(control="2"), name="HMO")], unsuccessful=[MUTE]),
        f"coverage found: {ACTIVE_TOLD}",
    ),
    "without a 271": (
        a_body(successful=[a_path()]),
        "coverage found: Medicare (PAY), without a 271 that can be read",
    ),
    "with a 271 that says otherwise": (
        a_body(successful=[a_path(says(INACTIVE))]),
        "coverage found: PLAN OF PLENTY (PAY), member M0001, but its 271 tells of no coverage",
    ),
    "no path": (a_body(), "the vendor says success and names no path that found coverage"),
    "skipped alone": (
        a_body(skipped=[SKIPPED], unsuccessful=[MUTE]),
        "the vendor says success and names no path that found coverage; 1 of 1 paths gave no answer",
    ),
    "no path, but another payer": (
        a_body(unsuccessful=[OTHER]),
        "the vendor says success and names no path that found coverage, "
        "but HMO's answer names another payer: OVERDALE MUTUAL (OVER1)",
    ),
}


@pytest.mark.parametrize("case", SUCCESSES)
def test_the_headline_of_a_success(store: Store, case: str) -> None:
    document, wanted = SUCCESSES[case]
    assert headline(store, document) == wanted


def failed(**lists: Any) -> Any:
    return a_body(status="failure", **lists)


FAILURES: dict[str, tuple[Any, str]] = {
    "nothing": (failed(unsuccessful=[NONE]), "no coverage found"),
    "silent": (failed(unsuccessful=[NONE, MUTE, AWAY]), "no coverage found; 2 of 3 paths gave no answer"),
    "skipped alone": (failed(skipped=[SKIPPED]), "no coverage found; no path was searched"),
    "real-time": (
        failed(real_time=says(), unsuccessful=[NONE]),
        "no further coverage; the real-time check said eligible (PLENTY)",
    ),
    "real-time, whose 271 says otherwise": (
        failed(real_time=says(INACTIVE), unsuccessful=[NONE]),
        "no further coverage; the real-time check said eligible, but its 271 says inactive",
    ),
    "real-time, and silent": (
        failed(real_time=says(), unsuccessful=[NONE, AWAY]),
        "no further coverage; the real-time check said eligible (PLENTY); 1 of 2 paths gave no answer",
    ),
    "another payer": (
        failed(unsuccessful=[OTHER, NONE]),
        "no coverage found by the discovery, but HMO's answer names another payer: OVERDALE MUTUAL (OVER1)",
    ),
    "real-time and another payer": (
        failed(real_time=says(), unsuccessful=[OTHER]),
        "no further coverage; the real-time check said eligible (PLENTY); "
        "but HMO's answer names another payer: OVERDALE MUTUAL (OVER1)",
    ),
    "a path that is listed as eligible all the same": (
        failed(successful=[a_path()]),
        "no coverage found by the discovery, but Medicare is listed as eligible: Medicare (PAY)",
    ),
    "an active answer": (
        failed(unsuccessful=[a_path(says(), "ineligible")]),
        "no coverage found by the discovery, but Medicare's answer says active: PLAN OF PLENTY (PAY)",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_the_headline_of_a_failure(store: Store, case: str) -> None:
    document, wanted = FAILURES[case]
    assert headline(store, document) == wanted


def test_the_status_of_the_real_time_check_counts_without_a_271(store: Store) -> None:
    document = failed(unsuccessful=[NONE])
    document["realTime"] = {"name": "x", "transaction": {"status": "eligibile", "chcPayerId": "87726"}}
    assert headline(store, document) == "no further coverage; the real-time check said eligible (87726)"
    check = {"name": "x", "status": "eligibile", "payer_id": "87726", "transaction_id": None, "coverage": None}
    assert told(store)["real_time"] == check


@pytest.mark.parametrize("empty", [{}, None, "", [], {"transaction": {}}])
def test_an_empty_real_time_says_nothing(store: Store, empty: Any) -> None:
    document = failed(unsuccessful=[NONE]) | {"realTime": empty}
    assert headline(store, document) == "no coverage found"


def test_a_result_whose_271_is_still_to_be_read_says_so(store: Store) -> None:
    record(store, "a")
    with store.write():
        conclude_task(store, task_of(store, 1), concluded(a_body(successful=[a_path(says())])).document, "poll", NOW)
    assert told(store)["headline"] == "coverage found: Medicare (PAY), whose 271 is still to be read"


# --- before the end


def test_the_headline_of_a_task_that_goes_on(store: Store) -> None:
    record(store, "a")
    assert told(store)["headline"] == "still searching; not polled yet"
    with store.write():
        store.execute("UPDATE tasks SET polls = 2")
    assert told(store)["headline"] == "still searching"
    with store.write():
        store.execute("UPDATE tasks SET last_error = 'timeout'")
    assert told(store)["headline"] == "still searching; the last poll brought nothing usable (timeout)"
    with store.write():
        store.execute("UPDATE tasks SET state = 'abandoned', due_at = NULL")
    assert told(store)["headline"] == "abandoned: cdpoll asks no more, and what came of it is not known"


def test_early_coverage_is_told_as_early(store: Store) -> None:
    record(store, "a")
    record(store, "b")
    pending(store, a_body(successful=[a_path(says())], unsuccessful=[OTHER], pending=[{"name": "RTCOB"}]))
    early = f"early (provisional) coverage: {ACTIVE_TOLD}; and 1 more below"
    assert told(store)["headline"] == f"still searching; {early}"
    with store.write():
        store.execute("UPDATE tasks SET state = 'abandoned', due_at = NULL")
    assert told(store)["headline"].endswith(f"what came of it is not known; {early}")
    assert told(store)["latest"]["revision"] == 0
    assert told(store)["revisions"] == 0
    pending(store, a_body("b", successful=[a_path(says())], real_time=says(control="9")), 2)
    assert "early (provisional)" in told(store, "b")["headline"]


TRACED: dict[str, Any] = {"trace_number": "OURS-1", "originator_id": "9000000001", "member_id": "M0001"}


def test_a_batch_tells_of_coverage_before_the_end(store: Store) -> None:
    record(store, "a", **TRACED)
    assert read(store, says(), "nightly.x12").counts.matched == 1
    said = "the batch file nightly.x12 says active: PLAN OF PLENTY (PLENTY)"
    assert told(store)["headline"] == f"still searching; {said}"
    conclude(store, failed(unsuccessful=[NONE]))
    assert told(store)["headline"] == f"no coverage found by the discovery, but {said}"


def test_an_answer_of_a_batch_that_stands_in_the_body_is_the_same_answer(store: Store) -> None:
    record(store, "a", **TRACED)
    read(store, says())
    assert [one["in_result"] for one in told(store)["batch_answers"]] == [False]
    conclude(store, a_body(successful=[a_path(says())]))
    after = told(store)
    assert after["headline"] == f"coverage found: {ACTIVE_TOLD}"
    assert [one["in_result"] for one in after["batch_answers"]] == [True]
    assert [one["source"] for one in after["found"]] == ["poll"]


# --- the parts below


def test_what_was_not_searched_is_the_same_as_in_the_list_for_review(store: Store) -> None:
    answered = a_path(says(), "payer_unavailable", "Medicare")
    refused = a_path(says(("AAA", "N", "", "42", "R")), "payer_unavailable", "Commercial")
    record(store, "a")
    conclude(store, failed(unsuccessful=[answered, refused, a_path(None, "payer_not_in_system", "HMO")]))
    found = told(store)
    assert [one["name"] for one in found["not_searched"]] == ["Commercial", "HMO"]
    assert found["headline"].endswith("; 1 of 3 paths gave no answer")


def test_what_was_searched_and_what_was_not(store: Store) -> None:
    rejected = says(("AAA", "N", "", "72", "C"))
    record(store, "a")
    conclude(store, failed(unsuccessful=[a_path(rejected, "ineligible", "HMO"), MUTE], skipped=[SKIPPED]))
    found = told(store)
    assert [(one["name"], one["status"]) for one in found["not_searched"]] == [("RTCOB", "processing_error")]
    (answer,) = found["answers"]
    assert (answer["list"], answer["position"], answer["path"]) == ("unsuccessful", 0, "HMO")
    assert answer["rejections"] == [
        {
            "code": "72",
            "text": "member identification of the subscriber invalid or missing",
            "follow_up": "C",
            "follow_up_text": "correct and send again",
        }
    ]
    assert found["patients"] == [{"last_name": "HOLDER", "first_name": "ANN", "birth_date": "1970-02-03"}]


def test_of_several_bodies_the_latest_is_told(store: Store) -> None:
    record(store, "a")
    conclude(store, failed(unsuccessful=[NONE]))
    conclude(store, a_body(successful=[a_path(says())]))
    found = told(store)
    assert found["headline"] == f"coverage found: {ACTIVE_TOLD}"
    assert [one["list"] for one in found["paths"]] == ["successful"]
    assert (found["outcome"], found["revisions"]) == ("failure", 1)
    assert (found["latest"]["revision"], found["latest"]["outcome"]) == (2, "success")
