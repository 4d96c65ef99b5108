"""Clocks that are wrong by years: when ids are recorded, and while the daemon runs."""

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from tests.support.loop_by_hand import loop_by_hand
from worker.clock import Clock
from worker.store.opening import open_store
from worker.store.state import api
from worker.store.tasks import polling as tasks
from worker.store.tasks import searches

YEARS = 5 * 365 * 86_400_000


@pytest.mark.parametrize("by", [-YEARS, YEARS])
@pytest.mark.parametrize("running_then", [True, False])
def test_a_task_recorded_by_a_wrong_clock_is_polled_like_any_other(
    house: House, sandbox: Sandbox, by: int, *, running_then: bool
) -> None:
    wrong, right = begin(sandbox, 2, "SBX-NEVER")

    def record() -> None:
        house.record(wrong, right)
        house.rows("UPDATE tasks SET recorded_at = recorded_at + ?1, life_from = life_from + ?1, due_at = due_at + ?1"
                   " WHERE id = ?2", by, wrong)  # fmt: skip

    if not running_then:
        record()
    with loop_by_hand(house) as made:
        loop, clock = made.loop, made.clock
        loop._put_in_order()
        if running_then:
            record()
        times: dict[str, list[int]] = {wrong: [], right: []}
        for _ in range(200):
            clock.advance(6_000)
            loop.step()
            until(lambda: loop.step() and not (loop._poll and loop._poll.busy), "an answer")
            for task_id, polled_at in house.rows("SELECT id, last_poll_at FROM tasks WHERE polls > 0"):
                if times[task_id][-1:] != [polled_at]:
                    times[task_id].append(polled_at)
    assert house.rows("SELECT DISTINCT state FROM tasks") == [("pending",)]
    # That of the right clock goes by the vendor's word for its start, a little earlier.
    assert 5 < len(times[wrong]) <= len(times[right]) + 2


@pytest.mark.parametrize("by", [-YEARS, YEARS])
def test_a_clock_set_far_while_it_runs_changes_no_age(house: House, by: int) -> None:
    house.record("a")
    with loop_by_hand(house) as made:
        loop, store, clock = made.loop, made.store, made.clock
        loop.step()
        for jump in (0, by, -by):
            clock.jump(jump)
            loop._poll = None
            loop.step()
            (task,) = tasks.by_seq(store, [1], api.get(store).breaker.paused_until_now(clock.now())).values()
            assert 0 <= task.age(clock.now()) < 60_000
            assert task.life(clock.now()) < 60_000


@pytest.mark.parametrize("days_off", [0, 6])
def test_with_a_right_clock_every_plan_stays_as_it_was(house: House, days_off: int) -> None:
    house.record("a", "b")
    before = house.rows("SELECT recorded_at, life_from, paused_base, due_at FROM tasks")
    with loop_by_hand(house) as made:
        made.clock.advance(days_off * 86_400_000)
        made.loop._put_in_order()
    assert house.rows("SELECT recorded_at, life_from, paused_base, due_at FROM tasks") == before


@pytest.mark.parametrize("by", [-YEARS, YEARS])
def test_a_clock_set_far_leaves_a_lookup_the_time_that_it_had(house: House, by: int) -> None:
    house.record("--lookup", "c-1")
    with loop_by_hand(house) as made:
        loop, clock = made.loop, made.clock
        loop.step()
        ((recorded_at, due_at),) = house.rows("SELECT recorded_at, due_at FROM lookups")
        clock.jump(by)
        loop.step()
        ((recorded_after, due_after),) = house.rows("SELECT recorded_at, due_at FROM lookups")
    assert abs(recorded_after - recorded_at - by) < 5_000
    assert due_after == due_at or abs(due_after - due_at - by) < 5_000, "due at once, or as soon as it was"
    assert due_after <= due_at


def test_a_lookup_whose_time_is_by_a_clock_that_was_set_back_since_is_due(house: House) -> None:
    house.record("--lookup", "c-1")
    house.rows("UPDATE lookups SET due_at = due_at + ?1, leased_until = due_at + ?1", YEARS)
    with open_store(house.database) as store:
        now = store.now(Clock())
        assert searches.is_due(store, now)
        with store.write():
            assert searches.claim(store, now, now + 1)
            assert not searches.is_due(store, now)
