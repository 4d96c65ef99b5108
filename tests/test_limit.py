"""The limiter never grants more than rate and burst allow, over any stretch of time."""

from hypothesis import given
from hypothesis import strategies as st

from worker.core.limit import Limit, grant

steps = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 20)), max_size=60)
limits = st.builds(Limit, st.floats(0.05, 500), st.integers(1, 50))


@given(limits, steps)
def test_never_more_than_rate_and_burst_over_any_stretch(limit: Limit, asked: list[tuple[int, int]]) -> None:
    now, tat, granted = 1_700_000_000_000, 0, []
    for step, wanted in asked:
        now += step
        g = grant(limit, tat, now, wanted)
        assert 0 <= g.slots <= wanted
        tat = g.tat
        granted.append((now, g.slots))
    for i in range(len(granted)):
        for j in range(i, len(granted)):
            stretch = (granted[j][0] - granted[i][0]) * 1000
            assert sum(n for _, n in granted[i : j + 1]) <= limit.burst + stretch / limit.spacing + 1e-9


@given(limits, st.integers(0, 10**6))
def test_the_promised_instant_has_a_slot_and_the_one_before_has_none(limit: Limit, ahead: int) -> None:
    now = 1_700_000_000_000
    tat = now * 1000 + min(ahead, limit.burst * limit.spacing)
    at = grant(limit, tat, now, 0).next_at
    assert grant(limit, tat, at, 1).slots == 1
    if at > now:
        assert grant(limit, tat, at - 1, 1).slots == 0


def test_all_slots_are_used_when_there_is_work() -> None:
    limit, now, tat, total = Limit(7.0, 5), 1_700_000_000_000, 0, 0
    for _ in range(1000):
        g = grant(limit, tat, now, 3)
        tat, total = g.tat, total + g.slots
        now = max(now + 1, grant(limit, tat, now, 0).next_at)
    elapsed = (now - 1_700_000_000_000) / 1000
    assert total >= 0.98 * (7.0 * elapsed)


def test_a_clock_set_back_does_not_silence_the_poller() -> None:
    limit = Limit(1.0, 5)
    later = grant(limit, 0, 1_700_000_000_000, 5)
    earlier = 1_700_000_000_000 - 3_600_000
    assert grant(limit, later.tat, earlier, 1).next_at <= earlier + 1000
