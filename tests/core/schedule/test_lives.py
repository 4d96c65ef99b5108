"""The learned schedule over whole lives of tasks: what it costs, and what a restart remembers."""

import random
from pathlib import Path

import pytest

from tests.support.database import NOW, SCHEDULE
from tests.support.discoveries import Discovery, discoveries
from tests.support.life import Life, Manner
from worker.core.pacing.policy import Planner
from worker.core.schedule.credit import cadence_polls
from worker.core.schedule.hazard import EndCounts, together
from worker.core.schedule.learned import LearnedPlanner
from worker.core.task import Task
from worker.store.db.store import Store
from worker.store.state import api, curves
from worker.store.tasks import polling as tasks

FLOOR = 20_000
MIN, HOUR = 60_000, 3_600_000
SEEN = Task(
    1, "t", "pending", NOW - MIN, NOW - MIN, due_at=NOW, pending_at=NOW - MIN // 2, task_class="quick",
    reason="learned", polls=1, delay_per_request_ms=FLOOR,
)  # fmt: skip

MANNERS = {
    "all is told": Manner(),
    "no end is told": Manner(end_told=False),
    "no start is told": Manner(start_told=False),
    "recorded late": Manner(recorded_after=20_000),
}


def needed(told: list[Discovery], manner: Manner) -> int:
    """The polls that the cadence, without jitter, would have needed."""
    entry = manner.recorded_after if manner.start_told else 0
    ages = [one.lasts if manner.start_told else one.lasts - manner.recorded_after for one in told]
    return sum(cadence_polls(SCHEDULE, entry, max(entry, age - 1)) + 1 for age in ages)


@pytest.mark.parametrize("delay", [1_000, FLOOR], ids=["cheap", "dear"])
@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS.keys())
def test_free_of_contention_no_more_requests_than_the_written_cadence(
    tmp_path: Path, manner: Manner, delay: int
) -> None:
    """Every discovery in turn, from the first one on; the daemon restarts between the lots."""
    life = Life(tmp_path, SCHEDULE, delay, manner)
    told: list[Discovery] = []
    for seed in range(3):
        told += (lot := list(discoveries(15, seed, longest=2 * HOUR)))
        for one in lot:
            one.start += life.now - NOW
        life.live(lot)
        assert life.requests <= needed(told, manner)
        life.keep()
        life.start()
    assert life.store.read("SELECT count(*) AS n FROM results")[0]["n"] == 45
    life.close()


@pytest.mark.parametrize("delay", [1_000, FLOOR], ids=["cheap", "dear"])
def test_nor_where_there_is_no_credit_and_every_discovery_is_a_trap(tmp_path: Path, delay: int) -> None:
    """Each alone in a new installation, and ending just before a poll of the cadence: any poll beside those is one
    too many."""
    dice = random.Random(7)
    for n in range(12):
        lasts = round((10_000, 24_000, 43_600, 71_040)[n % 4]) - 1_500
        folder = tmp_path / str(n)
        folder.mkdir()
        life = Life(folder, SCHEDULE, delay, Manner())
        life.live([Discovery(f"{dice.getrandbits(64):016x}", 1, 0, lasts, 1_000)])
        assert life.requests == n % 4 + 1
        life.close()


def test_nor_more_than_the_fixed_schedule_and_sooner_once_it_has_learned(tmp_path: Path) -> None:
    fixed, learns = Life(tmp_path, SCHEDULE, None, Manner()), Life(tmp_path, SCHEDULE, FLOOR, Manner())
    for life in (fixed, learns):
        life.live(discoveries(150, 11))
    assert learns.requests < 0.8 * fixed.requests
    for life in (fixed, learns):
        life.close()


def with_since(store: Store, planner: Planner) -> dict[str, EndCounts]:
    stored = curves.load(store)
    since = planner.since().items()
    return stored | {name: together(stored.get(name, EndCounts()), learned) for name, learned in since}


def test_what_was_learned_is_there_after_a_restart_and_plans_the_same(tmp_path: Path) -> None:
    life = Life(tmp_path, SCHEDULE, FLOOR, Manner())
    life.live(discoveries(40, 3, longest=HOUR))
    before = life.round.planner
    known = with_since(life.store, before)
    assert known.keys() >= {"unseen", "rtcob"}
    life.keep()
    shared = api.get(life.store).schedule
    life.start()
    state = api.get(life.store).schedule
    assert (state.credit, state.delay_per_request_ms) == (shared.credit, shared.delay_per_request_ms)
    stored = curves.load(life.store)
    after = life.round.planner
    fresh = LearnedPlanner(SCHEDULE, FLOOR, known)  # what is in memory lags behind by up to a hundred polls
    assert after.refresh(state).first_wait_ms == pytest.approx(fresh.refresh(state).first_wait_ms, rel=0.01)
    for task_class, curve in known.items():
        assert stored[task_class].ended == pytest.approx(curve.ended, rel=1e-4, abs=1e-4)
        task = SEEN._replace(task_class=task_class, pending_at=NOW, recorded_at=NOW - 5 * MIN, life_from=NOW - 5 * MIN)
        planned = after.plan(task, state, NOW)[0].wait_ms
        assert planned == pytest.approx(fresh.plan(task, state, NOW)[0].wait_ms, rel=0.01)
    life.close()


def test_the_wait_before_the_first_look_is_planned_by_what_was_learned(tmp_path: Path) -> None:
    """Where everything takes half an hour, there is no poll after ten seconds."""
    life = Life(tmp_path, SCHEDULE, FLOOR, Manner())
    slow = [Discovery(f"slow-{n}", 1, n * MIN, 30 * MIN + 7_000 * n, 25_000) for n in range(40)]
    life.live(slow)
    life.keep()
    late = Discovery("late", 1, life.now - NOW, 30 * MIN, 25_000)
    life.record(late)
    due_at = tasks.next_due(life.store)
    assert due_at is not None
    assert due_at - life.now > MIN
    row = life.store.one("SELECT delay_per_request_ms, reason FROM tasks WHERE id = 'late'")
    assert row is not None
    assert (row["delay_per_request_ms"], row["reason"]) == (FLOOR, "first")
    life.close()
