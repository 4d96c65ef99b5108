"""Answers that are about us: they hold back every task, and no task is blamed."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.poll_world import HOUR, NOW, SCHEDULE, Make, concluded, concludes, worlds
from worker.core.pacing.judge import MISSES_IN_A_ROW, NO_TASK
from worker.core.vendor.reply import Pending, RateLimited, Refused, Reply, Unreachable
from worker.gateways.http.pool import Job
from worker.store.state import api

# Of three tasks the first is known to be told to wait: two others, and the health check.
STEP = 3


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    with worlds(tmp_path / "cdpoll.db") as make:
        yield make


def test_429_holds_everybody_back_and_nobody_is_to_blame(world: Make) -> None:
    def script(job: Job, n: int) -> Reply:
        return RateLimited("http_429", 120_000) if job.seq == 1 and n == 1 else concluded(job.task_id)

    w = world(script, size=1)
    w.record(*(f"t{n}" for n in range(6)))
    w.until(NOW + HOUR)
    times = [job.asked_at for job in w.asked]
    first = next(i for i, job in enumerate(w.asked) if job.seq == 1)
    assert times[first + 1] - times[first] >= 120_000
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 6
    assert w.count("SELECT max(failures) FROM tasks") == 0
    breaker = api.get(w.store).breaker
    assert not breaker.paused
    assert 120_000 <= breaker.paused_total < 130_000
    last = api.last_pause(w.store)
    assert last is not None
    assert (last.reason, last.code, last.ended_at >= NOW + 120_000) == ("rate_limited", "http_429", True)


def test_a_pause_probes_in_steps_and_ever_more_slowly(world: Make) -> None:
    open_again = NOW + 6 * HOUR

    def script(job: Job, n: int) -> Reply:
        return RateLimited("http_429") if job.asked_at < open_again else concluded(job.task_id)

    w = world(script)
    w.record(*(f"t{n}" for n in range(20)))
    w.until(NOW + 7 * HOUR)
    probes = sorted({job.asked_at for job in w.asked[4:] if job.asked_at < open_again})
    gaps = [b - a for a, b in pairwise(probes)]
    assert min(gaps) >= SCHEDULE.cadence.first
    assert gaps == sorted(gaps)
    assert max(gaps) <= SCHEDULE.cadence.ceiling
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded' AND failures = 0") == 20


def test_while_a_probe_is_under_way_no_other_is_sent(world: Make) -> None:
    w = world(lambda job, n: RateLimited("http_429", 60_000) if n == 1 else Pending())
    w.record("a", "b", "c")
    w.now += 15_000
    w.run()
    w.now += 100
    w.land()
    w.run()
    assert api.get(w.store).breaker.paused
    w.now += 60_000
    w.run()
    assert len(w.asked) == 3 + STEP
    for _ in range(3):
        w.now += 1
        assert w.run() > w.now
    assert len(w.asked) == 3 + STEP


def test_a_probe_that_outlives_its_deadline_does_not_keep_the_next_from_being_sent(world: Make) -> None:
    """Cutting a socket does not end a poll that waits for a name server: the pause must not last as long as that."""
    w = world(lambda job, n: RateLimited("http_429", 60_000) if n == 1 else Pending())
    w.record("a", "b", "c")
    w.now += 15_000
    w.run()
    w.now += 100
    w.land()
    w.run()
    w.now += 60_000
    w.run()
    probes = w.asked[3:]
    assert len(probes) == STEP
    for late in (0, 999):
        w.now = probes[0].deadline + late
        w.run()
        assert len(w.asked) == 3 + STEP
    w.now = probes[0].deadline + 1000
    w.run()
    assert {job.seq for job in w.asked[3 + STEP :]}.isdisjoint(job.seq for job in probes)


def test_a_task_that_alone_is_refused_is_to_blame_itself(world: Make) -> None:
    w = world(lambda job, n: Refused("http_403") if job.seq == 1 else Pending())
    w.record("bad", "good")
    w.until(NOW + 30_000)
    assert (w.task("bad")["last_error"], w.task("bad")["failures"] > 0) == ("http_403", True)
    assert (w.task("good")["last_error"], w.task("good")["failures"]) == (None, 0)
    assert not api.get(w.store).breaker.paused


def test_when_all_are_refused_everything_pauses_and_no_task_is_to_blame(world: Make) -> None:
    w = world(lambda job, n: Refused("http_403"))
    w.record(*(f"t{n}" for n in range(5)))
    w.until(NOW + 3 * HOUR)
    breaker = api.get(w.store).breaker
    assert (breaker.reason, breaker.code) == ("credentials", "http_403")
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'pending' AND failures = 0") == 5
    assert len(w.asked) < 60
    w.script = concludes
    w.until(w.now + HOUR)
    assert not api.get(w.store).breaker.paused
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 5


@pytest.mark.parametrize("check", [Refused("http_403_html"), Refused("http_403")])
def test_a_page_for_people_is_no_refusal_of_our_credentials(world: Make, check: Reply) -> None:
    w = world(lambda job, n: check if job.seq == NO_TASK else Refused("http_403_html"))
    w.record(*(f"t{n}" for n in range(5)))
    w.until(NOW + 3 * HOUR)
    breaker = api.get(w.store).breaker
    assert (breaker.reason, breaker.code) == ("unreachable", "http_403_html")
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'pending' AND failures = 0") == 5
    w.script = concludes
    w.until(w.now + HOUR)
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 5


def test_where_there_is_no_other_task_the_health_check_decides(world: Make) -> None:
    w = world(lambda job, n: Pending() if job.seq == NO_TASK else Refused("http_403"))
    w.record("only")
    w.until(NOW + 30_000)
    assert NO_TASK in {job.seq for job in w.asked}
    assert w.task("only")["last_error"] == "http_403"
    assert not api.get(w.store).breaker.paused
    w.script = lambda job, n: Refused("http_403")
    w.until(w.now + HOUR)
    assert not api.get(w.store).breaker.paused, "it is known to be refused for a reason of its own"
    w.record("another")
    w.until(w.now + HOUR)
    assert api.get(w.store).breaker.reason == "credentials"


def test_an_outage_pauses_after_some_tasks_and_ends_by_itself(world: Make) -> None:
    back = NOW + 2 * HOUR

    def script(job: Job, n: int) -> Reply:
        return Unreachable("connect") if job.asked_at < back else concluded(job.task_id)

    w = world(script)
    w.record(*(f"t{n}" for n in range(40)))
    w.until(NOW + 4 * HOUR)
    assert sum(job.asked_at < back for job in w.asked) < MISSES_IN_A_ROW + 4 + 3 * 40
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 40


def test_tasks_that_fail_are_not_polled_in_a_storm_to_find_out_about_another(world: Make) -> None:
    w = world(lambda job, n: Refused("http_403") if job.task_id == "bad" else Unreachable("http_500"))
    w.record("failing-1", "failing-2")
    w.until(NOW + 60_000)
    w.record("bad")
    before = len(w.asked)
    w.until(w.now + 60_000)
    assert len(w.asked) - before < 10
    assert api.get(w.store).breaker.reason == "credentials", "the health check failed, too"
