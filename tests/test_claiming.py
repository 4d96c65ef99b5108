"""Which looks are made first, that no two claim the same one, and what is put off when requests have become dear."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.database import DONE, NOW, ORIGIN, SCHEDULE, conclude, elsewhere, record, task_of
from worker.core.fairness import LATE, deadline
from worker.core.learned import Knowledge, Learned
from worker.core.task import Task
from worker.rounds.claiming import MOST_PLANS, Claiming
from worker.store import tasks
from worker.store.db import Store

LEASE = NOW * 2
FLOOR = 20_000
HOUR, DAY = 3_600_000, 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdpoll.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


def claim(store: Store, due_by: int, until: int, **how: Any) -> list[str]:
    found = tasks.due(store, 0, due_by=due_by, **how)
    tasks.lease(store, [task.seq for task in found], until)
    return [task.id for task in found]


def add(store: Store, dues: Sequence[int], first: int = 1) -> None:
    """Tasks t1, t2 …, whose rows are numbered so, due at these instants."""
    with store.write():
        store.conn.executemany(
            "INSERT INTO tasks (seq, id, origin, state, source, recorded_at, life_from, paused_base, due_at)"
            " VALUES (?, ?, ?, 'pending', 'id', ?, ?, 0, ?)",
            [(n, f"t{n}", ORIGIN, due - 10_000, due - 10_000, due) for n, due in enumerate(dues, first)],
        )


def taken(store: Store, claiming: Claiming, slots: int, now: int = NOW, **how: Any) -> list[int]:
    """The rows that one pass claims."""
    plain: dict[str, Any] = {
        "due_by": now,
        "leased_until": LEASE,
        "not_seqs": frozenset(),
        "probing": False,
        "urgent": set(),
    }
    with store.write():
        claimed = claiming.claim(slots, 0, now, **{**plain, "only": None, **how})
    return [task.seq for task in claimed]


# --- the statements


def test_what_another_process_has_claimed_since_is_not_given_back(store: Store) -> None:
    """Whoever was stopped for longer than a lease finds what it had handed out ahead in other hands."""
    add(store, [NOW, NOW])
    ours, theirs = NOW + 35_000, NOW + 80_000
    with store.write():
        claimed = tasks.due(store, 0, due_by=NOW, limit=2)
        tasks.lease(store, [task.seq for task in claimed], ours)
        tasks.lease(store, [claimed[1].seq], theirs)
        tasks.release(store, [(task, ours) for task in claimed])
    assert [task_of(store, task.seq).due_at for task in claimed] == [NOW, theirs]


def test_claims_take_the_longest_due_first_and_push_the_lease(store: Store, path: Path) -> None:
    for n, at in enumerate((30, 10, 20, 99)):
        record(store, f"t{n}", now=NOW + at * 1000)
    due = dict(elsewhere(path, "SELECT id, due_at FROM tasks"))
    with store.write():
        claimed = claim(store, due["t0"], LEASE, limit=2)
    assert claimed == ["t1", "t2"]
    with store.write():
        assert claim(store, due["t0"], LEASE, limit=9) == ["t0"]
    assert dict(elsewhere(path, "SELECT id, due_at FROM tasks")) == {
        **dict.fromkeys(("t0", "t1", "t2"), LEASE),
        "t3": due["t3"],
    }


def test_claims_leave_out_what_is_in_the_air_and_probe_with_the_calm_ones(store: Store) -> None:
    record(store, "troubled", now=NOW)
    record(store, "calm", now=NOW + 1000)
    with store.write():
        old = task_of(store, 1)
        tasks.save(store, old, old._replace(failures=3), NOW)
    with store.write():
        assert claim(store, NOW * 2, NOW * 3, limit=1, calm=True) == ["calm"]
        assert claim(store, NOW * 4, NOW * 3, limit=9, not_seqs=[2]) == ["troubled"]


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
    said: list[str] = []
    store.conn.set_trace_callback(said.append)
    wanted = list(range(200, 200 - count, -1))
    with store.write():
        tasks.lease(store, wanted, LEASE)
    store.conn.set_trace_callback(None)
    updates = [text for text in said if text.startswith("UPDATE")]
    assert len(updates) == -(-count // tasks.MOST)
    assert {text.count(",") for text in updates} <= {1, 4, 16, 64}  # one more stands between the columns
    leased = elsewhere(path, "SELECT seq FROM tasks WHERE due_at = ? AND why = 'lease' ORDER BY seq DESC", LEASE)
    assert [seq for (seq,) in leased] == wanted
    assert elsewhere(path, "SELECT count(*) FROM tasks WHERE due_at = ? AND why = 'first'", NOW) == [(200 - count,)]


def test_no_lease_is_no_statement(store: Store) -> None:
    with store.write():
        before = store.conn.total_changes
        tasks.lease(store, [], LEASE)
        tasks.plan_anew(store, [], NOW)
        assert store.conn.total_changes == before


# --- late ones and others


def waits(store: Store, dues: Sequence[tuple[int, int]]) -> None:
    """Tasks 1, 2 …: (due, and how long before that it was planned), both from ``NOW``."""
    add(store, [NOW + due for due, _ in dues])
    with store.write():
        for seq, (due, wait) in enumerate(dues, 1):
            store.execute("UPDATE tasks SET seen_at = ? WHERE seq = ?", (NOW + due - wait, seq))


def test_of_the_last_minute_the_earliest_deadline_comes_first(store: Store, path: Path) -> None:
    dues = [(-20_000, HOUR), (-9_000, 40_000), (-5_000, 15_000), (-1_000, 1_000), (-50_000, 90_000)]
    waits(store, dues)
    by = sorted(range(1, 6), key=lambda seq: deadline(dues[seq - 1][0], dues[seq - 1][0] - dues[seq - 1][1]))
    assert by == [5, 4, 3, 2, 1]
    claiming = Claiming(store, None)
    assert [taken(store, claiming, 2) for _ in range(3)] == [[5, 4], [3, 2], [1]]


def test_while_there_are_late_looks_half_of_the_slots_are_theirs(store: Store) -> None:
    add(store, [NOW - LATE - n for n in range(20, 0, -1)] + [NOW - LATE + n for n in range(1, 21)])
    claiming = Claiming(store, None)
    assert taken(store, claiming, 6) == [1, 2, 3, 21, 22, 23]
    assert taken(store, claiming, 6) == [4, 5, 6, 24, 25, 26]


def test_an_odd_slot_and_a_single_one_go_to_late_looks_and_others_in_turn(store: Store) -> None:
    add(store, [NOW - LATE - n for n in range(20, -1, -1)] + [NOW - LATE + n for n in range(1, 21)])
    claiming = Claiming(store, None)
    assert [taken(store, claiming, 3) for _ in range(2)] == [[1, 2, 22], [3, 23, 24]]
    assert [taken(store, claiming, 1) for _ in range(4)] == [[4], [25], [5], [26]]


@pytest.mark.parametrize(("late", "others"), [(9, 1), (1, 9), (10, 0), (0, 10)])
def test_what_one_half_does_not_need_is_the_others(store: Store, late: int, others: int) -> None:
    add(store, [NOW - DAY] * late + [NOW] * others)
    assert len(taken(store, Claiming(store, None), 10)) == 10


@pytest.mark.parametrize("slots", [1, 2, 3, 7, 30])
def test_what_is_due_is_claimed_once_and_what_is_not_is_left(store: Store, path: Path, slots: int) -> None:
    add(store, [NOW - 5, NOW + 1, NOW - 3, NOW, NOW + 2, NOW - 9, NOW - 3])
    claiming = Claiming(store, None)
    claimed: list[int] = []
    while got := taken(store, claiming, slots):
        assert len(got) <= slots
        claimed += got
    assert sorted(claimed) == [1, 3, 4, 6, 7]
    assert elsewhere(path, "SELECT seq FROM tasks WHERE why <> 'lease'") == [(2,), (5,)]


def test_a_pass_over_few_tasks_asks_the_database_once(store: Store) -> None:
    add(store, [NOW, NOW, NOW])
    said: list[str] = []
    store.conn.set_trace_callback(said.append)
    assert len(taken(store, Claiming(store, None), 20)) == 3
    store.conn.set_trace_callback(None)
    assert sum("due_at <= " in text for text in said) == 1


@settings(max_examples=25)
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
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder, "cdpoll.db")) as store:
        store.conn.execute("PRAGMA synchronous = OFF")
        add(store, [NOW - DAY + n for n in range(backlog)])
        claiming, claimed_in, came, known = Claiming(store, None), dict[int, int](), dict[int, int](), backlog
        passes = 2 * backlog // slots + 3
        for number in range(passes):
            fresh = min(shares[number % len(shares)], slots // 2) * flood
            now = NOW + 100 * number
            add(store, [now] * fresh, known + 1)
            came |= dict.fromkeys(range(known + 1, known + 1 + fresh), number)
            known += fresh
            for seq in taken(store, claiming, slots, now):
                assert seq not in claimed_in
                claimed_in[seq] = number
        for place in range(1, backlog + 1):
            assert claimed_in[place] <= -(-2 * place // slots)
        if flood == 1:
            assert all(claimed_in[seq] == number for seq, number in came.items())


# --- some, not all


def test_rows_that_are_held_are_not_claimed(store: Store) -> None:
    add(store, [NOW - n for n in range(9, 0, -1)])
    assert taken(store, Claiming(store, None), 4, not_seqs=frozenset({1, 2, 4})) == [3, 5, 6, 7]


def test_a_pass_over_some_rows_takes_those_and_the_longest_due_first(store: Store) -> None:
    add(store, [NOW - n for n in range(9, 0, -1)])
    claiming = Claiming(store, None)
    assert taken(store, claiming, 2, only=frozenset({3, 5, 7})) == [3, 5]
    assert taken(store, claiming, 2, only=frozenset({3, 5, 7})) == [7]
    assert taken(store, claiming, 2, only=frozenset()) == []


def test_a_probe_goes_to_the_calm_one_that_is_due_for_longest(store: Store) -> None:
    add(store, [NOW - n for n in range(9, 0, -1)])
    with store.write():
        store.execute("UPDATE tasks SET failures = 1, last_error = 'timeout' WHERE seq IN (1, 2, 9)")
    claiming = Claiming(store, None)
    assert [taken(store, claiming, 1, probing=True) for _ in range(3)] == [[3], [4], [5]]
    assert taken(store, claiming, 9, probing=True) == [6, 7, 8, 1, 2, 9]


def test_urgent_rows_come_first_and_are_struck_off_as_they_are_taken(store: Store) -> None:
    add(store, [NOW - n for n in range(9, 0, -1)])
    claiming, urgent = Claiming(store, None), {4, 5, 6}
    assert taken(store, claiming, 2, urgent=urgent) == [4, 5]
    assert urgent == {6}
    assert taken(store, claiming, 3, urgent=urgent) == [6, 1, 2]
    assert urgent == set()


def test_of_the_urgent_rows_that_are_not_to_be_had_nothing_is_remembered(store: Store) -> None:
    """One was looked at meanwhile, one concluded, one is in the air."""
    add(store, [NOW - 4, NOW + 9, NOW - 3, NOW - 2, NOW - 1])
    with store.write():
        store.execute("UPDATE tasks SET state = 'concluded', outcome = 'failure', due_at = NULL WHERE seq = 3")
    urgent = {2, 3, 4}
    assert taken(store, Claiming(store, None), 2, urgent=urgent, not_seqs=frozenset({4})) == [1, 5]
    assert urgent == set()


def test_what_is_urgent_is_not_put_off_though_it_was_planned_cheaply(store: Store) -> None:
    due_at = max(task.due_at or 0 for task in planned(store, [600_000] * 2))
    assert taken(store, Claiming(store, learned(9 * FLOOR)), 5, due_at, urgent={2}) == [2]


@pytest.mark.parametrize("how", [{"probing": True}, {"only": frozenset({1, 2})}], ids=["a probe", "some tasks"])
def test_a_probe_and_a_pass_over_some_tasks_know_nothing_urgent(store: Store, how: dict[str, Any]) -> None:
    add(store, [NOW - 3, NOW - 2, NOW - 1])
    urgent = {3}
    assert taken(store, Claiming(store, None), 1, urgent=urgent, **how) == [1]
    assert urgent == {3}


# --- planned when requests were cheaper


def learned(price: float) -> Learned:
    return Learned(SCHEDULE, FLOOR, Knowledge({}, price, 0))


def planned(store: Store, ages: Sequence[int], price: float = FLOOR) -> list[Task]:
    """Tasks seen pending at these ages, and planned from there on at ``price``."""
    plans = learned(price)
    found = []
    add(store, [NOW] * len(ages))
    with store.write():
        for seq, age in enumerate(ages, 1):
            store.execute(
                "UPDATE tasks SET recorded_at = ?, life_from = ?, seen_at = ?, last_poll_at = ?",
                (NOW - age, NOW - age, NOW, NOW),
            )
            task = task_of(store, seq)._replace(
                recorded_at=NOW - age, life_from=NOW - age, seen_at=NOW, last_poll_at=NOW, kind="other"
            )
            look = plans.next_look(task, NOW)
            found.append(task._replace(due_at=NOW + look.wait, why=look.why, price=look.price))
            store.execute(
                "UPDATE tasks SET recorded_at = :at, life_from = :at, seen_at = :now, last_poll_at = :now, "
                " kind = 'other', due_at = :due,"
                " why = :why, price = :price WHERE seq = :seq",
                {"at": NOW - age, "now": NOW, "due": NOW + look.wait, "why": look.why, "price": look.price, "seq": seq},
            )
    return found


def test_a_look_planned_when_requests_were_cheaper_is_put_off(store: Store) -> None:
    (before,) = planned(store, [600_000])
    assert before.due_at is not None
    dear = learned(9 * FLOOR)
    assert taken(store, Claiming(store, dear), 5, before.due_at) == []
    now = task_of(store, 1)
    assert now.due_at is not None
    assert now.due_at > before.due_at + (before.due_at - NOW)  # three times the wait, by the root of the price
    assert (now.price, now.why, now.seen_at) == (9 * FLOOR, "learned", NOW)
    assert now._replace(due_at=before.due_at, price=before.price, why=before.why) == before
    assert taken(store, Claiming(store, dear), 5, now.due_at - 1) == []
    assert taken(store, Claiming(store, dear), 5, now.due_at) == [1]


def test_what_is_put_off_leaves_its_slot_to_others(store: Store) -> None:
    tasks_before = planned(store, [600_000] * 9)
    latest = max(task.due_at or 0 for task in tasks_before)
    with store.write():
        store.execute("UPDATE tasks SET price = ? WHERE seq IN (2, 5, 8)", (9 * FLOOR,))
    assert sorted(taken(store, Claiming(store, learned(9 * FLOOR)), 3, latest)) == [2, 5, 8]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("why = 'hand'", "a person asked for it"),
        ("why = 'retry'", "a person asked for it"),
        ("why = 'backoff'", "it failed"),
        ("why = 'again'", "it was put off already"),
        ("why = 'hint'", "the list shows it as concluded"),
        ("price = NULL", "the written cadence planned it"),
    ],
)
def test_what_no_price_has_planned_is_not_put_off(store: Store, change: str, why: str) -> None:
    (task,) = planned(store, [600_000])
    with store.write():
        store.execute(f"UPDATE tasks SET {change}")
    assert taken(store, Claiming(store, learned(9 * FLOOR)), 5, task.due_at or 0) == [1], why


def test_a_little_dearer_is_no_reason_nor_is_a_probe(store: Store) -> None:
    (task,) = planned(store, [600_000])
    due_at = task.due_at or 0
    assert taken(store, Claiming(store, learned(1.05 * FLOOR)), 5, due_at) == [1]
    with store.write():
        tasks.release(store, [(task, LEASE)])
    assert taken(store, Claiming(store, learned(9 * FLOOR)), 1, due_at, probing=True) == [1]


@settings(max_examples=40)
@given(
    ages=st.lists(st.integers(0, 30 * DAY), min_size=1, max_size=12),
    factor=st.floats(1.2, 4_000),
    late=st.integers(0, 7 * 3_600_000),
)
def test_no_look_is_put_off_beyond_the_longest_interval(ages: list[int], factor: float, late: int) -> None:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder, "cdpoll.db")) as store:
        store.conn.execute("PRAGMA synchronous = OFF")
        before = planned(store, ages)
        now = max(task.due_at or 0 for task in before) + late
        claimed = taken(store, Claiming(store, learned(factor * FLOOR)), 50, now)
        for task in before:
            kept = task_of(store, task.seq)
            assert kept.due_at is not None
            if kept.seq in claimed:
                assert kept.due_at == LEASE
            else:
                assert now < kept.due_at <= NOW + SCHEDULE.max_interval
                assert (kept.seen_at, kept.price) == (NOW, round(factor * FLOOR))


def test_so_many_are_planned_in_a_pass_and_the_rest_right_after(store: Store, path: Path) -> None:
    count = 2 * MOST_PLANS + 50
    now = max(task.due_at or 0 for task in planned(store, [600_000] * count))
    claiming = Claiming(store, learned(9 * FLOOR))
    moved = 0
    for most in (MOST_PLANS, MOST_PLANS, 50):
        next_due = tasks.next_due(store)
        assert next_due is not None
        assert next_due <= now, "the round comes again at once"
        assert taken(store, claiming, 10, now) == []
        ((after,),) = elsewhere(path, "SELECT count(*) FROM tasks WHERE price = ?", 9 * FLOOR)
        assert most <= after - moved < most + 10
        moved = after
    assert moved == count
    next_due = tasks.next_due(store)
    assert next_due is not None
    assert next_due > now
