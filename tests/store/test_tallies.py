"""The counts that `status` reads equal those of counting the rows, after every way to change a task."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.support.cdpoll_process import House
from tests.support.database import DONE, NOW, SCHEDULE, conclude, record, task_of
from tests.support.examples import examples
from worker.core.lifecycle import after
from worker.core.vendor.reply import Garbled, Reply, Unknown, Unreachable
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.tasks import by_hand, tallies
from worker.store.tasks import polling as tasks

RECOUNTED = """
SELECT 'state' AS name, state AS key, count(*) AS n FROM tasks GROUP BY state
UNION ALL SELECT 'outcome', outcome, count(*) FROM tasks WHERE outcome IS NOT NULL GROUP BY outcome
UNION ALL SELECT 'error', last_error, count(*) FROM tasks
WHERE state = 'pending' AND last_error IS NOT NULL GROUP BY last_error
UNION ALL SELECT 'failing', last_error, count(*) FROM tasks
WHERE state = 'pending' AND last_error IS NOT NULL AND failures >= 3 GROUP BY last_error
"""


def agree(store: Store) -> None:
    counted = {(row["name"], row["key"]): row["n"] for row in store.read(RECOUNTED)}
    kept = {(row["name"], row["key"]): row["n"] for row in store.read("SELECT name, key, n FROM tallies WHERE n <> 0")}
    assert kept == counted


IDS = ("a", "b", "c", "d")
replies = st.sampled_from([Unknown(), Unreachable("timeout"), Garbled("html"), Garbled("unknown_status")])


class Histories(RuleBasedStateMachine):
    """Whatever may happen to four tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.store = open_store(":memory:", create=True)
        self.now = NOW

    def teardown(self) -> None:
        self.store.close()

    @invariant()
    def the_counts_are_right(self) -> None:
        agree(self.store)

    def _seq(self, one: str) -> int | None:
        row = self.store.one("SELECT seq FROM tasks WHERE id = :id", {"id": one})
        return None if row is None else int(row["seq"])

    @rule(one=st.sampled_from(IDS))
    def is_recorded(self, one: str) -> None:
        record(self.store, one, now=self.now)

    @rule(one=st.sampled_from(IDS), reply=replies, later=st.integers(0, 40 * 86_400_000))
    def is_polled_in_vain(self, one: str, reply: Reply, later: int) -> None:
        seq = self._seq(one)
        if seq is not None:
            self.now += later
            with self.store.write():
                old = task_of(self.store, seq)
                tasks.save(self.store, old, after(old, reply, self.now, SCHEDULE), self.now)

    @rule(one=st.sampled_from(IDS), outcome=st.sampled_from(["success", "failure"]))
    def is_concluded(self, one: str, outcome: str) -> None:
        seq = self._seq(one)
        if seq is not None:
            conclude(self.store, DONE | {"id": one, "status": outcome}, seq, self.now)

    @rule(one=st.sampled_from(IDS), what=st.sampled_from([by_hand.retry, by_hand.abandon, None]))
    def is_handled(self, one: str, what: Callable[..., object] | None) -> None:
        if what is None:
            by_hand.due_now(self.store, [one], self.now, "ann")
        else:
            what(self.store, [one], self.now, "somebody")

    @rule(one=st.sampled_from(IDS))
    def is_purged(self, one: str) -> None:
        with self.store.write():
            self.store.execute("DELETE FROM tasks WHERE id = :id", {"id": one})


def test_they_are_what_counting_the_rows_gives_after_any_history() -> None:
    run_state_machine_as_test(Histories, settings=settings(examples(40), stateful_step_count=30))


@given(st.integers(0, 4))
@examples(5)
def test_a_poll_that_finds_a_task_still_failing_moves_it_once(failures: int) -> None:
    with open_store(":memory:", create=True) as store:
        record(store, "a")
        for n in range(failures):
            with store.write():
                old = task_of(store, 1)
                tasks.save(store, old, after(old, Unreachable("timeout"), NOW + n, SCHEDULE), NOW + n)
        assert tallies.by_error(store) == ({"timeout": 1} if failures else {})
        assert tallies.by_lasting_error(store) == ({"timeout": 1} if failures >= 3 else {})


def test_a_transaction_that_fails_counts_nothing(store: Store) -> None:
    try:
        with store.write():
            store.execute(
                "INSERT INTO tasks (id, origin, state, source, recorded_at, life_from, paused_base, due_at)"
                " VALUES ('a', '', 'pending', 'id', 1, 1, 0, 1)"
            )
            assert tallies.by_state(store)["pending"] == 1
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    agree(store)
    assert tallies.by_state(store) == {"pending": 0, "concluded": 0, "abandoned": 0}


def test_they_are_right_after_every_command_that_changes_a_task(tmp_path: Path, house: House) -> None:
    for command in (
        ("record", "a", "b", "c"),
        ("record", "a"),
        ("abandon", "a", "b"),
        ("retry", "b"),
        ("abandon", "c"),
        ("poll", "b", "c"),
        ("run", "--once"),
    ):
        house.cdpoll(*command)
        with open_store(house.database) as store:
            agree(store)
    with open_store(house.database) as store:
        assert tallies.by_state(store) == {"pending": 1, "concluded": 0, "abandoned": 2}
