"""Where it is not known what a request began: it is never made again, and the lookup by its correlation id stays."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.held_vendor import HeldVendor
from tests.support.submitting import Submitting, check

REFS = ("--ref", "A", "--ref", "B", "--correlation-id", "c-1")
AWAITED = [("c-1", "A", "searching"), ("c-1", "B", "searching")]


@pytest.fixture
def by(tmp_path: Path, sandbox: Sandbox) -> Submitting:
    return Submitting(tmp_path, sandbox)


def stands(by: Submitting) -> None:
    """One request was made, the vendor has begun what it asked for, and the daemon can find it."""
    assert len(by.posts) == 1
    assert by.lookups == AWAITED
    assert by.tasks == set()
    assert {task.correlation_id for task in by.sandbox.tasks} == {"c-1"}
    assert len(by.begun) == 2
    due = by.house.rows("SELECT due_at - recorded_at FROM lookups")
    assert set(due) == {(180_000,)}  # not while the answer may still come


@pytest.mark.parametrize("fault", ["reset", "502", "redirect", "html", "empty", "not_object", "deep"])
def test_an_answer_that_tells_nothing_leaves_the_lookup(by: Submitting, fault: str) -> None:
    by.sandbox.set_faults(f"{fault}@/coverage-discovery")
    told = by.told(check(), "--discovery", *REFS, check=75)
    assert (told["looked_for"], told["recorded"]) == (True, [])
    stands(by)
    again = by.submit(check(), "--discovery", *REFS, check=65)
    assert "do not submit it again" in again.err
    stands(by)


def test_what_to_do_is_said(by: Submitting) -> None:
    by.sandbox.set_faults("reset@/coverage-discovery")
    ended = by.submit(check(), "--discovery", *REFS, check=75)
    assert ended.text.startswith("no answer; correlation id c-1\n")
    assert ended.err.splitlines() == [
        "cdpoll: the connection ended before the answer did: what the request began is not known",
        "        do not submit it again: the daemon looks for it by its correlation id c-1 (`cdpoll lookups list`)",
    ]


def test_a_server_error_is_unclear_too(by: Submitting) -> None:
    by.sandbox.set_faults("503@/coverage-discovery")
    by.told(check(), "--discovery", *REFS, check=75)
    assert (len(by.posts), by.lookups) == (1, AWAITED)


def test_an_answer_of_another_tenant_is_neither_recorded_nor_shown(by: Submitting) -> None:
    by.house.write(api_tenant_id=by.sandbox.account.tenant_id)
    by.sandbox.set_faults("wrong_tenant@/coverage-discovery")
    told = by.told(check(), "--discovery", *REFS, check=75)
    assert told["answer"] is None
    stands(by)


def test_a_killed_command_leaves_the_lookup(by: Submitting) -> None:
    with HeldVendor(by.sandbox, "POST") as vendor:
        process = by.start(check(), *REFS)
        vendor.wait_for(1)
        assert by.lookups == AWAITED  # before the answer
        process.kill()
        process.wait()
    stands(by)


def test_one_that_is_killed_between_answer_and_commit_leaves_it_too(by: Submitting) -> None:
    with closing(sqlite3.connect(by.house.database, isolation_level=None)) as other:
        with HeldVendor(by.sandbox, "POST") as vendor:
            process = by.start(check(), *REFS)
            vendor.wait_for(1)
            other.execute("BEGIN IMMEDIATE")
        by.house.cdpoll("status", check=0)  # meanwhile it has heard the answer, or will in a moment
        process.kill()
        process.wait()
        other.execute("ROLLBACK")
    stands(by)


def test_an_interrupted_command_says_so(by: Submitting) -> None:
    with HeldVendor(by.sandbox, "POST") as vendor:
        process = by.start(check(), *REFS)
        vendor.wait_for(1)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    assert "interrupted before the answer came: what the request began is not known" in by.house.log.read_text()
    stands(by)


def test_an_answer_that_cannot_be_recorded_is_printed_and_looked_for(by: Submitting) -> None:
    by.house.rows("CREATE TRIGGER broken BEFORE INSERT ON tasks BEGIN SELECT raise(ABORT, 'broken'); END")
    told = by.told(check(), *REFS, check=74)
    assert (told["status"], told["recorded"], told["looked_for"]) == (200, [], True)
    stands(by)


def test_the_tasks_in_the_head_are_recorded_though_the_body_is_cut(by: Submitting) -> None:
    by.sandbox.set_faults("cut")
    told = by.told(check(), *REFS, check=1)
    assert set(told["recorded"]) == by.begun == by.tasks
    assert told["notes"] == ["the body of the answer came damaged: the connection ended before the answer did"]
    assert (len(by.posts), by.lookups) == (1, [])


def test_of_a_207_that_is_cut_the_whole_items_are_recorded_and_the_others_looked_for(by: Submitting) -> None:
    by.sandbox.set_faults("truncated@/coverage-discovery")
    told = by.told(check(), "--discovery", *REFS, check=1)
    assert len(told["recorded"]) == 1
    assert told["looked_for"]
    assert by.tasks < by.begun
    assert by.house.rows("SELECT DISTINCT state, due_at IS NULL FROM lookups") == [("found", 0)]  # still searched


def test_a_link_that_cannot_be_read_is_kept_and_its_tasks_are_looked_for(by: Submitting) -> None:
    by.sandbox.set_faults("link_unreadable")
    told = by.told(check(), *REFS, check=1)
    assert (told["status"], told["recorded"], told["looked_for"]) == (200, [], True)
    assert told["unreadable"]
    assert by.house.rows("SELECT DISTINCT ref FROM unreadable ORDER BY ref") == [("A",), ("B",)]
    stands(by)


def test_a_callback_or_another_recording_meanwhile_does_no_harm(by: Submitting) -> None:
    with HeldVendor(by.sandbox, "POST") as vendor:
        process = by.start(check(), *REFS)
        vendor.wait_for(1)
        by.house.cdpoll("record", *by.begun, "--correlation-id", "c-1", check=0)
        vendor.let_go()
        assert process.wait() == 0
    assert by.lookups == []
    assert by.refs() == {(task, ref) for task in by.begun for ref in "AB"}
