"""The bound for whoever has pages: by hand, and below what the program reaches."""

import random

import pytest

from bench import bound as reckoned
from bench.bound import bound
from bench.simulation import TENFOLD, contended_run, trained
from bench.worlds import EVEN, HOUR, MINUTE, SECOND, WORLDS


def test_what_a_telling_costs_by_hand() -> None:
    """Of tasks that are 10 s old, 0.406 of the quick ones are pending, and all others."""
    pending = 1 - EVEN.times[0].done_by(10 * SECOND)
    assert pending == pytest.approx(0.406, abs=0.001)
    assert reckoned._cost(EVEN, 0, 10 * SECOND, 0.1) * 0.7 == pytest.approx(0.1 * (0.7 * pending + 0.3))
    assert reckoned._cost(EVEN, 1, 10 * SECOND, 0.1) == 0, "told of beside the quick ones"
    assert reckoned._cost(EVEN, 1, 2 * MINUTE, 0.1) > 0
    late = 1 - EVEN.times[0].done_by(29.95 * SECOND)
    assert reckoned._cost(EVEN, 0, 29.95 * SECOND, 0.1) == pytest.approx(late), "cheaper by id"


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_no_other_tellings_are_better_at_the_same_price(kind: int) -> None:
    tasks = reckoned._kind(EVEN, kind, 0.1)
    dice = random.Random(kind)
    price, far = (1_000, 100_000, 10**6)[kind], 10**9 * HOUR  # the end of the run

    def cost(places: list[int]) -> float:
        spent, waiting, _ = reckoned._weighed(tasks, places, far)
        return price * (spent - tasks.ended[-1]) + waiting

    best = reckoned._tellings(tasks, price)
    least = cost(best)
    assert len(best) > 5
    for _ in range(100):
        moved = {place + dice.choice((-1, 0, 0, 0, 1)) for place in best[:-1]} - {0}
        assert cost([*sorted(moved), best[-1]]) > least * (1 - 1e-6)


def test_fewer_requests_and_longer_runs_make_it_worse_and_cheaper_pages_better() -> None:
    least = bound(EVEN, 10.0, 5.0, HOUR, 10)
    assert bound(EVEN, 20.0, 5.0, HOUR, 10) < least < bound(EVEN, 8.0, 5.0, HOUR, 10)
    assert bound(EVEN, 10.0, 5.0, 3 * HOUR, 10) > least
    assert bound(EVEN, 10.0, 5.0, HOUR, 1) < 0.5 * least
    assert bound(WORLDS["bells"], 10.0, 5.0, HOUR, 10) != least


def test_the_program_does_not_beat_it() -> None:
    hinted = contended_run(TENFOLD, 1, 0.5, trained(100, 1000))
    assert 0.2 * hinted.mean < bound(EVEN, 10.0, 5.0, HOUR // 2, 10) < hinted.mean
