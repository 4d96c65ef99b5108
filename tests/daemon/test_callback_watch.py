"""Both lanes as one: polls wait for callbacks while these arrive, and only then."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from tests.support.database import DONE, NOW, ORIGIN, concluded, task_of
from tests.support.kept_log import KeptLog
from worker.clock import Clock
from worker.core.intake.intake import Recording
from worker.core.lifecycle import after
from worker.core.pacing.decide import Conclusion, Intents
from worker.core.schedule.cadence import Schedule
from worker.daemon.callback_watch import PORTION_TASKS, Awaited, CallbackWatch
from worker.rounds.poll import writing
from worker.store.conclude import conclude
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import callback_lane
from worker.store.tasks.recording import record

MINUTE, HOUR = 60_000, 3_600_000
GRACE = 45 * MINUTE
SCHEDULE = Schedule(callback_grace=GRACE)
ON, OFF = Awaited(True, GRACE, 10_000), Awaited(False, GRACE, 10_000)


class Lanes:
    """A database with the daemon's look at callbacks, and what happens to tasks."""

    def __init__(self, store: Store) -> None:
        self.store, self.log, self.now = store, KeptLog(), NOW
        self.watch = CallbackWatch(store)

    def look(self, awaited: Awaited = ON) -> None:
        while self.watch.look(awaited, self.now, self.log):
            pass
        self.now += 1_000

    def record(self, *ids: str, schedule: Schedule = SCHEDULE) -> None:
        found = [Recording(task_id, "id") for task_id in ids]
        record(self.store, found, (), origin=ORIGIN, now=self.now, schedule=schedule)

    def row(self, task_id: str) -> dict[str, object]:
        (row,) = self.store.read("SELECT * FROM tasks WHERE id = :id", {"id": task_id})
        return dict(row)

    def polled(self, task_id: str, ended_at: int) -> None:
        """A poll finds that the task ended then."""
        old, reply = task_of(self.store, int(str(self.row(task_id)["seq"]))), concluded(DONE | {"id": task_id})
        document = replace(reply.document, ended_at=ended_at)
        new = after(old, replace(reply, document=document), self.now, SCHEDULE)
        with self.store.write():
            writing.write(self.store, Intents(conclusions=(Conclusion(old, new, document),)), self.now, self.now)

    def called_back(self, task_id: str, *, fresh: bool) -> None:
        seq = int(str(self.row(task_id)["seq"]))
        with self.store.write():
            conclude(
                self.store, task_of(self.store, seq), concluded(DONE | {"id": task_id}).document, "callback", self.now
            )
            self.store.execute("UPDATE tasks SET callback_at = :now WHERE seq = :seq", {"now": self.now, "seq": seq})
            callback_lane.heard(self.store, fresh=fresh, now=self.now)

    @property
    def down(self) -> bool:
        return callback_lane.get(self.store).down_since is not None

    def miss(self, ids: Sequence[str]) -> None:
        """Polls find these tasks, whose callbacks never came."""
        for task_id in ids:
            self.polled(task_id, self.now)
        self.now += GRACE


@pytest.fixture
def lanes(tmp_path: Path) -> Lanes:
    lanes = Lanes(open_store(tmp_path / "cdpoll.db", create=True))
    lanes.look()
    return lanes


def test_the_first_poll_waits_for_the_callback(lanes: Lanes) -> None:
    lanes.record("alone", schedule=Schedule())
    lanes.record("waits")
    alone, waits = lanes.row("alone"), lanes.row("waits")
    assert (alone["reason"], waits["reason"]) == ("first", "callback")
    assert waits["due_at"] == lanes.now + Schedule().first_poll("waits") + GRACE
    assert callback_lane.waiting(lanes.store) == 1


def test_three_that_polls_have_found_say_that_callbacks_are_down(lanes: Lanes) -> None:
    lanes.record("a", "b", "c", "waits")
    lanes.miss("ab")
    lanes.look()
    assert not lanes.down, "one may be lost, and two by accident"
    lanes.polled("c", lanes.now)
    lanes.now += GRACE - 2_000
    lanes.look()
    assert not lanes.down, "its callback may still come"
    lanes.now += 2_000
    lanes.look()
    assert lanes.down
    assert lanes.row("waits")["reason"] == "no_callback"
    assert lanes.row("waits")["due_at"] == NOW + 1_000 + 10_000, "as without callbacks"
    lanes.record("new")
    assert lanes.row("new")["reason"] == "first"


