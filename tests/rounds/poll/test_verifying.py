"""Callbacks that the vendor is to confirm: a concluded task is asked about once more."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.damaged_rows import damage
from tests.support.engine import text_of
from tests.support.poll_world import HOUR, NOW, Make, World, concluded, worlds
from worker.core.pacing.limiter import RateLimit
from worker.core.vendor.document import Document, read_document
from worker.core.vendor.reply import Concluded, Pending, RateLimited, Rejected, Reply, Unknown, Unreachable
from worker.gateways.http.pool import Job
from worker.store.conclude import conclude
from worker.store.opening import open_store
from worker.store.tasks import polling as tasks

MINUTE = 60_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    with worlds(tmp_path / "cdpoll.db") as make:
        yield make


def body(task_id: str, **more: Any) -> Document:
    content = json.loads(concluded(task_id).document.body) | more
    document = read_document(json.dumps(content).encode(), task_id)
    assert isinstance(document, Document)
    return document


def call_back(w: World, task_id: str, **more: Any) -> None:
    """What another process does with a callback for a task, which is to be confirmed."""
    with open_store(w.path) as other, other.write():
        row = other.one("SELECT seq FROM tasks WHERE id = :id", {"id": task_id})
        assert row is not None
        conclude(other, tasks.by_seq(other, [row["seq"]], 0)[row["seq"]], body(task_id, **more), "callback", w.now)
        other.execute(
            "UPDATE tasks SET callback_at = :now, verify_at = :now WHERE seq = :seq", {"now": w.now, "seq": row["seq"]}
        )


def events(w: World) -> list[str]:
    return [row["event"] for row in w.store.read("SELECT event FROM history ORDER BY seq")]


def called_back(world: Make, *replies: Reply, **how: Any) -> World:
    """A world in which task ``a`` was concluded by a callback, and these are the vendor's answers to polls of it."""
    w = world(lambda job, n: replies[min(n, len(replies)) - 1], **how)
    w.record("a")
    call_back(w, "a")
    return w


def test_the_same_body_confirms_it(world: Make) -> None:
    w = called_back(world, concluded("a"))
    w.until(NOW + HOUR)
    task = w.task("a")
    assert (task["verified"], task["verify_at"], task["polls"], task["state"]) == ("confirmed", None, 1, "concluded")
    assert w.count("SELECT count(*) FROM results") == w.count("SELECT count(*) FROM outbox") == 1
    assert events(w) == ["concluded", "callback_confirmed"]
    assert w.count("SELECT concluded_by = 'callback' FROM tasks") == 1


def test_a_body_that_has_realtime_too_is_the_same_and_kept(world: Make) -> None:
    w = called_back(world, Concluded(body("a", realTime={"id": "r", "name": "check"})))
    w.until(NOW + HOUR)
    assert w.task("a")["verified"] == "confirmed"
    assert w.count("SELECT count(*) FROM results") == 1
    assert w.count(f"SELECT {text_of('body')} LIKE '%realTime%' FROM results") == 1


def test_another_body_is_kept_beside_it_and_told(world: Make) -> None:
    w = called_back(world, Concluded(body("a", status="failure")))
    w.until(NOW + HOUR)
    assert w.task("a")["verified"] == "differs"
    assert [(row["source"], row["revision"]) for row in w.store.read("SELECT * FROM results ORDER BY seq")] == [
        ("callback", 1),
        ("poll", 2),
    ]
    assert events(w) == ["concluded", "revision", "callback_not_confirmed"]


def test_what_the_vendor_has_changed_and_delivered_again_is_no_mismatch(world: Make) -> None:
    w = called_back(world, Concluded(body("a", status="failure")))
    call_back(w, "a", status="failure")
    w.until(NOW + HOUR)
    assert w.task("a")["verified"] == "confirmed"
    assert w.count("SELECT count(*) FROM results") == 2


def test_one_that_is_delivered_anew_while_the_vendor_is_asked_is_no_mismatch(world: Make) -> None:
    w = called_back(world, concluded("a"), Concluded(body("a", status="failure")), takes=lambda job: 1_000)
    w.run()
    w.now += 500
    call_back(w, "a", status="failure")
    w.until(NOW + HOUR)
    assert (w.task("a")["verified"], w.task("a")["polls"]) == ("confirmed", 2)


def test_one_that_the_vendor_does_not_know_is_asked_for_a_while(world: Make) -> None:
    w = called_back(world, Unknown())
    w.until(NOW + 14 * MINUTE)
    assert 3 < w.task("a")["polls"] < 12
    assert w.task("a")["verified"] is None
    w.until(NOW + HOUR)
    assert w.task("a")["verified"] == "unknown"
    assert w.count("SELECT count(*) FROM history WHERE event = 'callback_not_confirmed'") == 1


def test_one_that_is_still_pending_there_is_confirmed_later(world: Make) -> None:
    w = called_back(world, Pending(), Pending(), concluded("a"))
    w.until(NOW + HOUR)
    task = w.task("a")
    assert (task["verified"], task["state"], task["outcome"]) == ("confirmed", "concluded", "success")
    assert task["polls"] == 3


def test_a_pause_of_the_api_puts_it_off_and_blames_nothing(world: Make) -> None:
    w = called_back(world, RateLimited("http_429", 5 * MINUTE), concluded("a"))
    w.until(NOW + 4 * MINUTE)
    assert w.task("a")["polls"] == 1
    w.until(NOW + HOUR)
    task = w.task("a")
    assert (task["verified"], task["failures"]) == ("confirmed", 0)


