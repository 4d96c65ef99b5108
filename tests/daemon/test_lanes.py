"""Lanes: a third one is a file and a line; each has its own bound, and the watchdog knows which one is stuck."""

import os
import socket
from collections.abc import Callable, Iterator

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from tests.support.loop_by_hand import ByHand, loop_by_hand
from worker.config import Config
from worker.core.errors import StorageFailed, TryLater
from worker.core.standing import QUIET_MS
from worker.daemon import assembly
from worker.daemon.lane import LanePlan, Surroundings
from worker.daemon.lane_thread import RETRY_MS, LaneThread
from worker.daemon.orders import Orders
from worker.store.db.store import Store

BOUND_MS = 1_000


class ToyLane:
    """What a file of its own would hold: counts its steps in the database, and does what the test says."""

    bound_ms = BOUND_MS
    exit_code = 0
    idle = False
    made = closed = 0
    step: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, store: Store, around: Surroundings) -> None:
        self.store, self.around = store, around
        ToyLane.made += 1

    def run(self, now: int) -> int:
        with self.store.write():
            self.store.execute(
                "INSERT INTO meta (key, value) VALUES ('toy', '1')"
                " ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + 1"
            )
        ToyLane.step()
        self.idle = True
        return now + 60_000

    def close(self) -> None:
        ToyLane.closed += 1


def plan(_config: Config, _orders: Orders) -> LanePlan | None:
    return LanePlan("toy", "the toy failed", ToyLane)


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyLane, "step", staticmethod(lambda: None))
    monkeypatch.setattr(ToyLane, "made", 0)
    monkeypatch.setattr(ToyLane, "closed", 0)
    # The line that the third lane is.
    monkeypatch.setattr(assembly, "LANES", [*assembly.LANES, plan])


