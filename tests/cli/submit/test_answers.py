"""Each way of submitting: what is sent, and what is recorded of the answer."""

import json
from pathlib import Path

import pytest

from sandbox import examples
from sandbox.account import Account
from sandbox.server import Sandbox
from tests.support.submitting import BEGINS, Submitting, check
from worker.clock import Clock


@pytest.fixture
def by(tmp_path: Path, sandbox: Sandbox) -> Submitting:
    return Submitting(tmp_path, sandbox)


def test_a_real_time_check_is_answered_and_all_that_it_began_is_recorded_for_each_ref(by: Submitting) -> None:
    told = by.told(check(), "--ref", "ACCT-1", "--ref", "ACCT-2", "--correlation-id", "c-1")
    assert (told["status"], told["correlation_id"], told["looked_for"]) == (200, "c-1", False)
    assert set(told["recorded"]) == by.begun == by.tasks
    assert len(by.begun) == 2
    assert told["answer"]["status"]["value"] == "patient_unknown"
    assert by.refs() == {(task, ref) for task in by.begun for ref in ("ACCT-1", "ACCT-2")}
    assert by.posts == [("", 200)]
    assert by.lookups == []
    assert {task.correlation_id for task in by.sandbox.tasks} == {"c-1"}
    rows = by.house.rows("SELECT source, correlation_id, trace_id, started_at IS NULL FROM tasks")
    assert set(rows) == {("submit", "c-1", told["trace_id"], 0)}


def test_what_is_printed_for_people(by: Submitting) -> None:
    ended = by.submit(check(), check=0)
    first, *_ = ended.text.splitlines()
    assert json.loads(first)["sourceType"] == "new"
    assert "the real-time check: the payer does not know the patient; " in ended.text
    assert all(f"recorded {task}" in ended.text for task in by.begun)
    assert ended.err == ""
    ended = by.submit(check(2, "NONE-ELIGIBLE"), check=0)
    assert "the real-time check: eligible; " in ended.text
    assert "no discovery was begun" in ended.text


def test_an_id_is_made_for_each_request_that_is_given_none(by: Submitting) -> None:
    ids = [by.told(check(n))["correlation_id"] for n in (1, 2)]
    assert len({*ids, *(task.correlation_id for task in by.sandbox.tasks)}) == 2


def test_a_270_is_wrapped_and_its_trace_number_and_patient_are_kept(by: Submitting) -> None:
    ask = examples.patient(6, 1, BEGINS)
    text = examples.real_time_x12_request(6, 1, BEGINS)["x12"]
    told = by.told(text, "--x12", "--ref", "R")
    assert by.posts == [("/real-time/x12", 200)]
    assert by.tasks == set(told["recorded"]) == by.begun
    rows = by.house.rows("SELECT trace_number, originator_id, member_id, birth_date FROM tasks")
    assert set(rows) == {(ask.trace_number, ask.originator_id, ask.member_id, ask.birth_date)}


def test_a_direct_discovery_of_several_tasks(by: Submitting) -> None:
    told = by.told(examples.discovery_request(3, 1, BEGINS), "--discovery", "--ref", "R")
    assert (told["status"], [one["status"] for one in told["items"]]) == (207, [202, 202])
    assert set(told["recorded"]) == {one["id"] for one in told["items"]} == by.begun
    assert by.refs() == {(task, "R") for task in by.begun}
    assert by.house.value("SELECT count(*) FROM tasks WHERE name IS NULL OR started_at IS NULL") == 0


def test_an_eligibility_request_becomes_that_of_a_discovery(by: Submitting) -> None:
    told = by.told(check(4, "ONE-MINUTES"), "--discovery")
    assert (told["status"], by.posts) == (202, [("/coverage-discovery", 202)])
    assert {told["answer"]["id"]} == set(told["recorded"]) == by.begun == by.tasks


def test_a_direct_discovery_of_a_270_and_its_271(by: Submitting) -> None:
    body = examples.discovery_x12_request(5, 1, BEGINS)
    answer = by.file(body["x12-271"], "answer")
    told = by.told(body["x12-270"], "--x12", "--discovery", "--x12-271", answer)
    assert by.posts == [("/coverage-discovery/x12", 207)]
    assert set(told["recorded"]) == by.begun == by.tasks


def test_what_of_a_207_was_refused_is_named(by: Submitting) -> None:
    told = by.told(examples.discovery_request(3, 1, "MINUTES-MIXED"), "--discovery", check=1)
    assert [one["status"] for one in told["items"]] == [202, 422]
    assert told["items"][1]["reason"].startswith("Unprocessable Resource")
    assert set(told["recorded"]) == by.begun == by.tasks
    assert by.lookups == []


def test_a_dry_run_begins_nothing(by: Submitting) -> None:
    told = by.told(check(5, "ONE-MINUTES"), "--discovery", "--dry-run")
    assert (told["status"], told["dry_run"], told["recorded"]) == (200, True, [])
    assert {one["name"] for one in told["answer"]["pending"]} >= {"Medicare"}
    assert "a dry run: nothing was begun" in by.submit(check(6), "--discovery", "--dry-run", check=0).text
    assert by.begun == by.tasks == set()
    by.sandbox.set_faults("502=1x@POST")
    ended = by.submit(check(5), "--discovery", "--dry-run", check=75)
    assert "it was a dry run, so nothing was begun" in ended.err
    assert by.lookups == []


def test_a_replayed_answer_names_a_known_task_which_gets_the_new_ref(by: Submitting) -> None:
    by.sandbox.set_faults("dedup")
    first = by.told(check(), "--ref", "A")
    again = by.told(check(), "--ref", "B")
    assert (again["recorded"], set(again["known"])) == ([], set(first["recorded"]))
    assert again["answer"]["sourceType"] == "duplicate"
    anew = by.told(check(), "--ref", "C", "--no-deduplication")
    assert set(anew["recorded"]).isdisjoint(first["recorded"])
    assert by.refs() >= {(task, ref) for task in first["recorded"] for ref in "AB"}


def test_subtenant_and_callback_go_out_as_configured_or_asked(tmp_path: Path) -> None:
    with Sandbox(Clock(), account=Account(subtenants=("clinic-7", "clinic-9"))) as sandbox:
        by = Submitting(
            tmp_path,
            sandbox,
            api_subtenant_id="clinic-7",
            callback_public_url="https://us.example/optum",
            callback_client_id="vendor",
        )
        by.told(check(1), "--discovery")
        by.told(check(2), "--discovery", "--subtenant", "clinic-9", "--no-callback")
        by.told(check(3), "--discovery", "--no-subtenant")
        by.told({"canonicalEligibilityRequest": check(4), "callbackUrl": "https://own.example/"}, "--discovery")
        by.told(check(5), "--discovery", "--subtenant", "clinic-8", check=77)
        assert by.house.rows("SELECT DISTINCT subtenant FROM tasks ORDER BY seq") == [
            ("clinic-7",),
            ("clinic-9",),
            (None,),
        ]
        urls = [task.callback_url for task in sandbox.tasks]
        ours = "https://us.example/optum/coverage-discovery/callback"
        assert urls == [ours, ours, "", "", ours, ours, "https://own.example/", "https://own.example/"]
        assert by.lookups == []
