"""Both ends of what is due get half of the slots, however few there are at a time."""

from hypothesis import given
from hypothesis import strategies as st

from worker.core.fairness import ends


@given(st.lists(st.integers(0, 20), max_size=50), st.integers(0, 10**9))
def test_half_for_each_end(grants: list[int], made: int) -> None:
    oldest = newest = 0
    for slots in grants:
        here = ends(slots, made)
        assert sum(here) == slots
        assert min(here) >= 0
        oldest, newest, made = oldest + here[0], newest + here[1], made + slots
        assert abs(oldest - newest) <= 1


def test_single_slots_take_turns() -> None:
    assert [ends(1, made) for made in range(4)] == [(1, 0), (0, 1), (1, 0), (0, 1)]