@pytest.fixture
def by_hand(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[ByHand]:
    with loop_by_hand(house) as made:
        yield made


def toy_of(by_hand: ByHand) -> LaneThread:
    (found,) = [thread for thread in by_hand.loop._main.threads if thread.plan.name == "toy"]
    return found


def steps(house: House) -> int:
    found = house.rows("SELECT value FROM meta WHERE key = 'toy'")
    return int(found[0][0]) if found else 0


def raising(error: Exception) -> Callable[[], object]:
    def step() -> object:
        raise error

    return step


def raising_on_close(_lane: ToyLane) -> None:
    raise OSError("patient data")


def test_a_third_lane_runs_in_its_thread_beside_the_others(house: House, sandbox: Sandbox) -> None:
    house.record(*begin(sandbox, 2))
    house.rows("UPDATE tasks SET due_at = 1")
    with loop_by_hand(house, Orders("until-idle")) as by_hand:
        assert by_hand.loop.run() == 0
        assert by_hand.log.lines[0][0] == "started"
    assert steps(house) == 1
    assert (ToyLane.made, ToyLane.closed) == (1, 1)
    assert house.status()["tasks"]["concluded"] == 2


def test_a_run_that_ends_by_itself_waits_for_every_lane_and_tells_what_went_wrong_in_any(house: House) -> None:
    ToyLane.step = staticmethod(raising(StorageFailed("the toy's disk is full")))
    with loop_by_hand(house, Orders("once")) as by_hand:
        assert by_hand.loop.run() == 74
    ToyLane.step = staticmethod(raising(KeyError("x")))
    with loop_by_hand(house, Orders("once")) as by_hand:
        assert by_hand.loop.run() == 70


def test_faults_of_a_lane_are_told_once_and_it_is_made_anew(house: House, by_hand: ByHand) -> None:
    toy = toy_of(by_hand)
    ToyLane.step = staticmethod(raising(KeyError("a name that nobody may see")))
    assert [toy.turn() for _ in range(3)] == [RETRY_MS] * 3
    assert (ToyLane.made, ToyLane.closed) == (3, 3)
    assert by_hand.signals.wake.is_set()
    by_hand.loop.step()
    assert "KeyError at test_lanes.py" in by_hand.problems()["internal_fault"]
    assert [event for event, _ in by_hand.log.lines] == ["the toy failed", "problem begins"]
    assert "nobody may see" not in str(by_hand.log.lines)
    by_hand.log.lines.clear()
    ToyLane.step = staticmethod(lambda: None)
    assert toy.turn() == 60_000
    assert ToyLane.made == 4
    ToyLane.step = staticmethod(raising(KeyError()))
    toy.turn()
    assert len(by_hand.log.lines) == 1, "it went well in between: that is news again"
    toy.stop()


def test_a_lane_that_cannot_even_be_closed_is_made_anew(
    house: House, by_hand: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = toy_of(by_hand)
    ToyLane.step = staticmethod(raising(ValueError("patient data")))
    monkeypatch.setattr(ToyLane, "close", raising_on_close)
    assert [toy.turn(), toy.turn()] == [RETRY_MS, RETRY_MS]
    assert ToyLane.made == 2
    told = [str(fields["error"]).partition(" at ")[0] for _, fields in by_hand.log.lines]
    assert told == ["ValueError", "OSError"], "each is told once"


def test_another_process_that_holds_a_lock_is_no_fault(house: House, by_hand: ByHand) -> None:
    ToyLane.step = staticmethod(raising(TryLater("somebody else is at it")))
    assert toy_of(by_hand).turn() == RETRY_MS
    by_hand.loop.step()
    assert (by_hand.log.lines, by_hand.problems()) == ([], {})


def test_of_a_run_that_ends_by_itself_that_lock_is_told(house: House) -> None:
    ToyLane.step = staticmethod(raising(TryLater("somebody else is at it", "wait for it")))
    with loop_by_hand(house, Orders("once")) as by_hand:
        toy = toy_of(by_hand)
        toy.turn()
        told = ("the toy failed", {"error": "somebody else is at it", "hint": "wait for it"})
        assert (toy.exit_code, told in by_hand.log.lines) == (75, True)


@pytest.fixture
def systemd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What systemd has heard since it was asked last."""
    name = f"cdpoll-test-lanes-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + name)
        heard.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        monkeypatch.setenv("WATCHDOG_USEC", "600000000")

        def said() -> list[str]:
            found: list[str] = []
            try:
                while True:
                    found += heard.recv(65536).decode().splitlines()
            except BlockingIOError:
                return found

        yield said


def test_the_watchdog_is_fed_only_while_every_lane_ends_its_steps_in_time(
    house: House, systemd: Callable[[], list[str]]
) -> None:
    with loop_by_hand(house) as by_hand:
        fed: list[bool] = []

        def lasting() -> None:
            """A step, during which the main thread makes passes, and time passes."""
            for passed in (0, BOUND_MS, 1, 600_000):
                by_hand.clock.advance(passed)
                by_hand.loop.step()
                heard = systemd()
                fed.append("WATCHDOG=1" in heard)
                assert fed[-1] or "STATUS=lane toy: a step lasts longer than 1 s: systemd restarts the process" in heard

        ToyLane.step = staticmethod(lasting)
        toy = toy_of(by_hand)
        toy.turn()
        assert fed == [True, True, False, False]
        assert by_hand.problems()["lane_stuck"].startswith("lane toy: a step lasts longer than 1 s")
        assert by_hand.log.lines[0] == ("a lane is stuck", {"lane": "toy", "bound": "1 s"})
        assert (by_hand.log.lines[1][0], by_hand.log.lines[1][1]["code"]) == ("problem begins", "lane_stuck")
        by_hand.loop.step()
        assert "WATCHDOG=1" in systemd()
        assert "lane_stuck" not in by_hand.problems()
        by_hand.clock.advance(QUIET_MS)
        by_hand.loop.step()
        ((event, fields),) = by_hand.log.lines[2:]
        assert (event, fields["code"]) == ("problem is over", "lane_stuck")
        toy.stop()


def test_a_lane_that_waits_for_its_next_step_is_not_stuck(house: House, systemd: Callable[[], list[str]]) -> None:
    with loop_by_hand(house) as by_hand:
        toy_of(by_hand).turn()
        by_hand.clock.advance(86_400_000)
        by_hand.loop.step()
        assert "WATCHDOG=1" in systemd()
        assert by_hand.problems() == {}
        toy_of(by_hand).stop()


def test_a_pass_of_the_main_thread_has_a_bound_as_well(
    house: House, systemd: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with loop_by_hand(house) as by_hand:
        poll = by_hand.loop._poll
        assert poll is not None

        def slow(now: int) -> int:
            by_hand.clock.advance(poll.bound_ms + 1)
            return now

        monkeypatch.setattr(poll, "run", slow)
        by_hand.loop.step()
        assert "WATCHDOG=1" not in systemd()
        assert by_hand.log.lines == [("a lane is stuck", {"lane": "poll", "bound": "1 min"})]


def test_a_reload_ends_the_lanes_and_starts_those_of_the_new_configuration(house: House) -> None:
    from worker.config import load

    with loop_by_hand(house, Orders(reload=lambda: load(str(house.config), {}))) as by_hand:
        by_hand.loop._main.start_threads()
        until(lambda: steps(house) == 1, "a step")
        before = toy_of(by_hand)
        by_hand.loop._reload()
        assert not before._thread.is_alive()
        until(lambda: steps(house) == 2, "a step of the new lane")
        house.write(polling_burst="many")
        now = toy_of(by_hand)
        by_hand.loop._reload()
        assert toy_of(by_hand) is now, "a configuration that is refused changes nothing"
        assert now._thread.is_alive()
        assert "reload_refused" in by_hand.problems()


def test_all_lanes_are_told_to_end_before_any_is_waited_for(by_hand: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(LaneThread, "stop", lambda self: told.append("stop"))
    monkeypatch.setattr(LaneThread, "join", lambda self, patience_s: told.append("join"))
    by_hand.loop.close()
    lanes = len(by_hand.loop._main.threads)
    assert lanes > 1
    assert told == ["stop"] * lanes + ["join"] * lanes


def test_the_watchdog_is_fed_while_requests_under_way_are_awaited(
    house: House, systemd: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with loop_by_hand(house) as by_hand:
        poll = by_hand.loop._poll
        assert poll is not None
        left = [True, True, False, False, False, False]
        monkeypatch.setattr(type(poll), "busy", property(lambda self: left.pop(0)))
        by_hand.signals.wake.set()
        monkeypatch.setattr(by_hand.clock, "wait", lambda event, ms: True)
        by_hand.loop._drain()
        assert "WATCHDOG=1" in systemd()
