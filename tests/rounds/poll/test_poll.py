"""The poll round: what is due is asked, what comes is saved, and nothing is lost."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import changed_rows, locked
from tests.support.poll_world import HOUR, NOW, Make, breaking_at, concluded, concludes, worlds
from tests.support.polled_bodies import a_body, a_path, says
from worker.core.errors import TryLater
from worker.core.instant import FAR
from worker.core.pacing.claim_order import CANDIDATE_ROWS
from worker.core.task import Task
from worker.core.vendor.document import Document, read_document
from worker.core.vendor.reply import Concluded, Garbled, Pending
from worker.gateways.http.pool import Job
from worker.rounds.ingest.deriving import derive_missing
from worker.rounds.poll import poll
from worker.store.conclude import conclude
from worker.store.db.store import Store


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    with worlds(tmp_path / "cdpoll.db") as make:
        yield make


# --- claiming and saving


def test_what_is_due_is_asked_saved_once_and_never_asked_again(world: Make) -> None:
    w = world(concludes)
    w.record("a", "b", "c")
    w.until(NOW + HOUR)
    assert sorted(job.task_id for job in w.asked) == ["a", "b", "c"]
    assert w.count("SELECT count(*) FROM results") == 3
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded' AND outcome = 'success'") == 3
    assert not w.round.busy
    assert w.run() == FAR


def test_what_a_path_has_found_is_kept_once_while_the_task_is_pending(world: Make) -> None:
    early = read_document(json.dumps(a_body(status="pending", successful=[a_path(says())])).encode(), "a")
    assert isinstance(early, Document)
    w = world(lambda job, n: Pending(early) if n < 5 else concluded("a"))
    w.record("a")
    w.until(NOW + 60_000)
    assert w.task("a")["polls"] > 1
    assert w.count("SELECT count(*) FROM results") == 1
    assert w.count("SELECT revision FROM results") == 0
    assert w.count("SELECT received_at - recorded_at FROM results JOIN tasks ON tasks.seq = task") < 15_000, "the first"
    w.until(NOW + HOUR)
    assert w.count("SELECT count(*) FROM results") == 1
    assert w.count("SELECT revision FROM results") == 1


@pytest.mark.parametrize(("at_once", "reasons"), [(poll.READ_AT_ONCE_BYTES, ["result"]), (0, ["result", "read"])])
def test_coverage_is_visible_under_the_first_number_unless_bodies_are_large(
    world: Make, monkeypatch: pytest.MonkeyPatch, at_once: int, reasons: list[str]
) -> None:
    monkeypatch.setattr(poll, "READ_AT_ONCE_BYTES", at_once)
    body = read_document(json.dumps(a_body(successful=[a_path(says())])).encode(), "a")
    assert isinstance(body, Document)
    w = world(lambda job, n: Concluded(body))
    w.record("a")
    w.until(NOW + HOUR)
    assert w.count("SELECT count(*) FROM answers") == (1 if at_once else 0)
    derive_missing(w.store, NOW)
    assert [row["reason"] for row in w.store.read("SELECT reason FROM outbox ORDER BY last")] == reasons


def test_the_lease_is_on_the_disk_before_the_request_is_sent(world: Make) -> None:
    seen: list[tuple[int, int]] = []
    w = world(concludes)

    def peek(job: Job) -> None:
        seen.append((w.task(job.task_id)["leased_until"], job.asked_at + w.round.rules.lease_ms))

    w.before_sending = peek
    w.record(*(f"t{n}" for n in range(9)))
    w.until(NOW + 60_000)
    assert len(seen) == 9
    assert all(leased == until for leased, until in seen)


def test_a_task_under_way_is_not_asked_for_again_however_long_it_takes(world: Make) -> None:
    w = world(concludes, takes=lambda job: 25_000)
    w.record("a")
    w.until(NOW + 25_000)
    assert len(w.asked) == 1
    assert w.round.busy
    w.until(NOW + HOUR)
    assert len(w.asked) == 1


def test_tasks_under_way_whose_leases_have_run_out_take_no_place_of_others(world: Make) -> None:
    """A clock set forward ends all leases, and `cdpoll poll` ends some."""
    many = CANDIDATE_ROWS
    w = world(concludes, size=2 * many, takes=lambda job: 29_000)
    w.record(*(f"t{n}" for n in range(many)))
    w.now += 15_000
    w.run()
    assert len(w.asked) == many
    with w.store.write():
        w.store.execute("UPDATE tasks SET leased_until = NULL")
    w.record("late")
    w.now += 15_000
    w.run()
    assert [job.task_id for job in w.asked[many:]] == ["late"]


def test_after_a_crash_the_row_falls_due_again(world: Make, tmp_path: Path) -> None:
    first = world(concludes)
    first.record("a")
    first.now += 15_000
    first.run()
    assert len(first.asked) == 1  # and then its process dies: the answer is never saved
    second = world(concludes)
    second.now = first.now
    second.until(second.now + second.round.rules.lease_ms - 1)
    assert second.asked == []
    second.until(second.now + 1_000)
    assert [job.task_id for job in second.asked] == ["a"]
    assert second.task("a")["state"] == "concluded"


def test_no_more_under_way_than_there_are_threads(world: Make) -> None:
    most = 0
    w = world(concludes, size=3, takes=lambda job: 1000)

    def count(job: Job) -> None:
        nonlocal most
        most = max(most, len(w.pool.out))

    w.before_sending = count
    w.record(*(f"t{n}" for n in range(20)))
    w.until(NOW + 60_000)
    assert most == 3
    assert len(w.asked) == 20


def test_tasks_recorded_meanwhile_are_found(world: Make) -> None:
    w = world(concludes)
    w.record("early")
    w.until(NOW + 60_000)
    assert w.run() == FAR
    w.record("late")
    assert NOW < w.run() < w.now + 12_000
    w.until(NOW + 120_000)
    assert w.task("late")["state"] == "concluded"


def test_one_pass_leaves_what_fell_due_later_and_does_not_spin_for_it(world: Make) -> None:
    w = world(concludes, takes=lambda job: 20_000)
    w.record("early")
    w.now += 2_000
    w.record("late")
    w.now += 9_900
    cutoff = w.now
    w.run(due_by=cutoff)
    assert [job.task_id for job in w.asked] == ["early"]
    w.now += 5_000
    assert w.run(due_by=cutoff) > w.now
    assert [job.task_id for job in w.asked] == ["early"]


def test_a_pass_over_some_tasks_leaves_the_others_and_does_not_spin_for_them(world: Make) -> None:
    w = world(concludes, takes=lambda job: 20_000)
    w.record("wanted", "other", "another")
    w.now += 15_000
    w.round.only = frozenset({1})
    w.run(due_by=w.now)
    for _ in range(3):
        w.now += 1_000
        before = changed_rows(w.store)
        assert w.run(due_by=w.now) > w.now
        assert changed_rows(w.store) == before
    assert [job.task_id for job in w.asked] == ["wanted"]
    assert not w.round.only


def test_on_the_way_out_nothing_new_is_asked_and_what_comes_is_saved(world: Make) -> None:
    w = world(concludes, takes=lambda job: 1000)
    w.record("a", "b", "c", "d", "e")
    w.now += 15_000
    w.run()
    assert len(w.asked) == 4
    w.now += 1000
    w.land()
    w.run(claim=False)
    assert len(w.asked) == 4
    assert not w.round.busy
    assert w.count("SELECT count(*) FROM results") == 4


# --- when the database cannot be written


@pytest.mark.parametrize("how", ["IMMEDIATE", "EXCLUSIVE"])
def test_what_was_heard_is_kept_while_the_database_cannot_be_written(world: Make, how: str) -> None:
    w = world(concludes, timeout=0)
    w.record("a", "b")
    w.now += 15_000
    w.run()
    w.record("c")
    w.now += 15_000
    w.land()
    for _ in range(3):
        with locked(w.path, how), pytest.raises(TryLater):
            w.round.run(w.now, w.now)
        assert w.round.busy
        assert len(w.asked) == 2
    assert w.count("SELECT count(*) FROM results") == 0
    w.run()
    assert w.count("SELECT count(*) FROM results") == 2
    assert w.round.own.usable == 2
    assert w.task("a")["polls"] == 1
    assert [job.task_id for job in w.asked[2:]] == ["c"]


def test_what_was_heard_long_ago_is_saved_before_its_row_is_asked_for_again(world: Make) -> None:
    w = world(concludes, timeout=0)
    w.record("a")
    w.now += 15_000
    w.run()
    w.land()
    w.now += HOUR  # the lease is long over
    w.land()
    with locked(w.path, "IMMEDIATE"), pytest.raises(TryLater):
        w.round.run(w.now, w.now)
    w.until(w.now + HOUR)
    assert len(w.asked) == 1
    assert w.count("SELECT count(*) FROM results") == 1


def test_the_body_of_an_unknown_status_is_kept_once_and_the_task_is_polled_on(world: Make) -> None:
    body = b'{"id": "new", "status": "archived"}'
    w = world(lambda job, n: Garbled("unknown_status", body) if n < 3 else concludes(job, n))
    w.record("new")
    w.until(NOW + 24 * HOUR)
    assert w.count("SELECT count(*) FROM bodies WHERE task = 1 AND reason = 'unknown_status' AND source = 'poll'") == 1
    assert w.task("new")["state"] == "concluded"
    assert w.task("new")["polls"] == 3


def test_a_reply_that_breaks_our_own_code_holds_up_no_other(world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(store: Store, task: Task, *rest: Any) -> Any:
        if task.id == "bad":
            raise ZeroDivisionError("a name that nobody may see")
        return conclude(store, task, *rest)

    monkeypatch.setattr("worker.rounds.poll.writing.conclude", breaks)
    w = world(concludes)
    w.record("good-1", "bad", "good-2")
    w.until(NOW + 15_000)
    assert [w.task(task_id)["state"] for task_id in ("good-1", "bad", "good-2")] == [
        "concluded",
        "pending",
        "concluded",
    ]
    said = [fields for event, fields in w.log.lines if event.startswith("a fault in cdpoll itself")]
    assert [fields["task"] for fields in said] == ["bad"]
    assert "nobody may see" not in str(w.log.lines)
    bad = w.task("bad")
    assert (bad["failures"], bad["last_error"], bad["reason"]) == (1, "internal", "backoff")
    assert bad["due_at"] > w.now
    w.until(NOW + HOUR)
    assert len([job for job in w.asked if job.task_id == "bad"]) < 12, "its own backoff, and not the lease, paces it"


def test_a_row_that_cannot_be_planned_anew_holds_up_no_other(world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    w = world(concludes, delay_per_request_ms=20_000)
    breaking_at(monkeypatch, w, "replan", "bad")
    w.record("good-1", "bad", "good-2")
    w.until(NOW + HOUR)
    assert [w.task(task_id)["state"] for task_id in ("good-1", "bad", "good-2")] == ["concluded"] * 3


def test_a_row_whose_next_poll_cannot_be_planned_fails_with_a_backoff(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = world(lambda job, n: Pending(), delay_per_request_ms=20_000)
    breaking_at(monkeypatch, w, "plan", "bad")
    w.record("good-1", "bad", "good-2")
    w.until(NOW + HOUR)
    assert [w.task(task_id)["failures"] > 3 for task_id in ("good-1", "bad", "good-2")] == [False, True, False]
    assert (w.task("bad")["last_error"], w.task("bad")["reason"]) == ("internal", "backoff")
