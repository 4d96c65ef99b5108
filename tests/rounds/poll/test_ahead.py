"""Jobs handed out ahead: taken back when the API rests, given up when they lie too long, and never lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.poll_world import HOUR, NOW, Make, World, concluded, concludes, worlds
from worker.core.vendor.reply import Pending, RateLimited, Reply
from worker.gateways.http.pool import Job
from worker.rounds.poll.poll import AHEAD_AGAIN_MS, STALE_JOB_MS
from worker.store.state import api


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    with worlds(tmp_path / "cdpoll.db") as make:
        yield make


def warm(w: World, *, size: int = 2) -> list[str]:
    """Have the pool take jobs ahead; ``size`` polls are under way, and eight more lie there."""
    names = [f"t{n:02}" for n in range(40)]
    w.record(*names)
    w.now += 15_000
    for _ in range(2):
        w.run()
        for _ in range(2):
            w.now += 10
            w.land()
    w.run()
    assert len(w.pool.out) == size + 4 * size
    assert w.pool.waiting
    return names


def ahead(w: World) -> frozenset[int]:
    """The rows that are handed out and not begun."""
    return w.pool.out - frozenset(w._flying)


def test_while_jobs_lie_there_the_round_comes_again_soon(world: Make) -> None:
    w = world(concludes, size=2, ahead=None, takes=lambda job: 10)
    warm(w)
    assert w.run() <= w.now + AHEAD_AGAIN_MS


def test_a_pause_takes_back_what_was_handed_out_ahead_and_nothing_of_it_is_sent(world: Make) -> None:
    w = world(concludes, size=2, ahead=None, takes=lambda job: 10)
    warm(w)
    waiting = ahead(w)
    assert len(waiting) == 8
    flying = list(w._flying)
    w.script = lambda job, n: RateLimited("http_429", 120_000)
    before = len(w.asked)
    first = flying[0]
    w._flying[flying[1]] = (w.now + 60_000, w._flying[flying[1]][1])  # the other answer takes its time
    w.now += 10
    assert w.land() == 1
    begun = frozenset(job.seq for job in w.asked[before:])
    w.run()
    assert api.get(w.store).breaker.paused
    assert len(w.pool.out) == 2, "those that a thread has begun"
    back = waiting - begun
    rows = {row["seq"]: row for row in w.store.read("SELECT seq, due_at, reason, polls, failures FROM tasks")}
    assert len(back) == 7
    for seq in back:
        assert tuple(rows[seq])[2:] == ("first", 0, 0)
        assert rows[seq]["due_at"] <= w.now, "as it was before"
    assert (rows[first]["due_at"], rows[first]["reason"], rows[first]["failures"]) == (w.now, "again", 0)
    asked = len(w.asked)
    w.until(w.now + 100_000)
    assert len(w.asked) == asked
    w.script = concludes
    w.until(w.now + HOUR)
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded' AND failures = 0") == 40
    assert w.count("SELECT count(*) FROM results") == 40


def test_what_lies_there_too_long_falls_due_again_and_only_its_moment_is_lost(world: Make) -> None:
    w = world(concludes, size=2, ahead=None, takes=lambda job: 10)
    warm(w)
    waiting = ahead(w)
    w.takes = lambda job: 20_000
    for seq, (_, landed) in list(w._flying.items()):
        w._flying[seq] = (w.now + 20_000, landed)
    spent = api.get(w.store).limiter.spent
    w.now += STALE_JOB_MS
    w.run()
    assert ahead(w) == waiting
    w.now += 1
    w.run()
    assert ahead(w) == frozenset()
    rows = w.store.read(
        "SELECT seq FROM tasks WHERE leased_until IS NULL AND reason = 'first' AND due_at <= :now", {"now": w.now}
    )
    assert {row["seq"] for row in rows} >= waiting
    assert api.get(w.store).limiter.spent == spent - len(waiting), "no request was made"
    w.until(w.now + HOUR)
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 40
    assert len(w.asked) == 40
    assert api.get(w.store).limiter.spent == 40


def test_of_a_pass_over_some_tasks_what_was_given_back_is_asked_about_again(world: Make) -> None:
    w = world(concludes, size=2, ahead=None, takes=lambda job: 10)
    w.round.only = frozenset(range(1, 31))
    warm(w)
    waiting = ahead(w)
    w.takes = lambda job: 2_000
    for seq, (_, landed) in list(w._flying.items()):
        w._flying[seq] = (w.now + 2_000, landed)
    w.now += STALE_JOB_MS + 1
    w.run()
    assert w.round.only >= waiting
    w.until(w.now + 60_000)
    assert {job.seq for job in w.asked} == set(range(1, 31))
    assert not w.round.only


def test_on_the_way_out_they_are_given_back_due_at_once(world: Make) -> None:
    w = world(concludes, size=2, ahead=None, takes=lambda job: 10)
    warm(w)
    waiting = ahead(w)
    asked = len(w.asked)
    w.run(claim=False)
    assert ahead(w) == frozenset()
    rows = w.store.read(
        "SELECT seq FROM tasks"
        " WHERE leased_until IS NULL AND reason = 'first' AND polls + failures = 0 AND due_at <= :now",
        {"now": w.now},
    )
    assert {row["seq"] for row in rows} >= waiting
    w.now += 10
    w.land()
    w.run(claim=False)
    assert not w.round.busy
    assert len(w.asked) == asked
    successor = world(concludes)
    successor.now = w.now
    successor.until(w.now + 1_000)
    assert {job.seq for job in successor.asked} >= waiting
    assert successor.count("SELECT count(*) FROM results") == 40


def test_after_a_kill_their_leases_run_out(world: Make) -> None:
    w = world(concludes, size=2, ahead=None, takes=lambda job: 10)
    warm(w)
    lost = w.pool.out  # its process dies here
    successor = world(concludes)
    successor.now = w.now
    successor.until(NOW + 15_000 + successor.round.rules.lease_ms - 1)
    assert not {job.seq for job in successor.asked} & lost
    successor.until(w.now + HOUR)
    asked = [job.seq for job in successor.asked]
    assert sorted(set(asked)) == sorted(asked)
    assert set(asked) >= lost
    assert successor.count("SELECT count(*) FROM results") == 40


def test_with_jobs_ahead_each_poll_is_made_once_and_saved_once(world: Make) -> None:
    def script(job: Job, n: int) -> Reply:
        return Pending() if n < 4 else concluded(job.task_id)

    w = world(script, size=3, ahead=None, takes=lambda job: 5 + job.seq % 7 * 40)
    w.record(*(f"t{n}" for n in range(60)))
    w.until(NOW + HOUR)
    assert len(w.asked) == 60 * 4
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded' AND polls = 4 AND failures = 0") == 60
    assert w.count("SELECT count(*) FROM results") == 60
