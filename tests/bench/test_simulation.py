"""The simulation in small: what the learned schedule promises, with no limit that binds and with one that does."""

import random
from functools import partial

import pytest

from bench import contention
from bench.discoveries import discoveries
from bench.fairness import measure
from bench.installation import Contender, Waits, run
from bench.plain import UntaughtPlanner, oldest_first
from bench.simulation import (
    DELAY_PER_REQUEST_MS,
    FIXED,
    FREE,
    LEARNED,
    PLAIN,
    SCARCE,
    History,
    busy_world,
    cost,
    free_world,
    learned,
    optimum,
    trained,
)
from bench.worlds import HOUR, WORLDS
from worker.core.schedule.cadence import Schedule

COUNT = 600
LEAST_DELAY_MS = 1_000.0


@pytest.fixture(scope="module")
def history() -> History:
    return trained(100, 1000)


@pytest.fixture(scope="module")
def cadence() -> Waits:
    return run(PLAIN[FIXED], free_world(COUNT, 1), FREE)


def busy(contender: Contender) -> Waits:
    """A quarter of an hour in which the limit binds."""
    return run(contender, busy_world(0.25, 1), SCARCE, int(0.25 * HOUR))


@pytest.fixture(scope="module")
def program(history: History) -> Waits:
    return busy(learned(LEAST_DELAY_MS, history))


def test_before_any_history_it_is_no_worse_than_fixed(cadence: Waits) -> None:
    untaught = Contender(partial(UntaughtPlanner, Schedule(), DELAY_PER_REQUEST_MS, {}))
    before = run(untaught, free_world(COUNT, 1), FREE)
    assert before.requests <= 1.01 * cadence.requests  # fixed has a jitter of its own
    assert before.mean <= 1.05 * cadence.mean


def test_with_history_it_asks_less_finds_sooner_and_is_near_the_optimum(history: History, cadence: Waits) -> None:
    after = run(learned(history=history), free_world(COUNT, 1), FREE)
    assert after.requests <= 0.95 * cadence.requests
    assert after.mean <= 0.5 * cadence.mean
    best = run(optimum(DELAY_PER_REQUEST_MS, fineness=1500), free_world(COUNT, 1), FREE)
    assert cost(after) <= 1.15 * cost(best)


def test_a_low_delay_per_request_never_makes_it_ask_more_than_fixed(history: History, cadence: Waits) -> None:
    eager = run(learned(2_000.0, history), free_world(COUNT, 1), FREE)
    assert eager.requests <= 1.01 * cadence.requests  # fixed has a jitter of its own


def test_under_contention_the_limit_is_used_and_results_come_sooner(program: Waits) -> None:
    assert program.mean <= 0.6 * busy(PLAIN[FIXED]).mean
    assert program.used >= 0.9


def test_after_an_outage_neither_fresh_nor_old_tasks_starve(history: History) -> None:
    """3,000 tasks due, 10 requests a second, half of them for the oldest: the last is polled within ten minutes."""
    found = {(line.group, line.begin): line for line in measure("deadlines", history, 3000, 1 / 6)}
    assert found["fresh", 0].p95 <= 10
    assert found["old", 0].most <= 600
    assert ("old", 0) in found
    oldest = {(line.group, line.begin): line for line in measure("oldest", history, 3000, 1 / 6)}
    newest = {(line.group, line.begin): line for line in measure("newest", history, 3000, 1 / 6)}
    assert oldest["fresh", 0].p95 > 100
    assert newest["old", 0].polls > 0


def test_polls_that_can_wait_least_come_first_and_results_come_sooner(history: History, program: Waits) -> None:
    oldest = busy(learned(LEAST_DELAY_MS, history)._replace(selection=oldest_first))
    assert program.mean <= 0.95 * oldest.mean
    assert program.by_kind[0][1] <= 0.85 * oldest.by_kind[0][1]


@pytest.mark.parametrize("name", WORLDS)
def test_times_are_drawn_from_the_distribution_that_a_world_tells(name: str) -> None:
    for times in WORLDS[name].times:
        assert sum(piece.share for piece in times.pieces) == 1
        drawn = sorted(times.drawn((n + 0.5) / 2000) for n in range(2000))
        assert drawn[0] >= 1
        for n in range(100, 2000, 300):
            assert times.done_by(drawn[n]) == pytest.approx((n + 0.5) / 2000, abs=0.002)


def test_worlds_by_hand() -> None:
    even, half = WORLDS["even"], WORLDS["half a day"]
    assert [times.drawn(0) for times in even.times] == [2_000, 60_000, 3_600_000]
    assert even.times[0].done_by(60**0.5 * 1000) == pytest.approx(0.5)  # in the middle between 2 and 30, of logarithms
    assert half.times[2].drawn(0.5) == 14 * 3_600_000
    assert WORLDS["bells"].times[2].done_by(2 * 86_400_000) == pytest.approx(0.632, abs=0.001)
    assert WORLDS["long tail"].times[2].drawn(1) == pytest.approx(31 * 86_400_000)


def test_each_case_is_compared_in_a_world_of_its_own() -> None:
    found = contention.compare(per_class=10, hours=0.02)
    assert [of.case for of in found] == list(contention.CASES)
    assert all(of.figures.keys() == set(of.case.schedules) for of in found)
    assert len({of.figures[LEARNED].mean for of in found}) > 2
    aims = contention.targets(found)
    assert len(aims) == len(contention.CASES)
    assert sum("the optimum" in aim.got for aim in aims) == 4


def test_the_world_is_the_mix_that_it_says() -> None:
    world = discoveries(1000, 1.0, random.Random(1))
    assert [sum(one.kind == kind for one in world) for kind in range(3)] == [700, 200, 100]
    assert sorted(world, key=lambda one: one.start) == world
