"""The bound for whoever has pages: by hand, and below what the program reaches."""

import itertools
import math

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


def test_what_is_spent_and_waited_by_hand() -> None:
    """Told of once, at 30 s, all quick tasks take a look by id, and have waited until then since they ended."""
    quick = reckoned._kind(EVEN, 0, 0.1)
    spent, waited, ended = reckoned._weighed(quick, [len(quick.ages) - 1], 10**6 * HOUR)
    assert spent == pytest.approx(1, abs=0.002)
    assert waited == pytest.approx(30_000 - 28_000 / math.log(15), rel=0.005)
    assert ended == pytest.approx(1, abs=0.001)
    spent, waited, ended = reckoned._weighed(quick, [], 60 * SECOND)
    assert (spent, waited) == (0, 0)
    assert ended == pytest.approx((60_000 - 28_000 / math.log(15)) / 60_000, abs=0.001), "the mean of what is left"


@pytest.mark.parametrize(("kind", "price"), [(0, 1_000), (1, 100_000), (2, 1_000_000)])
def test_no_other_tellings_are_better_at_the_same_price(kind: int, price: int) -> None:
    tasks = reckoned._kind(EVEN, kind, 0.1)

    def cost(places: list[int]) -> float:
        spent, waiting, _ = reckoned._weighed(tasks, places, 10**9 * HOUR)  # the end of the run far away
        return price * (spent - tasks.ended[-1]) + waiting

    best = reckoned._tellings(tasks, price)
    least = cost(best)
    assert len(best) > 5
    for at in range(len(best) - 1):
        for by in (-9, -3, -1, 1, 3, 9):
            other = {*best[:at], best[at] + by, *best[at + 1 :]}
            assert cost(sorted(place for place in other if 0 < place <= best[-1])) >= least - 1e-6
        assert cost(best[:at] + best[at + 1 :]) > least
    assert cost(sorted({*best, *((one + two) // 2 for one, two in itertools.pairwise(best))})) > least


def test_fewer_requests_and_longer_runs_make_it_worse_and_cheaper_pages_better() -> None:
    least = bound(EVEN, 10.0, 5.0, HOUR, 10)
    assert bound(EVEN, 20.0, 5.0, HOUR, 10) < least < bound(EVEN, 8.0, 5.0, HOUR, 10)
    assert bound(EVEN, 10.0, 5.0, 3 * HOUR, 10) > least
    assert bound(EVEN, 10.0, 5.0, HOUR, 1) < 0.5 * least
    assert bound(WORLDS["bells"], 10.0, 5.0, HOUR, 10) != least


def test_the_program_does_not_beat_it() -> None:
    hinted = contended_run(TENFOLD, 1, 0.5, trained(100, 1000))
    assert 0.2 * hinted.mean < bound(EVEN, 10.0, 5.0, HOUR // 2, 10) < hinted.mean
