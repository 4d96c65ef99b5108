"""The simulation in small: what the learned schedule promises, with no limit that binds and with one that does."""

import random

import pytest

from bench.fairness import measure
from bench.optimum import Optimum
from bench.schedules import Learned, fixed, tasks
from bench.simulation import FREE, SCARCE, Figures, History, busy_world, free_world, run, trained

COUNT = 600


@pytest.fixture(scope="module")
def history() -> History:
    return trained(100, 1000)


@pytest.fixture(scope="module")
def written() -> Figures:
    return run(free_world(COUNT, 1), fixed(), FREE)


def cost(got: Figures, price: float = 20.0) -> float:
    return price * got.requests + got.mean


def test_before_any_history_it_is_no_worse_than_fixed(written: Figures) -> None:
    before = run(free_world(COUNT, 1), Learned(learning=False), FREE)
    assert before.requests <= written.requests
    assert before.mean <= 1.05 * written.mean


def test_with_history_it_asks_less_finds_sooner_and_is_near_the_optimum(history: History, written: Figures) -> None:
    after = run(free_world(COUNT, 1), Learned(history=history), FREE)
    assert after.requests <= 0.95 * written.requests
    assert after.mean <= 0.5 * written.mean
    assert cost(after) <= 1.15 * cost(run(free_world(COUNT, 1), Optimum(20_000.0, fineness=1500), FREE))


def test_a_low_price_floor_never_makes_it_ask_more_than_fixed(history: History, written: Figures) -> None:
    eager = run(free_world(COUNT, 1), Learned(floor=2_000.0, history=history), FREE)
    assert eager.requests <= 1.01 * written.requests  # fixed has a jitter of its own


def test_under_contention_the_limit_is_used_and_results_come_sooner(history: History) -> None:
    until = 900_000
    slow = run(busy_world(4500, 1), fixed(), SCARCE, until)
    quick = run(busy_world(4500, 1), Learned(history=history.copy(), limited=10.0, floor=1_000.0), SCARCE, until)
    assert quick.mean <= 0.6 * slow.mean
    assert quick.used >= 0.9


@pytest.mark.parametrize(("page_cost", "share"), [(1, 0.2), (10, 0.6)])
def test_pages_find_sooner_with_fewer_requests(history: History, page_cost: int, share: float) -> None:
    def found(cost: int) -> Figures:
        return run(
            busy_world(4500, 1), Learned(history=history.copy(), limited=10.0, floor=5_000.0), SCARCE, 900_000, cost
        )

    plain, hinted = found(0), found(page_cost)
    assert hinted.mean <= share * plain.mean
    assert hinted.requests <= plain.requests
    assert hinted.pages > 0


def test_after_an_outage_neither_fresh_nor_old_tasks_starve(history: History) -> None:
    """3,000 tasks due, 10 requests a second, half of them for the oldest: the last is looked at within ten minutes."""
    found = {(line.group, line.begin): line for line in measure("both", history, 3000, 1.0)}
    assert found["fresh", 0].p95 <= 10
    assert found["old", 0].most <= 600
    assert ("old", 0) in found
    oldest = {(line.group, line.begin): line for line in measure("oldest", history, 3000, 1.0)}
    newest = {(line.group, line.begin): line for line in measure("newest", history, 3000, 1.0)}
    assert oldest["fresh", 0].p95 > 100
    assert newest["old", 0].looks > 0


def test_the_world_is_the_mix_that_it_says() -> None:
    world = tasks(1000, 1.0, random.Random(1))
    assert [sum(task.kind == kind for task in world) for kind in range(3)] == [700, 200, 100]
    assert sorted(world, key=lambda task: task.start) == world
