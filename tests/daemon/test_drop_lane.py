"""The lane of the drop makes rounds until it is told to stop; errors and a set clock do not end them."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.support.cdpoll_process import DEADLINE
from tests.support.database import MACHINE
from tests.support.drop_house import EVERY, SETTLE, DropHouse, batch
from tests.support.frozen_clock import FrozenClock
from tests.support.kept_log import KeptLog
from tests.support.sshd import Sshd
from worker.core.instant import FAR
from worker.daemon.drop_lane import DropLane
from worker.daemon.faults import Faults
from worker.daemon.lane import LanePlan, Surroundings
from worker.daemon.lane_thread import LONGEST_WAIT_MS, RETRY_MS, LaneThread
from worker.daemon.notices import Notices
from worker.gateways.systemd import Notify
from worker.place import DatabasePlace
from worker.rounds.drop.round import DropRound
from worker.rounds.drop.work import STEP_BOUND_MS
from worker.store.opening import open_store
from worker.store.state import notices as kept
from worker.store.views import status as look
from worker.store.views.problems import StatusRules


@pytest.fixture
def house(tmp_path: Path, server: Sshd) -> DropHouse:
    return DropHouse(tmp_path, server)


class Running:
    """The lane's thread, to be started, or to be turned by hand."""

    def __init__(
        self, house: DropHouse, *, once: bool = False, clock: FrozenClock | None = None, every: int = EVERY
    ) -> None:
        self.notices = Notices()
        self.woken = threading.Event()
        plan = LanePlan("drop", "a round over the drop failed", partial(DropLane, replace(house.rules, every=every)))
        around = Surroundings(clock or house.clock, house.log, house.stop, once)
        faults = Faults(Notify(), self.notices, house.log)
        self.lane = LaneThread(plan, DatabasePlace(house.path), around, faults, self.woken.set)
        self.house = house
        open_store(house.path, create=True).close()  # the main thread makes it

    def turns(self, count: int) -> list[int]:
        """What the lane wants to wait for after each of ``count`` steps, ms; the time passes."""
        found = []
        for _ in range(count):
            found.append(self.lane.turn())
            self.house.clock.advance(min(found[-1], EVERY))
        return found

    def round(self) -> int:
        """Steps to the end of a round; how many there were."""
        for count in range(1, 100):
            if self.turns(1) != [0]:
                return count
        raise AssertionError("the round has no end")


@pytest.fixture
def running(house: DropHouse) -> Iterator[Running]:
    made = Running(house)
    yield made
    made.lane._let_go()


def test_the_lane_makes_rounds_until_it_is_told_to_stop(house: DropHouse) -> None:
    house.put("a.x12", batch("A"))
    told = threading.Event()

    class Turning(FrozenClock):
        """By the time of the second round, a second later, files have settled."""

        def wait(self, event: threading.Event, ms: int) -> bool:
            if ms != 1000:
                return super().wait(event, ms)
            self.advance(SETTLE)
            return event.is_set()

    class Telling(KeptLog):
        def info(self, event: str, **fields: object) -> None:
            super().info(event, **fields)
            told.set()

    house.log = Telling()
    lane = Running(house, clock=Turning(held=True), every=1000).lane
    lane.start()
    assert told.wait(DEADLINE)
    lane.stop()
    lane.join(40)
    assert not lane._thread.is_alive()
    assert [(event, fields["state"]) for event, fields in house.log.lines] == [("a batch file came in", "ingested")]
    assert house.rows("SELECT member_id FROM batch_answers") == [("A",)]


