"""Which looks are made first, and that no two claim the same one."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.database import DONE, LEASE, NOW, SCHEDULE, Claiming, add, conclude, record, task_of
from tests.support.engine import changed_rows, elsewhere, hurry, said_to
from tests.support.examples import examples
from worker.core.pacing.claim_order import LATE_MS, deadline
from worker.core.pacing.decide import Collected, Withdrawn, decide
from worker.core.pacing.limiter import RateLimit
from worker.core.pacing.policy import Moment, Own, Policy
from worker.core.pacing.shared import Shared
from worker.core.schedule.fixed import FixedPlanner
from worker.rounds.poll import writing
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.tasks import polling as tasks

FLOOR = 20_000
HOUR, DAY = 3_600_000, 86_400_000


def claim(store: Store, due_by: int, until: int, limit: int = 9, *, calm: bool = False) -> list[str]:
    find = tasks.due_without_failure if calm else tasks.due
    found = find(store, 0, due_by, limit, due_by)
    tasks.lease(store, [task.seq for task in found], until)
    return [task.id for task in found]


# --- the statements


def test_what_another_process_has_claimed_since_is_not_given_back(store: Store, path: Path) -> None:
    """A process that was stopped for longer than a lease finds what it had handed out ahead in other hands."""
    add(store, [NOW, NOW])
    ours, theirs = NOW + 35_000, NOW + 80_000
    policy = Policy(SCHEDULE, RateLimit(1, 5), ours - NOW, FixedPlanner(SCHEDULE))
    with store.write():
        tasks.lease(store, [1, 2], ours)
        tasks.lease(store, [2], theirs)
        heard = Collected((), [Withdrawn(1, NOW), Withdrawn(2, NOW)], tasks.by_seq(store, [1, 2], 0))
        decision = decide(policy, Own(NOW), Shared(), heard, (), Moment(NOW, NOW, 0))
        writing.write(store, decision.intents, NOW, ours)
    assert elsewhere(path, "SELECT due_at, leased_until FROM tasks ORDER BY seq") == [(NOW, None), (NOW, theirs)]


def test_claims_take_the_longest_due_first_and_hold_them_for_the_lease(store: Store, path: Path) -> None:
    for n, at in enumerate((30, 10, 20, 99)):
        record(store, f"t{n}", now=NOW + at * 1000)
    due = dict(elsewhere(path, "SELECT id, due_at FROM tasks"))
    with store.write():
        claimed = claim(store, due["t0"], LEASE, limit=2)
    assert claimed == ["t1", "t2"]
    with store.write():
        assert claim(store, due["t0"], LEASE, limit=9) == ["t0"]
        assert claim(store, due["t0"], LEASE, limit=9) == []
    assert dict(elsewhere(path, "SELECT id, due_at FROM tasks")) == due
    assert dict(elsewhere(path, "SELECT id, leased_until FROM tasks")) == {
        **dict.fromkeys(("t0", "t1", "t2"), LEASE),
        "t3": None,
    }
    assert tasks.next_due(store) == due["t3"]
    with store.write():
        assert claim(store, LEASE, LEASE + 1, limit=9) == ["t1", "t2", "t0", "t3"], "the leases have run out"


def test_claims_leave_out_what_is_under_way_and_probe_with_the_calm_ones(store: Store) -> None:
    record(store, "troubled", now=NOW)
    record(store, "calm", now=NOW + 1000)
    with store.write():
        old = task_of(store, 1)
        tasks.save(store, old, old._replace(failures=3), NOW)
    with store.write():
        assert claim(store, NOW * 2, NOW * 3, limit=1, calm=True) == ["calm"]
        assert claim(store, NOW * 2, NOW * 3, limit=9) == ["troubled"]


def test_only_pending_tasks_are_claimed(store: Store) -> None:
    record(store, "a", "b")
    conclude(store, DONE)
    with store.write():
        old = task_of(store, 2)
        tasks.save(store, old, old._replace(state="abandoned", due_at=None), NOW)
        assert claim(store, NOW * 9, NOW * 9, limit=9) == []


@pytest.mark.parametrize("count", [1, 2, 4, 5, 16, 17, 63, 64, 65, 128, 150])
def test_leases_are_few_statements_of_few_lengths_and_touch_no_other_row(store: Store, path: Path, count: int) -> None:
    add(store, [NOW] * 200)
    wanted = list(range(200, 200 - count, -1))
    with said_to(store) as said, store.write():
        tasks.lease(store, wanted, LEASE)
    updates = [text for text in said if text.startswith("UPDATE")]
    assert len(updates) == -(-count // tasks.MOST_ROWS)
    assert {text.count(",") for text in updates} <= {0, 3, 15, 63}
    leased = elsewhere(path, "SELECT seq FROM tasks WHERE leased_until = ? ORDER BY seq DESC", LEASE)
    assert [seq for (seq,) in leased] == wanted
    assert elsewhere(path, "SELECT count(*) FROM tasks WHERE due_at = ? AND leased_until IS NULL", NOW) == [
        (200 - count,)
    ]


def test_no_lease_is_no_statement(store: Store) -> None:
    with store.write():
        before = changed_rows(store)
        tasks.lease(store, [], LEASE)
        tasks.replan(store, [], NOW)
        assert changed_rows(store) == before


# --- late ones and others


def waits(store: Store, dues: Sequence[tuple[int, int]]) -> None:
    """Tasks 1, 2 …: (due, and how long before that it was planned), both from ``NOW``."""
    add(store, [NOW + due for due, _ in dues])
    with store.write():
        for seq, (due, wait) in enumerate(dues, 1):
            store.execute("UPDATE tasks SET pending_at = ? WHERE seq = ?", (NOW + due - wait, seq))


def test_of_the_last_minute_the_earliest_deadline_comes_first(store: Store, path: Path) -> None:
    dues = [(-20_000, HOUR), (-9_000, 40_000), (-5_000, 15_000), (-1_000, 1_000), (-50_000, 90_000)]
    waits(store, dues)
    by = sorted(range(1, 6), key=lambda seq: deadline(dues[seq - 1][0], dues[seq - 1][0] - dues[seq - 1][1]))
    assert by == [5, 4, 3, 2, 1]
    claiming = Claiming(store)
    assert [claiming.taken(2) for _ in range(3)] == [[5, 4], [3, 2], [1]]


def test_while_there_are_late_looks_half_of_the_slots_are_theirs(store: Store) -> None:
    add(store, [NOW - LATE_MS - n for n in range(20, 0, -1)] + [NOW - LATE_MS + n for n in range(1, 21)])
    claiming = Claiming(store)
    assert claiming.taken(6) == [1, 2, 3, 21, 22, 23]
    assert claiming.taken(6) == [4, 5, 6, 24, 25, 26]


def test_an_odd_slot_and_a_single_one_go_to_late_looks_and_others_in_turn(store: Store) -> None:
    add(store, [NOW - LATE_MS - n for n in range(20, -1, -1)] + [NOW - LATE_MS + n for n in range(1, 21)])
    claiming = Claiming(store)
    assert [claiming.taken(3) for _ in range(2)] == [[1, 2, 22], [3, 23, 24]]
    assert [claiming.taken(1) for _ in range(4)] == [[4], [25], [5], [26]]


@pytest.mark.parametrize(("late", "others"), [(9, 1), (1, 9), (10, 0), (0, 10)])
def test_what_one_half_does_not_need_is_the_others(store: Store, late: int, others: int) -> None:
    add(store, [NOW - DAY] * late + [NOW] * others)
    assert len(Claiming(store).taken(10)) == 10


@pytest.mark.parametrize("slots", [1, 2, 3, 7, 30])
def test_what_is_due_is_claimed_once_and_what_is_not_is_left(store: Store, path: Path, slots: int) -> None:
    add(store, [NOW - 5, NOW + 1, NOW - 3, NOW, NOW + 2, NOW - 9, NOW - 3])
    claiming = Claiming(store)
    claimed: list[int] = []
    while got := claiming.taken(slots):
        assert len(got) <= slots
        claimed += got
    assert sorted(claimed) == [1, 3, 4, 6, 7]
    assert elsewhere(path, "SELECT seq FROM tasks WHERE leased_until IS NULL") == [(2,), (5,)]


def test_a_pass_over_few_tasks_asks_the_database_once(store: Store) -> None:
    add(store, [NOW, NOW, NOW])
    with said_to(store) as said:
        assert len(Claiming(store).taken(20)) == 3
    assert sum("due_at <= " in text for text in said) == 1


@examples(25)
@example(backlog=126, slots=6, shares=[3], flood=1)  # the last of the 128 read first is as old as the next
@given(
    backlog=st.integers(0, 150),
    slots=st.integers(1, 12),
    shares=st.lists(st.integers(0, 6), min_size=1, max_size=8),
    flood=st.sampled_from([1, 1, 4]),
)
def test_neither_the_overdue_nor_the_fresh_starve(backlog: int, slots: int, shares: list[int], flood: int) -> None:
    """With an end of the queue for each: whoever has waited longest is asked within 2 * place / slots passes, however
    much comes in; and while what comes in needs no more than half of the slots, it is asked in the pass it falls due.
    """
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder, "cdpoll.db"), create=True) as store:
        hurry(store)
        add(store, [NOW - DAY + n for n in range(backlog)])
        claiming, claimed_in, came, known = Claiming(store), dict[int, int](), dict[int, int](), backlog
        passes = 2 * backlog // slots + 3
        for number in range(passes):
            fresh = min(shares[number % len(shares)], slots // 2) * flood
            now = NOW + 100 * number
            add(store, [now] * fresh, known + 1)
            came |= dict.fromkeys(range(known + 1, known + 1 + fresh), number)
            known += fresh
            for seq in claiming.taken(slots, now):
                assert seq not in claimed_in
                claimed_in[seq] = number
        for place in range(1, backlog + 1):
            assert claimed_in[place] <= -(-2 * place // slots)
        if flood == 1:
            assert all(claimed_in[seq] == number for seq, number in came.items())


# --- some, not all


def test_rows_that_are_held_are_not_claimed(store: Store) -> None:
    add(store, [NOW - n for n in range(9, 0, -1)])
    assert Claiming(store).taken(4, under_way=frozenset({1, 2, 4})) == [3, 5, 6, 7]


def test_a_pass_over_some_rows_takes_those_and_the_longest_due_first(store: Store) -> None:
    add(store, [NOW - n for n in range(9, 0, -1)])
    claiming = Claiming(store)
    assert claiming.taken(2, only=frozenset({3, 5, 7})) == [3, 5]
    assert claiming.taken(2, only=frozenset({3, 5, 7})) == [7]
    assert claiming.taken(2, only=frozenset()) == []


def test_a_step_of_probes_begins_with_the_newest_calm_one(store: Store) -> None:
    add(store, [NOW - n for n in range(9, 0, -1)])
    with store.write():
        store.execute("UPDATE tasks SET failures = 1, last_error = 'timeout' WHERE seq IN (1, 2, 9)")
    claiming = Claiming(store)
    assert [claiming.taken(1, probing=True) for _ in range(3)] == [[8], [7], [6]]
    assert [claiming.taken(9, probing=True) for _ in range(3)] == [[5, 3], [4, 1], [2, 9]], "and the health check"
