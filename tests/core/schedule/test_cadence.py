"""Cadence and backoff: two curves, pure functions, a few per cent of jitter."""

from hypothesis import given
from hypothesis import strategies as st

from worker.core.schedule.cadence import JITTER, Cadence, Schedule

S = Schedule()
MIN, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def close(actual: int, expected: float) -> bool:
    return abs(actual - expected) <= expected * JITTER + 1


def test_waits_grow_by_the_written_factor() -> None:
    age, wait = 0.0, 10_000.0
    for _ in range(8):
        age += wait
        wait *= 1.4
        assert close(S.wait(round(age), "t", 1), wait)


def test_the_three_pieces_meet() -> None:
    assert close(S.first_poll("t"), 10_000)
    assert close(S.wait(40 * MIN, "t", 1), 15 * MIN)
    assert close(S.wait(2 * HOUR, "t", 1), 15 * MIN)
    assert close(S.wait(5 * HOUR, "t", 1), 30 * MIN)
    assert close(S.wait(30 * DAY, "t", 1), 6 * HOUR)


@given(st.integers(-DAY, 60 * DAY), st.text(min_size=1), st.integers(0, 10_000))
def test_every_wait_is_within_the_limits(age: int, task_id: str, polls: int) -> None:
    wait = S.wait(age, task_id, polls)
    assert S.min_interval <= wait <= S.max_interval
    assert wait == S.wait(age, task_id, polls)


def test_jitter_spreads_tasks_recorded_together() -> None:
    waits = {S.wait(HOUR, f"task-{n}", 3) for n in range(100)}
    assert len(waits) > 90
    assert max(waits) - min(waits) > 15 * MIN * JITTER


def test_backoff_doubles_up_to_its_longest() -> None:
    assert [round(S.backoff(n, "t", 1) / S.backoff(1, "t", 1)) for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert close(S.backoff(50, "t", 1), 15 * MIN)
    assert close(S.backoff(50, "t", 1, S.max_interval), 6 * HOUR)


def test_probes_of_refused_credentials_are_slow() -> None:
    assert [S.probe(n) for n in (0, 1, 2, 99)] == [10_000, 20_000, 40_000, 5 * MIN]
    assert [S.probe(n, slowly=True) for n in (0, 1, 99)] == [MIN, 2 * MIN, 15 * MIN]


def test_a_faster_world_is_faster_throughout() -> None:
    fast = Schedule(Cadence(first=10, growth=1.4, ceiling=900), min_interval=1, max_interval=21_600)
    assert close(fast.wait(120_000, "t", 1), 12_000)
    assert close(fast.backoff(3, "t", 1), 40)