def test_a_failing_one_backs_off_and_is_visible(world: Make) -> None:
    w = called_back(world, Rejected("http_422"))
    w.until(NOW + HOUR)
    task = w.task("a")
    assert 4 < task["failures"] == task["polls"] < 15
    assert (task["last_error"], task["verified"]) == ("http_422", None)
    assert task["verify_at"] > NOW + HOUR
    assert w.count("SELECT coalesce(sum(n), 0) FROM tallies WHERE name IN ('error', 'failing')") == 0


def test_an_outage_is_told_from_it_and_ends(world: Make) -> None:
    w: World = world(lambda job, n: Unreachable("connect") if w.now < NOW + HOUR else concluded(job.task_id))
    w.record(*(f"t{n}" for n in range(8)))
    for n in range(8):
        call_back(w, f"t{n}")
    w.until(NOW + HOUR)
    assert w.count("SELECT count(*) FROM api WHERE reason = 'unreachable'") == 1
    w.until(NOW + 3 * HOUR)
    assert w.count("SELECT count(*) FROM tasks WHERE verified = 'confirmed'") == 8


def test_a_process_that_dies_loses_nothing(world: Make) -> None:
    w = called_back(world, concluded("a"), takes=lambda job: 10_000)
    w.run()
    assert len(w.asked) == 1
    claimed = w.task("a")
    assert claimed["verify_at"] == NOW + w.round.rules.lease_ms
    assert claimed["leased_until"] is None
    another = world(lambda job, n: concluded("a"))
    another.until(NOW + w.round.rules.lease_ms)
    assert another.asked == []
    another.until(NOW + HOUR)
    assert another.task("a")["verified"] == "confirmed"


def test_one_that_no_thread_began_is_due_again(world: Make) -> None:
    w = world(lambda job, n: concluded(job.task_id), size=2, ahead=None, takes=lambda job: 10)
    w.record(*(f"t{n:02}" for n in range(40)))
    for n in range(40):
        call_back(w, f"t{n:02}")
    for _ in range(2):
        w.run()
        for _ in range(2):
            w.now += 10
            w.land()
    w.run()
    waiting = w.pool.out - frozenset(w._flying)
    assert len(waiting) == 8
    w.script = lambda job, n: RateLimited("http_429", 120_000)
    w.now += 10
    w.land()
    w.run()
    back = waiting - frozenset(job.seq for job in w.asked)
    marks = ",".join(map(str, back))
    assert len(back) == 6
    assert w.count(f"SELECT count(*) FROM tasks WHERE seq IN ({marks}) AND verify_at = {w.now} AND polls = 0") == 6


def test_pending_tasks_of_the_same_time_come_first_and_neither_waits_for_ever(world: Make) -> None:
    order: list[str] = []

    def noted(job: Job, n: int) -> Reply:
        order.append(job.task_id)
        return concluded(job.task_id)

    w = world(noted, limit=RateLimit(1, 1), size=1)
    w.record(*(f"v{n}" for n in range(5)))
    for n in range(5):
        call_back(w, f"v{n}")
    w.store.execute("UPDATE tasks SET verify_at = :due", {"due": NOW + 12_000})
    w.record(*(f"p{n}" for n in range(5)))
    w.store.execute("UPDATE tasks SET due_at = :due WHERE state = 'pending'", {"due": NOW + 12_000})
    w.now = NOW + 12_000
    w.until(NOW + 30_000)
    assert [name[0] for name in order] == ["p"] * 5 + ["v"] * 5


def test_new_work_without_end_does_not_starve_it(world: Make) -> None:
    w = world(lambda job, n: Pending() if job.task_id[0] == "p" else concluded(job.task_id), limit=RateLimit(1, 1))
    w.record("v", *(f"p{n}" for n in range(200)))
    call_back(w, "v")
    w.until(NOW + 3 * MINUTE)
    assert w.task("v")["verified"] == "confirmed"


def test_polls_and_callbacks_of_the_same_tasks_make_one_result_each(world: Make) -> None:
    w = world(lambda job, n: concluded(job.task_id), takes=lambda job: 300)
    ids = [f"t{n}" for n in range(60)]
    w.record(*ids)
    w.now = NOW + 11_000
    for n, task_id in enumerate(ids):
        w.run()
        if n % 3 != 2:
            call_back(w, task_id)
        w.now += 100
        w.land()
    w.until(NOW + HOUR)
    assert w.count("SELECT count(*) FROM results") == w.count("SELECT count(*) FROM outbox") == 60
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 60
    assert w.count("SELECT count(*) FROM tasks WHERE verify_at IS NOT NULL") == 0
    assert w.count("SELECT count(*) FROM tasks WHERE verified = 'confirmed'") == 40


@pytest.mark.sqlite
@pytest.mark.parametrize("value", ["x\x01", b"A"])
@pytest.mark.parametrize("column", ["verify_at", "verified", "failures", "last_poll_at", "polls"])
def test_a_damaged_row_holds_up_no_other(world: Make, column: str, value: object) -> None:
    w = world(lambda job, n: concluded(job.task_id))
    w.record("bad", "good", "new")
    call_back(w, "bad")
    call_back(w, "good")
    damage(w.path, "bad", column, value)
    w.until(NOW + HOUR)
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 3
    assert w.count("SELECT count(*) FROM tasks WHERE verified = 'confirmed'") == 2
