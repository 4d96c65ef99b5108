"""A hundred tasks that always fail hold up no good one, and an API that is really away is asked seldom."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest

from tests.support.bad_tasks import BAD, DEFAULTS, FAST, HOUR_MS, MINUTE_MS, OUTAGE, BadTasks, Setting
from tests.support.engine import POSTGRESQL
from worker.core.pacing.limiter import FULL_PACE_PPM, RateLimit
from worker.store.state import api

Make = Callable[[Setting], BadTasks]

RESTS = [kind for kind in BAD if kind.startswith("429") or " for " in kind]
OTHERS = [kind for kind in BAD if kind not in RESTS and kind not in ("pending", "hangs")]


def mixture(seed: int) -> list[str]:
    """A hundred bad tasks of up to six sorts, and of each sort that asks for a rest one."""
    choice = random.Random(seed)
    sorts = choice.sample(OTHERS, choice.randint(1, 4))
    kinds = [choice.choice(sorts) for _ in range(100)]
    for kind in choice.sample(RESTS, choice.randint(0, 2)):
        kinds[choice.randrange(100)] = kind
    return kinds


MIXTURES: dict[str, Sequence[str]] = {
    "all 500": ["500"] * 100,
    "all 403": ["403"] * 100,
    "all of another id": ["other id"] * 100,
    "half 401": ["401", "422"] * 50,
    "403, and the first is told to wait": ["429 for 10 min", *["403"] * 99],
    "403, and the last is told to wait": [*["403"] * 99, "503 for 30 s"],
    "half hang": ["hangs", "no JSON"] * 25,
    **{f"mixture {seed}": mixture(seed) for seed in (1, 3, 4, 5, 6)},
}

LIMITS = {"10 a second": FAST, "defaults": DEFAULTS}
OUTAGES = list(OUTAGE)
if POSTGRESQL:  # what is asked when is no matter of the engine, and an hour of the clock takes five times as long
    LIMITS = {"defaults": DEFAULTS}
    MIXTURES = {name: MIXTURES[name] for name in ("all 500", "403, and the first is told to wait", "mixture 3")}
    OUTAGES = OUTAGES[:2]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[BadTasks] = []
    numbers = count()

    def one(setting: Setting) -> BadTasks:
        made.append(BadTasks(tmp_path / f"{next(numbers)}.db", setting))
        return made[-1]

    yield one
    for world in made:
        world.close()


def seen_after(world: BadTasks, lasts_ms: int, within_ms: int) -> int:
    world.record_good("good", lasts_ms)
    return world.until(lambda: "good" in world.concluded_at, within_ms)


@pytest.mark.parametrize("kinds", MIXTURES.values(), ids=MIXTURES)
@pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS)
def test_a_good_task_is_concluded_soon_among_a_hundred_bad_ones(
    make: Make, kinds: Sequence[str], limit: RateLimit
) -> None:
    lasts_ms = 20_000 if len(kinds) == 50 else 0
    setting = Setting(limit)
    alone_ms = seen_after(make(setting), lasts_ms, HOUR_MS)
    world = make(setting)
    if len(set(kinds)) > 1:
        # One that is answered: without it the API would seem to be away, and each be polled once in a day only.
        world.record_good("long", 100 * HOUR_MS)
    world.poll_each_once(world.record_bad(kinds), 24 * HOUR_MS)
    # A hundred new tasks are a load by which the learned schedule plans first polls later, for a while.
    world.live(MINUTE_MS)
    world.until(lambda: not world.rests, HOUR_MS)
    seen_after(world, lasts_ms, 3 * alone_ms if limit == FAST else 2 * MINUTE_MS)


@pytest.mark.parametrize("kind", ["500", "403", "401", "no JSON", "other id"])
def test_good_tasks_behind_bad_ones_that_nothing_is_known_of(make: Make, kind: str) -> None:
    world = make(Setting(DEFAULTS))
    world.record_bad([kind] * 40)
    good = [f"good-{n}" for n in range(5)]
    for task_id in good:
        world.record_good(task_id)
    world.until(lambda: world.concluded_at.keys() >= set(good), 2 * MINUTE_MS)


def test_failing_tasks_that_wait_are_no_load_by_which_others_are_polled_later(make: Make) -> None:
    setting = Setting(DEFAULTS)
    alone_ms = seen_after(make(setting), MINUTE_MS, HOUR_MS)
    world = make(setting)
    world.poll_each_once(world.record_bad(["500"] * 100), 24 * HOUR_MS)
    world.live(45_000)
    seen_after(world, MINUTE_MS, round(1.3 * alone_ms))


def test_tasks_in_trouble_of_their_own_slow_the_pace_by_some_and_not_to_a_standstill(make: Make) -> None:
    world = make(Setting(FAST))
    world.record_bad(["422", "503"] * 50)
    world.live(10 * MINUTE_MS)
    pace = api.get(world.store).limiter.pace
    assert FULL_PACE_PPM / 20 < pace < FULL_PACE_PPM / 2


def test_a_task_that_is_told_to_wait_costs_the_others_one_wait(make: Make) -> None:
    world = make(Setting(FAST))
    world.record_bad(["429 for 10 min"])
    world.record_good("long", 6 * HOUR_MS)
    world.live(20 * MINUTE_MS)
    world.until(lambda: not world.rests, HOUR_MS)
    rests = 0
    for n in range(200):
        world.record_good(f"good-{n}")
        world.live(MINUTE_MS)
        rests += world.rests
    assert (rests, len([task for task in world.concluded_at if task != "long"])) == (0, 200)
    (told,) = [times for task_id, times in world.asked.items() if task_id.startswith("bad")]
    assert 3 < len(told) < 15, "it goes on to be asked, after its own backoff"
    assert world.store.read("SELECT failures FROM tasks WHERE id LIKE 'bad%'")[0]["failures"] == len(told)


def test_one_told_to_wait_for_no_time_is_asked_by_its_own_backoff(make: Make) -> None:
    world = make(Setting(FAST))
    world.record_bad(["429 for 0 s"])
    world.record_good("long", 2 * HOUR_MS)
    world.live(HOUR_MS)
    (told,) = [times for task_id, times in world.asked.items() if task_id.startswith("bad")]
    assert 3 < len(told) < 12


@pytest.mark.parametrize("kind", OUTAGES)
def test_an_api_that_is_away_is_asked_seldom_however_many_tasks_are_recorded(make: Make, kind: str) -> None:
    world = make(Setting(DEFAULTS))
    world.outage = OUTAGE[kind]
    before = 0
    for n in range(180):
        if n == 90:
            before = world.requests
        world.record_good(f"good-{n}")
        world.live(30_000)
    assert api.get(world.store).breaker.paused
    assert world.requests - before < 50
    failed = world.store.read("SELECT count(*) AS n FROM tasks WHERE failures > 0")[0]["n"]
    assert failed <= 10, "an outage is held against those alone that were asked before it was known"
    world.outage = None
    world.until(lambda: len(world.concluded_at) > 100, 15 * MINUTE_MS)
