"""What finished paths of a task have found that is still pending: seen at once, never an outcome, gone at the end."""

import json
from pathlib import Path
from typing import Any

from tests.support.batch_files import read
from tests.support.database import NOW, conclude, pending, record, task_of
from tests.support.engine import elsewhere
from tests.support.polled_bodies import ANOTHER_PAYER, INACTIVE, a_body, a_path, says
from worker.core.vendor.document import Document, read_document
from worker.store import outbox
from worker.store.conclude import keep_provisional
from worker.store.db.store import Store
from worker.store.views import report as story
from worker.store.views.found import found_pages

LATER = NOW + 30_000


def lines(store: Store, **narrowed: Any) -> list[tuple[Any, ...]]:
    keys = ("seq", "id", "ref", "payer", "path", "source", "provisional", "visible_at")
    return [tuple(line[key] for key in keys) for page in found_pages(store, **narrowed) for line in page]


def test_a_successful_path_is_seen_while_its_task_is_pending(store: Store, path: Path) -> None:
    record(store, "a", ref="one")
    record(store, "a", ref="two")
    pending(store, a_body(successful=[a_path(says())], pending=[{"name": "RTCOB"}]))
    early = [(None, "a", ref, "PLAN OF PLENTY", "Medicare", "poll", True, "2027-01-15T08:00:30Z") for ref in "12"]
    wanted = [(*one[:2], ref, *one[3:]) for one, ref in zip(early, ("one", "two"), strict=True)]
    assert lines(store) == wanted
    assert lines(store, task=1) == wanted
    assert lines(store, ref="two") == wanted[1:]
    assert lines(store, since_ms=LATER) == wanted
    assert lines(store, since_ms=LATER + 1) == []
    columns = "provisional, revision, outcome, coverage, path, source"
    assert elsewhere(path, f"SELECT {columns} FROM found_coverage") == [(1, 0, None, "active", "Medicare", "poll")]


def test_it_is_no_outcome_no_result_and_has_no_number(store: Store, path: Path) -> None:
    record(store, "a", ref="one")
    pending(store, a_body(successful=[a_path(says())]))
    record(store, "a", ref="late")
    assert elsewhere(path, "SELECT state, outcome, revisions FROM tasks_overview") == [("pending", None, 0)]
    assert elsewhere(path, "SELECT count(*) FROM kept_results") == [(0,)]
    assert outbox.after(store, 0, 9) == []
    told = story.show(store, "a", body=True)
    assert told is not None
    assert (told["outcome"], told["revisions"], told["body"]) == (None, 0, None)


def test_an_unsuccessful_path_is_seen_if_its_271_found_coverage(store: Store, path: Path) -> None:
    record(store, "a", "b")
    pending(store, a_body(unsuccessful=[a_path(says(INACTIVE), "ineligible"), a_path(None, "patient_unknown", "HMO")]))
    assert lines(store) == []
    found = a_path(says(*ANOTHER_PAYER), "ineligible", "RTCOB")
    pending(store, a_body("b", unsuccessful=[a_path(says(INACTIVE), "ineligible"), found]), 2)
    assert [(line[1], line[3], line[4]) for line in lines(store)] == [("b", "OVERDALE MUTUAL", "RTCOB")]


def test_the_real_time_answer_alone_is_not_early_coverage(store: Store) -> None:
    record(store, "a")
    assert pending(store, a_body(real_time=says())) == 0
    pending(store, a_body(real_time=says(), successful=[a_path(says(member="M7"))]))
    assert [line[4] for line in lines(store)] == ["Medicare"]


def test_the_same_again_costs_no_write_and_more_replaces_it(store: Store) -> None:
    record(store, "a")
    one, other = a_path(says()), a_path(says(member="M7"), name="HMO")
    unknown = a_path(None, "patient_unknown", "RTCOB")
    assert pending(store, a_body(successful=[one])) > 0
    assert pending(store, {**a_body(successful=[one], unsuccessful=[unknown]), "traceId": "new"}, now=LATER + 1) == 0
    assert pending(store, a_body(successful=[one, other]), now=LATER + 2) > 0
    assert pending(store, a_body(successful=[other, one]), now=LATER + 3) == 0
    assert sorted(line[4] for line in lines(store)) == ["HMO", "Medicare"]
    assert {line[-1] for line in lines(store)} == {"2027-01-15T08:00:30.002Z"}


def test_a_later_body_without_the_path_withdraws_it(store: Store) -> None:
    record(store, "a", "b")
    for task, number in (("a", 1), ("b", 2)):
        pending(store, a_body(task, successful=[a_path(says())]), number)
    pending(store, a_body("b", pending=[{"name": "Medicare"}]), 2)
    assert [line[1] for line in lines(store)] == ["a"]


def test_the_concluded_body_takes_its_place(store: Store, path: Path) -> None:
    record(store, "a", ref="one")
    pending(store, a_body(successful=[a_path(says())], pending=[{"name": "RTCOB"}]))
    conclude(store, a_body(successful=[a_path(says()), a_path(says(member="M7"), name="RTCOB")]))
    assert [(line[0], line[4], line[6]) for line in lines(store)] == [(1, "Medicare", False), (1, "RTCOB", False)]
    assert elsewhere(path, "SELECT revision FROM results") == [(1,)]
    assert elsewhere(path, "SELECT count(*) FROM texts") == [(2,)]
    assert [(one.number, one.ref, one.reason) for one in outbox.after(store, 0, 9)] == [(1, "one", "result")]


def test_it_is_gone_when_the_end_says_otherwise(store: Store, path: Path) -> None:
    record(store, "a")
    pending(store, a_body(successful=[a_path(says())]))
    conclude(store, a_body(status="failure", unsuccessful=[a_path(says(INACTIVE), "ineligible")]))
    assert lines(store) == []
    assert elsewhere(path, "SELECT count(*) FROM found_coverage") == [(0,)]


def test_a_pending_body_after_the_end_changes_nothing(store: Store) -> None:
    record(store, "a")
    conclude(store, a_body(successful=[a_path(says())]))
    assert pending(store, a_body(successful=[a_path(says(), name="Early")])) == 0
    assert [line[4] for line in lines(store)] == ["Medicare"]


def test_it_stays_with_a_task_that_was_abandoned(store: Store) -> None:
    record(store, "a")
    pending(store, a_body(successful=[a_path(says())]))
    with store.write():
        store.execute("UPDATE tasks SET state = 'abandoned', due_at = NULL")
    assert task_of(store, 1).state == "abandoned"
    assert [line[6] for line in lines(store)] == [True]


def test_a_batch_with_the_same_text_is_joined_to_the_task_and_is_the_same_answer(store: Store, path: Path) -> None:
    record(store, "a", ref="one")
    pending(store, a_body(successful=[a_path(says())]))
    assert read(store, says()).counts.matched == 1
    assert [(line[5], line[6]) for line in lines(store)] == [("poll", True)]
    conclude(store, a_body(status="failure", unsuccessful=[]))
    assert [(line[0], line[2], line[5], line[6]) for line in lines(store)] == [(1, "one", "batch", False)]


def test_before_its_271_is_read_the_line_says_so(store: Store) -> None:
    record(store, "a")
    body = json.dumps(a_body(status="pending", successful=[a_path(says())])).encode()
    document = read_document(body, None)
    assert isinstance(document, Document)
    with store.write():
        keep_provisional(store, {1: document.finished}, "poll", LATER)
    ((line,),) = found_pages(store)
    assert (line["provisional"], line["kind"]) == (True, "path")
    assert [one["code"] for one in line["warnings"]] == ["271_not_read_yet"]
