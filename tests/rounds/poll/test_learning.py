"""What callbacks tell of the ends of discoveries teaches the schedule; what is replayed does not."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.database import DONE, NOW, ORIGIN, SCHEDULE, concluded, task_of
from tests.support.loop_by_hand import loop_by_hand
from worker.core.intake.intake import Recording
from worker.core.schedule.hazard import EndCounts, bin_of
from worker.core.schedule.learned import LearnedPlanner
from worker.core.schedule.state import ScheduleState
from worker.core.task import Task
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Concluded, Pending
from worker.rounds.poll.learning import learn_from_callbacks
from worker.store.conclude import conclude
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import callback_lane
from worker.store.tasks.recording import record

MINUTE, HOUR = 60_000, 3_600_000
GRACE = 45 * MINUTE


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cdpoll.db", create=True) as opened:
        yield opened


def called_back(store: Store, seq: int, ended_at: int | None, now: int) -> None:
    document = replace(concluded(DONE | {"id": f"t{seq}"}).document, ended_at=ended_at)
    with store.write():
        conclude(store, task_of(store, seq), document, "callback", now)


def recorded(store: Store, count: int) -> None:
    found = [Recording(f"t{n}", "id") for n in range(1, count + 1)]
    record(store, found, (), origin=ORIGIN, now=NOW, schedule=SCHEDULE)


def counts(planner: LearnedPlanner) -> EndCounts:
    return planner.since().get("unseen", EndCounts())


def test_ends_are_learned_once_each(store: Store) -> None:
    recorded(store, 3)
    planner = LearnedPlanner(SCHEDULE, 20_000, {})
    called_back(store, 1, NOW + 60_000, NOW + 65_000)
    called_back(store, 2, NOW + 60_000, NOW + 65_000)
    assert not learn_from_callbacks(store, planner, GRACE)
    assert counts(planner).ended[bin_of(60_000)] == pytest.approx(2, rel=0.01)
    assert not learn_from_callbacks(store, LearnedPlanner(SCHEDULE, 20_000, {}), GRACE), "another start goes on behind"
    called_back(store, 3, NOW + 60_000, NOW + 65_000)
    learn_from_callbacks(store, planner, GRACE)
    assert counts(planner).ended[bin_of(60_000)] == pytest.approx(3, rel=0.01)


def test_what_was_replayed_and_what_was_revived_and_what_tells_no_end_teach_nothing(store: Store) -> None:
    recorded(store, 4)
    planner = LearnedPlanner(SCHEDULE, 20_000, {})
    called_back(store, 1, NOW + 60_000, NOW + 60_000 + GRACE + 1)
    store.execute("UPDATE tasks SET life_from = life_from + 1 WHERE seq = 2")
    called_back(store, 2, NOW + 60_000, NOW + 65_000)
    called_back(store, 3, None, NOW + 65_000)
    called_back(store, 4, NOW + HOUR, NOW + 65_000)
    learn_from_callbacks(store, planner, GRACE)
    assert planner.since() == {}
    assert not callback_lane.any_untold(store)


def test_many_are_learned_in_portions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.rounds.poll.learning.MOST_ENDS", 2)
    recorded(store, 3)
    for seq in (1, 2, 3):
        called_back(store, seq, NOW + 60_000, NOW + 65_000)
    planner = LearnedPlanner(SCHEDULE, 20_000, {})
    assert learn_from_callbacks(store, planner, GRACE)
    assert not learn_from_callbacks(store, planner, GRACE)
    assert counts(planner).ended[bin_of(60_000)] == pytest.approx(3, rel=0.01)


def test_a_first_poll_behind_the_grace_brings_no_credit_and_its_end_counts_where_it_was(store: Store) -> None:
    grace = SCHEDULE._replace(callback_grace=GRACE)
    record(store, [Recording("t1", "id")], (), origin=ORIGIN, now=NOW, schedule=grace)
    task, at = task_of(store, 1), NOW + GRACE + 10_000
    planner = LearnedPlanner(grace, 20_000, {})
    document = replace(concluded(DONE | {"id": "t1"}).document, ended_at=NOW + 90_000)
    for reply in (Pending(), Concluded(document)):
        seen = planner.observe(task, reply, at)
        assert seen is not None
        assert planner.settle(task, seen, ScheduleState(20_000), at) == ScheduleState(20_000), "callbacks have saved it"
        if seen.ended:
            planner.learn([seen])
    ended = counts(planner).ended
    assert ended[bin_of(90_000)] == 1
    assert sum(ended) == 1


def test_with_both_lanes_the_curve_is_that_of_all_discoveries() -> None:
    """Ends after two minutes on average. Three of ten callbacks are lost; polls find those tasks after the grace."""
    draw = random.Random(1)
    both = LearnedPlanner(SCHEDULE, 20_000, {})
    for n in range(2_000):
        task = Task(n, f"t{n}", "pending", NOW, NOW, reason="callback")
        end = NOW + round(draw.expovariate(1 / 120_000))
        at = end + 2_000 if draw.random() < 0.7 else NOW + GRACE + 10_000
        seen = both.observe(task, Concluded(Document("success", ended_at=end)), at)
        assert seen is not None
        both.learn([seen])
    for age, done in ((30_000, 0.221), (120_000, 0.632), (360_000, 0.950)):
        assert both.hazard_curve("unseen").outlook(0, age)[0] == pytest.approx(done, abs=0.05)


def test_a_pass_of_the_daemon_learns(house: House) -> None:
    house.write(callback_listen="127.0.0.1:9272", store_runs="daemon")
    house.record("t1")
    with loop_by_hand(house) as by_hand:
        by_hand.clock.advance(10_000)
        now = by_hand.clock.now()
        called_back(by_hand.store, 1, now - 1_000, now)
        by_hand.loop.step()
        assert not callback_lane.any_untold(by_hand.store)
        by_hand.clock.advance(20_000)
        by_hand.loop.step()
        assert [row["task_class"] for row in by_hand.store.read("SELECT task_class FROM curves")] == ["unseen"]
