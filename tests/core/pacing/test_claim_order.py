"""Late polls and those of the last minute get half of the slots each, and which of the latter come first."""

from hypothesis import given
from hypothesis import strategies as st

from worker.core.pacing.claim_order import LATE_MS, MOST_PATIENCE_MS, deadline, in_order, late_slots
from worker.core.task import Task


@given(st.lists(st.integers(0, 20), max_size=50), st.integers(0, 10**9))
def test_half_for_late_polls_and_half_for_the_others(grants: list[int], made: int) -> None:
    late = others = 0
    for slots in grants:
        share = late_slots(slots, made)
        assert 0 <= share <= slots
        late, others, made = late + share, others + slots - share, made + slots
        assert abs(late - others) <= 1


def test_single_slots_take_turns() -> None:
    assert [late_slots(1, made) for made in range(4)] == [1, 0, 1, 0]


def test_the_deadline_by_hand() -> None:
    assert deadline(12_000, 0) == 15_600
    assert deadline(10_000, -120_000) == 40_000 == 10_000 + MOST_PATIENCE_MS
    assert deadline(5_000, 9_000) == 5_000  # planned for the past


@given(st.integers(0, 10**12), st.integers(0, 10**9), st.integers(0, 10**9))
def test_of_two_that_fall_due_together_the_one_planned_last_comes_first(due: int, wait: int, more: int) -> None:
    assert due <= deadline(due, due - wait) <= deadline(due, due - wait - more) <= due + MOST_PATIENCE_MS


def test_one_that_is_only_to_be_confirmed_has_the_longest_patience() -> None:
    pending = Task(1, "p", "pending", 0, 0, due_at=10_000)
    asked = Task(2, "v", "concluded", 0, 0, due_at=10_000, verify_at=10_000)
    assert in_order([asked, pending], 10_000).fresh == [pending, asked]
    assert in_order([asked, pending], 10_000 + LATE_MS).late == [pending, asked]
