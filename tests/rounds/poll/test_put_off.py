"""What is put off when requests have become dear since it was planned, and what is not."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.database import NOW, SCHEDULE, Claiming, add, task_of
from tests.support.engine import elsewhere, hurry
from tests.support.examples import examples
from worker.core.pacing.claiming import MOST_REPLANNED_TASKS
from worker.core.schedule.learned import LearnedPlanner
from worker.core.schedule.state import ScheduleState
from worker.core.task import Task
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.tasks import polling as tasks

FLOOR = 20_000
HOUR, DAY = 3_600_000, 86_400_000


def claiming(store: Store, delay: float) -> Claiming:
    """At a delay per request of the moment."""
    return Claiming(store, LearnedPlanner(SCHEDULE, FLOOR, {}), delay)


def planned(store: Store, ages: Sequence[int], delay: float = FLOOR) -> list[Task]:
    """Tasks seen pending at these ages, and planned from there on at a delay per request of ``delay``."""
    planner = LearnedPlanner(SCHEDULE, FLOOR, {})
    found = []
    add(store, [NOW] * len(ages))
    with store.write():
        for seq, age in enumerate(ages, 1):
            task = task_of(store, seq)._replace(
                recorded_at=NOW - age, life_from=NOW - age, pending_at=NOW, last_poll_at=NOW, task_class="other"
            )
            plan, _ = planner.plan(task, ScheduleState(delay), NOW)
            due_at = NOW + plan.wait_ms
            found.append(
                task._replace(due_at=due_at, reason=plan.reason, delay_per_request_ms=plan.delay_per_request_ms)
            )
            store.execute(
                "UPDATE tasks SET recorded_at = :at, life_from = :at, pending_at = :now, last_poll_at = :now, "
                " task_class = 'other', due_at = :due,"
                " reason = :reason, delay_per_request_ms = :delay WHERE seq = :seq",
                {
                    "at": NOW - age,
                    "now": NOW,
                    "due": due_at,
                    "reason": plan.reason,
                    "seq": seq,
                    "delay": plan.delay_per_request_ms,
                },
            )
    return found


def test_a_poll_planned_when_requests_were_cheaper_is_put_off(store: Store) -> None:
    (before,) = planned(store, [600_000])
    assert before.due_at is not None
    dear = claiming(store, 9 * FLOOR)
    assert dear.taken(5, before.due_at) == []
    now = task_of(store, 1)
    assert now.due_at is not None
    assert now.due_at > before.due_at + (before.due_at - NOW)  # three times the wait, by the root of the delay
    assert (now.delay_per_request_ms, now.reason, now.pending_at) == (9 * FLOOR, "learned", NOW)
    assert now._replace(due_at=before.due_at, delay_per_request_ms=FLOOR, reason=before.reason) == before
    assert dear.taken(5, now.due_at - 1) == []
    assert dear.taken(5, now.due_at) == [1]


def test_what_is_put_off_leaves_its_slot_to_others(store: Store) -> None:
    tasks_before = planned(store, [600_000] * 9)
    latest = max(task.due_at or 0 for task in tasks_before)
    with store.write():
        store.execute("UPDATE tasks SET delay_per_request_ms = ? WHERE seq IN (2, 5, 8)", (9 * FLOOR,))
    assert sorted(claiming(store, 9 * FLOOR).taken(3, latest)) == [2, 5, 8]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("reason = 'hand'", "a person asked for it"),
        ("reason = 'retry'", "a person asked for it"),
        ("reason = 'backoff'", "it failed"),
        ("reason = 'again'", "it was put off already"),
        ("delay_per_request_ms = NULL", "the cadence planned it"),
    ],
)
def test_what_no_delay_has_planned_is_not_put_off(store: Store, change: str, why: str) -> None:
    (task,) = planned(store, [600_000])
    with store.write():
        store.execute(f"UPDATE tasks SET {change}")
    assert claiming(store, 9 * FLOOR).taken(5, task.due_at or 0) == [1], why


def test_a_little_dearer_is_no_reason_nor_is_a_probe(store: Store) -> None:
    (task,) = planned(store, [600_000])
    due_at = task.due_at or 0
    assert claiming(store, 1.05 * FLOOR).taken(5, due_at) == [1]
    with store.write():
        tasks.release(store, [task.seq])
    assert claiming(store, 9 * FLOOR).taken(1, due_at, probing=True) == [1]


@examples(40)
@given(
    ages=st.lists(st.integers(0, 30 * DAY), min_size=1, max_size=12),
    factor=st.floats(1.2, 4_000),
    late=st.integers(0, 7 * 3_600_000),
)
def test_no_poll_is_put_off_beyond_the_longest_interval(ages: list[int], factor: float, late: int) -> None:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder, "cdpoll.db"), create=True) as store:
        hurry(store)
        before = planned(store, ages)
        now = max(task.due_at or 0 for task in before) + late
        claimed = claiming(store, factor * FLOOR).taken(50, now)
        for task in before:
            kept = task_of(store, task.seq)
            assert kept.due_at is not None
            if kept.seq in claimed:
                assert kept._replace(leased_until=None) == task
            else:
                assert now < kept.due_at <= NOW + SCHEDULE.max_interval
                assert (kept.pending_at, kept.delay_per_request_ms) == (NOW, round(factor * FLOOR))


def test_so_many_are_planned_in_a_pass_and_the_rest_right_after(store: Store, path: Path) -> None:
    count = 2 * MOST_REPLANNED_TASKS + 50
    now = max(task.due_at or 0 for task in planned(store, [600_000] * count))
    claims = claiming(store, 9 * FLOOR)
    moved = 0
    for most in (MOST_REPLANNED_TASKS, MOST_REPLANNED_TASKS, 50):
        next_due = tasks.next_due(store)
        assert next_due is not None
        assert next_due <= now, "the round comes again at once"
        assert claims.taken(10, now) == []
        ((after,),) = elsewhere(path, "SELECT count(*) FROM tasks WHERE delay_per_request_ms = ?", 9 * FLOOR)
        assert most <= after - moved < most + 10
        moved = after
    assert moved == count
    next_due = tasks.next_due(store)
    assert next_due is not None
    assert next_due > now