def test_each_step_of_a_round_is_one_of_the_lane_and_has_a_bound(house: DropHouse, running: Running) -> None:
    empty = running.round()
    house.put("a.x12", batch("A"))
    house.put("b.x12", batch("B"))
    assert running.round() == empty, "they have not settled yet"
    assert running.round() == empty + 4, "to fetch a file is a step, and to read it in another"
    assert house.rows("SELECT member_id FROM batch_answers ORDER BY 1") == [("A",), ("B",)]
    size = 16_000_000
    big = house.drop / "c.x12"
    with big.open("wb") as file:
        file.truncate(size)
    running.round()
    assert running.lane._lane is not None
    bounds = {running.lane._lane.bound_ms for _ in range(empty + 1) if running.turns(1) == [0]}
    assert bounds == {STEP_BOUND_MS, STEP_BOUND_MS + size // 16}


def test_what_one_lane_has_begun_another_goes_on_with_after_any_step(house: DropHouse) -> None:
    """Each step by a lane of its own, as if the process ended after every one of them."""
    house.put("a.x12", batch("A"))
    house.round()
    house.clock.advance(SETTLE)
    for steps in range(1, 20):
        one = Running(house)
        one.turns(steps)
        one.lane._let_go()
        if house.rows("SELECT state FROM files") == [("ingested",)]:
            break
    assert house.rows("SELECT member_id FROM batch_answers") == [("A",)]
    assert house.incoming() == []


def test_a_fault_of_ours_is_told_once_and_the_lane_goes_on(
    house: DropHouse, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.put("a.x12", batch("A"))
    left = [1, 1, 1]
    real = DropRound.run

    def faulty(self: DropRound, now: int) -> int:
        return 1 // (left.pop() - 1) if left else real(self, now)

    monkeypatch.setattr(DropRound, "run", faulty)
    assert running.turns(3) == [RETRY_MS] * 3
    assert running.round() > 3
    ((event, fields),) = house.log.lines
    assert event == "a round over the drop failed"
    assert str(fields["error"]).startswith("ZeroDivisionError at test_drop_lane.py:")
    assert running.woken.is_set(), "the main thread writes the notice"
    with open_store(house.path) as store:
        with store.write():
            running.notices.write(store, house.clock.at)
        found = look.status(store, house.clock.at, StatusRules(), MACHINE)["problems"]
    (fault,) = [one for one in found if one["code"] == "internal_fault"]
    assert fault["severity"] == "critical"
    assert "ZeroDivisionError at test_drop_lane.py:" in fault["hint"]


def test_a_fault_of_ours_in_a_single_round_is_said_and_has_its_exit_code(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DropRound, "run", lambda *_args, **_kwargs: 1 // 0)
    running = Running(house, once=True)
    running.lane.start()
    running.lane._thread.join(DEADLINE)
    assert not running.lane._thread.is_alive()
    assert (running.lane.idle, running.lane.exit_code) == (True, 70)
    assert [event for event, _ in house.log.lines] == ["a round over the drop failed"]
    with open_store(house.path) as store:
        with store.write():
            running.notices.write(store, house.clock.at)
        assert [(one.daemon, one.code) for one in kept.told(store)] == [("cdpoll", "internal_fault")]


def test_a_single_round_waits_for_files_to_settle_and_is_the_only_one(house: DropHouse) -> None:
    house.put("a.x12", batch("A"))
    running = Running(house, once=True)
    waits = []
    while not running.lane.idle:
        waits += running.turns(1)
    assert [wait for wait in waits[:-1] if wait] == [SETTLE]
    assert house.rows("SELECT member_id FROM batch_answers") == [("A",)]
    done = house.rows("SELECT value FROM meta WHERE key = 'sftp_rounds'")
    assert running.lane.turn() > FAR - house.clock.at - 1
    assert house.rows("SELECT value FROM meta WHERE key = 'sftp_rounds'") == done
    running.lane._let_go()


def test_a_clock_set_back_does_not_silence_the_lane(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []

    class Jumping(FrozenClock):
        """Waiting takes no time at all, and during the first wait somebody sets the time of day back by ten days."""

        def wait(self, event: threading.Event, ms: int) -> bool:
            assert ms <= LONGEST_WAIT_MS
            if not self.monotonic():
                self.jump(-10 * 86_400_000)
            self.advance(ms)
            return event.is_set()

    clock = Jumping()

    def counted(self: DropRound, now: int) -> int:
        rounds.append(clock.monotonic())
        if len(rounds) == 3:
            house.stop.set()
        self._work.steps.clear()
        self.close()
        return now + EVERY

    monkeypatch.setattr(DropRound, "run", counted)
    lane = Running(house, clock=clock).lane
    lane.start()
    lane._thread.join(DEADLINE)
    assert rounds[:3] == [0, EVERY, 2 * EVERY]