def test_a_callback_that_came_after_the_poll_is_not_missing(lanes: Lanes) -> None:
    lanes.record("a", "b", "c", "d")
    for task_id in "abc":
        lanes.polled(task_id, lanes.now)
    lanes.called_back("a", fresh=False)
    lanes.now += GRACE
    lanes.look()
    assert not lanes.down


def test_what_ended_before_the_last_fresh_callback_says_nothing(lanes: Lanes) -> None:
    lanes.record("a", "b", "c", "d")
    for task_id in "abc":
        lanes.polled(task_id, lanes.now)
    lanes.now += MINUTE
    lanes.called_back("d", fresh=True)
    lanes.now += GRACE
    lanes.look()
    assert not lanes.down


def test_a_fresh_callback_heals_and_a_replay_of_thousands_does_not(lanes: Lanes) -> None:
    lanes.record(*"abc", *(f"old{n}" for n in range(20)), "d")
    lanes.miss("abc")
    lanes.look()
    assert lanes.down
    for n in range(20):
        lanes.called_back(f"old{n}", fresh=False)
    assert lanes.down
    lanes.look()
    assert lanes.down
    lanes.called_back("d", fresh=True)
    lanes.look()
    assert not lanes.down
    lanes.now += 2 * GRACE
    lanes.look()
    assert not lanes.down, "the three from before do not count"
    lanes.record("new")
    assert lanes.row("new")["reason"] == "callback"


def test_tasks_that_were_recorded_before_callbacks_were_switched_on_say_nothing(tmp_path: Path) -> None:
    lanes = Lanes(open_store(tmp_path / "cdpoll.db", create=True))
    lanes.record(*"abc", schedule=Schedule())
    before = [lanes.row(task_id)["due_at"] for task_id in "abc"]
    lanes.now += 1
    lanes.look()
    assert [lanes.row(task_id)["due_at"] for task_id in "abc"] == before, "they keep their plan"
    lanes.miss("abc")
    lanes.look()
    assert not lanes.down


def test_switched_off_what_waits_is_polled_in_portions(lanes: Lanes) -> None:
    lanes.record(*(f"t{n}" for n in range(PORTION_TASKS + 1)))
    assert lanes.watch.look(OFF, lanes.now, lanes.log)
    assert callback_lane.waiting(lanes.store) == 1
    lanes.look(OFF)
    assert callback_lane.waiting(lanes.store) == 0
    assert callback_lane.get(lanes.store).on_since is None
    lanes.look(ON)
    assert callback_lane.get(lanes.store).on_since == lanes.now - 1_000
    assert [event.partition(":")[0] for event, _ in lanes.log.lines] == [
        "callbacks are configured",
        "callbacks were taken out of the configuration",
        "callbacks are configured",
    ]


def test_nothing_is_written_while_nothing_changes(lanes: Lanes) -> None:
    lanes.record("a")
    before = lanes.store.conn.total_changes
    for _ in range(5):
        lanes.look()
    assert lanes.store.conn.total_changes == before


def test_the_daemon_finds_it_says_it_and_polls_at_once(house: House, sandbox: Sandbox) -> None:
    house.write(callback_listen="127.0.0.1:9272", polling_callback_grace="1s")
    with house.start() as daemon:
        daemon.ready()
        until(lambda: house.status()["callbacks"]["on_since"], "the look at callbacks")
        house.record(*begin(sandbox, 3))
        assert house.value("SELECT count(*) FROM tasks WHERE reason = 'callback'") == 3
        until(lambda: "callbacks_down" in house.problems(), "the problem")
        assert "DOWN for " in house.cdpoll("status").text
        (late,) = begin(sandbox, 1, first=3)
        house.record(late)
        assert house.value("SELECT reason FROM tasks WHERE id = ?", late) == "first"
        with open_store(house.database) as store, store.write():
            callback_lane.heard(store, fresh=True, now=store.now(Clock()))
        until(lambda: "callbacks_down" not in house.problems(), "the end of it")
        assert daemon.stopped() == 0
