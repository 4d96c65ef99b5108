"""The least mean delay that is possible with pages of the list, in the simulated worlds: a lower bound, computed and
not simulated.

What pages and looks really cost is made cheaper, step by step, until the best plan can be computed:

- A page tells of a hundred pending tasks at the most, so where it counts as 10 requests, each pending task told of
  costs at least 0.1 of a request. What has ended takes a look by its id, 1 request.
- A page tells of neighbours. So to be told of the tasks of one kind at one age costs 0.1 of a request for each pending
  task of *any* kind of that age; or 1 for each of that kind, by looks at their ids. At every age only the kind that
  ends most then has to pay that, the others are told of for nothing.
- The kind of a task is known from the start, and the requests of the whole run may be saved up or borrowed at will.

Then all that the kinds share is the price of a request. At a given price (the multiplier of Lagrange), the best ages at
which to be told of each kind's tasks follow by dynamic programming, as in bench/optimum.py; and the price is the one at
which all requests are spent. (What is planned in the last minutes of the run looks beyond its end, and could do a
little better without.)
By hand: of tasks that are 10 s old in the world *even*, 0.7 * 0.41 are of the quick kind and pending, and 0.3 others;
so to be told of one of the former costs 0.1 * 0.587 / 0.287 = 0.2 of a request.
"""

import math
from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

from bench.optimum import area_under, grid_of
from bench.schedules import SHARES
from bench.worlds import MINUTE, World
from worker.core.vendor.page import LIMIT

FINENESS = (1500, 1500, 6000)  # points of the grid of each kind


class _Kind(NamedTuple):
    """One kind of task on a grid of ages, with the share that has ``ended`` by each, the ``area`` under it, and the
    requests that a telling takes, over all tasks of the kind that began."""

    ages: Sequence[float]
    ended: Sequence[float]
    area: Sequence[float]
    costs: Sequence[float]


def bound(world: World, rate: float, per_second: float, until: int, page_cost: int) -> float:
    """The least mean delay, s, of what ended by ``until`` ms, with so many requests and so many new tasks a second."""
    kinds = [_kind(world, kind, page_cost / LIMIT) for kind in range(len(SHARES))]
    low, high = math.log(1), math.log(10 * MINUTE)
    least = 0.0
    for _ in range(14):
        middle = (low + high) / 2
        found = [_weighed(kind, _tellings(kind, math.exp(middle)), until) for kind in kinds]
        requests, waited, ended = (sum(map(mul, SHARES, each)) for each in zip(*found, strict=True))
        if requests * per_second > rate:
            low, least = middle, waited / ended  # it spends a little more than there is: still a bound
        else:
            high = middle
    return least / 1000


def _kind(world: World, kind: int, row: float) -> _Kind:
    ages = grid_of(world.times[kind], FINENESS[kind])
    ended = [world.times[kind].done_by(age) for age in ages]
    return _Kind(ages, ended, area_under(ended, ages), [_cost(world, kind, age, row) for age in ages])


def _cost(world: World, kind: int, age: float, row: float) -> float:
    """Requests for being told of those of a kind that are pending at an age, over all of it that began; ``row``: for
    each task on a page."""
    kinds = list(zip(SHARES, world.times, strict=True))
    ending = [share * (times.done_by(1.1 * age) - times.done_by(age)) for share, times in kinds]
    if ending[kind] < max(ending):
        return 0.0
    pending = [share * (1 - times.done_by(age)) for share, times in kinds]
    return min(row * sum(pending), pending[kind]) / SHARES[kind]


def _tellings(kind: _Kind, price: float) -> list[int]:
    """The places on the grid at which to be told of the tasks of a kind."""
    ages, ended, area, costs = kind
    n = len(ages) - 1
    to_come, then = [0.0] * (n + 1), [n] * (n + 1)
    for i in range(n - 1, -1, -1):
        best, before, age, mine = math.inf, area[i], ages[i], ended[i]
        for j in range(i + 1, then[i + 1] + 1):  # who is told later is told again later
            here = price * costs[j] + area[j] - before - mine * (ages[j] - age) + to_come[j]
            if here < best:
                best, then[i] = here, j
        to_come[i] = best
    places, place = [], 0
    while place < n:
        place = then[place]
        places.append(place)
    return places


def _weighed(kind: _Kind, places: Sequence[int], until: int) -> tuple[float, float, float]:
    """Over all tasks of a kind, that begin evenly until then: the requests for each, the ms waited, the share ended.

    What would happen at some age happens to those that come to it: a part 1 - age / until of all.
    """
    left = [max(0.0, 1 - age / until) for age in kind.ages]
    waited = area_under([ended * part for ended, part in zip(kind.ended, left, strict=True)], kind.ages)
    passed = area_under(left, kind.ages)
    spent, waiting, last = 0.0, 0.0, 0
    for place in places:
        found = kind.ended[place] - kind.ended[last]
        spent += left[place] * (kind.costs[place] + found)
        waiting += waited[place] - waited[last] - kind.ended[last] * (passed[place] - passed[last])
        last = place
    # The share that has ended when the run does: the integral of F over all there is left of the run.
    inside = [(age, ended) for age, ended in zip(kind.ages, kind.ended, strict=True) if age < until]
    ends = area_under([ended for _, ended in inside], [age for age, _ in inside])[-1]
    return spent, waiting, (ends + max(0.0, until - kind.ages[-1])) / until
