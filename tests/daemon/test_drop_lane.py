"""The thread that makes rounds over the drop: until it is told to stop, whatever breaks, whatever the clock does."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import DEADLINE
from tests.support.drop_house import EVERY, SETTLE, DropHouse, SetClock, batch, emptied
from tests.support.kept_log import KeptLog
from tests.support.sshd import Sshd
from worker.daemon.drop import DropLane
from worker.rounds.drop.work import DropOutcome
from worker.store.db.store import Store
from worker.store.state import notices
from worker.store.views import status as look


@pytest.fixture
def house(tmp_path: Path, server: Sshd) -> Iterator[DropHouse]:
    with emptied(server):
        yield DropHouse(tmp_path, server)


def test_the_lane_makes_rounds_until_it_is_told_to_stop(house: DropHouse) -> None:
    house.put("a.x12", batch("A"))
    told = threading.Event()

    class Turning(SetClock):
        """By the time of the second round, a second later, files have settled."""

        def wait(self, event: threading.Event, ms: int) -> bool:
            self.at += SETTLE
            return super().wait(event, ms)

    class Telling(KeptLog):
        def info(self, event: str, **fields: object) -> None:
            super().info(event, **fields)
            told.set()

    log = Telling()
    lane = DropLane((house.path, "auto"), replace(house.rules, every=1000), Turning(), log, once=False)
    assert told.wait(DEADLINE)
    lane.stop()
    assert lane.over
    assert [(event, fields["state"]) for event, fields in log.lines] == [("a batch file came in", "ingested")]
    assert house.rows("SELECT member_id FROM batch_answers") == [("A",)]


def test_a_fault_of_ours_is_told_once_and_the_lane_goes_on(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.daemon import drop as module

    house.put("a.x12", batch("A"))
    Store(house.path).close()
    left = [1, 1, 1]
    good = threading.Event()
    real = module.one_round

    def faulty(*args: Any, **kwargs: Any) -> DropOutcome:
        if left:
            return DropOutcome(next_at=1 // (left.pop() - 1))
        outcome = real(*args, **kwargs)
        good.set()
        return outcome

    class Hurried(SetClock):
        def wait(self, event: threading.Event, ms: int) -> bool:
            return super().wait(event, 0 if ms == module.AGAIN else ms)

    monkeypatch.setattr(module, "one_round", faulty)
    lane = DropLane((house.path, "auto"), house.rules, Hurried(), house.log, once=False)
    assert good.wait(DEADLINE)
    lane.stop()
    ((event, fields),) = house.log.lines
    assert event == "a round over the drop failed"
    assert str(fields["error"]).startswith("ZeroDivisionError at test_drop_lane.py:")
    with Store(house.path) as store:
        found = look.status(store, house.clock.at, look.Terms(), None)["problems"]
    (fault,) = [one for one in found if one["code"] == "internal_fault"]
    assert fault["severity"] == "critical"
    assert "ZeroDivisionError at test_drop_lane.py:" in fault["hint"]


def test_a_fault_of_ours_in_a_single_round_is_said_and_has_its_exit_code(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker.daemon import drop as module

    monkeypatch.setattr(module, "one_round", lambda *_args, **_kwargs: 1 // 0)
    lane = DropLane((house.path, "auto"), house.rules, house.clock, house.log, once=True)
    lane._thread.join(DEADLINE)
    assert (lane.over, lane.exit_code) == (True, 70)
    assert [event for event, _ in house.log.lines] == ["a round over the drop failed"]
    with Store(house.path) as store:
        assert [code for code, _ in notices.listed(store)] == ["internal_fault"]


def test_a_clock_set_back_does_not_silence_the_lane(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.daemon import drop as module

    rounds: list[int] = []
    enough = threading.Event()

    class Jumping(SetClock):
        """Waiting takes no time at all, and during the first wait somebody sets the time of day back by ten days."""

        passed = 0

        def monotonic(self) -> int:
            return self.passed

        def wait(self, event: threading.Event, ms: int) -> bool:
            assert ms <= module.LONGEST_WAIT
            if not self.passed:
                self.at -= 10 * 86_400_000
            self.passed += ms
            self.at += ms
            return event.is_set()

    clock = Jumping()

    def counted(*_args: Any, **_kwargs: Any) -> DropOutcome:
        rounds.append(clock.passed)
        if len(rounds) == 3:
            enough.set()
        return DropOutcome(next_at=clock.now() + EVERY)

    monkeypatch.setattr(module, "one_round", counted)
    lane = DropLane((house.path, "auto"), house.rules, clock, house.log, once=False)
    assert enough.wait(DEADLINE)
    lane.stop()
    assert rounds[:3] == [0, EVERY, 2 * EVERY]
