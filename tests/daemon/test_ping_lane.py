"""The lane of the pings, with a real monitor on loopback: the loop and the lane are turned by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from tests.support.kept_log import KeptLog
from tests.support.loop_by_hand import ByHand, loop_by_hand
from tests.support.loopback import Asked, Loopback, Peer, answer, closed_port
from tests.support.troubles import TROUBLES, quiet_house
from worker.config import load
from worker.core.alerts import WELL_EVERY_MS
from worker.core.errors import BadConfiguration
from worker.core.standing import QUIET_MS
from worker.daemon import ping_lane
from worker.daemon.lane_thread import LaneThread
from worker.daemon.orders import Orders
from worker.daemon.ping_lane import LOOK_MS
from worker.daemon.problem_watch import EVERY_MS
from worker.gateways.http import ping as gateway
from worker.store.state.beat_file import Beat

UUID = "/5c1e0dc0-7a1c-4d0f-a5e0-0123456789ab"


class Monitor:
    """Answers as the test says, and keeps what it was pinged."""

    def __init__(self) -> None:
        self.says: bytes | None = answer(200, b"OK")
        self.server = Loopback(self._answer)

    def _answer(self, _asked: Asked, peer: Peer) -> bytes:
        if self.says is None:
            peer.close()
        return self.says

    def heard(self) -> list[str]:
        """The paths behind the check's address, since the last call."""
        found = [asked.target.removeprefix(UUID) for asked in self.server.asked]
        assert all(asked.method == "POST" and asked.target.startswith(UUID) for asked in self.server.asked)
        self.server.asked.clear()
        return found


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    made = Monitor()
    with made.server:
        yield made


@pytest.fixture
def house(tmp_path: Path, monitor: Monitor) -> House:
    found = quiet_house(tmp_path)
    found.write(alert_ping=monitor.server.url + UUID)
    return found


def lane_of(by_hand: ByHand) -> LaneThread:
    (found,) = [thread for thread in by_hand.loop._main.threads if thread.plan.name == "ping"]
    return found


def turn(by_hand: ByHand, ms: int = EVERY_MS) -> None:
    """The next pass of the daemon, then a look of the lane."""
    by_hand.clock.advance(ms)
    by_hand.loop.step()
    lane_of(by_hand).turn()


@pytest.fixture
def by_hand(house: House) -> Iterator[ByHand]:
    """Started, and once well."""
    with loop_by_hand(house) as made:
        lane_of(made).turn()
        turn(made)
        yield made
        lane_of(made)._let_go()


def test_it_begins_and_is_well_once_a_minute(by_hand: ByHand, monitor: Monitor) -> None:
    assert monitor.heard() == ["/start", ""]
    for _ in range(8):
        turn(by_hand)
    assert monitor.heard() == ["", ""]


def test_a_critical_problem_fails_and_its_end_is_told_as_the_log_tells_it(
    by_hand: ByHand, house: House, monitor: Monitor
) -> None:
    monitor.heard()
    house.rows(TROUBLES["api_credentials"].begin)
    turn(by_hand)
    (asked,) = monitor.server.asked
    assert asked.target == UUID + "/fail"
    assert asked.header("content-type") == "text/plain; charset=utf-8"
    assert asked.body.startswith(b"critical: api_credentials: the credentials are refused: ")
    assert monitor.heard() == ["/fail"]
    house.rows(TROUBLES["api_credentials"].end)
    turn(by_hand)  # it may come back
    assert monitor.heard() == []
    house.rows(TROUBLES["api_credentials"].begin)
    turn(by_hand)
    house.rows(TROUBLES["api_credentials"].end)
    turn(by_hand)
    assert monitor.heard() == []
    turn(by_hand, QUIET_MS)
    assert [asked.body for asked in monitor.server.asked] == [b"over: api_credentials\n"]
    assert monitor.heard() == [""]


def test_a_warning_is_a_note_and_an_acknowledged_problem_is_silent(
    by_hand: ByHand, house: House, monitor: Monitor
) -> None:
    monitor.heard()
    house.rows(TROUBLES["overdue"].begin)
    turn(by_hand)
    assert monitor.heard() == ["/log"]
    house.rows(TROUBLES["abandoned"].begin)
    house.cdpoll("problems", "ack", "abandoned", check=0)
    turn(by_hand)
    assert monitor.heard() == []
    house.cdpoll("problems", "ack", "overdue", check=0)
    turn(by_hand, WELL_EVERY_MS)
    assert [asked.body for asked in monitor.server.asked] == [b"all is well\n"]


def test_a_daemon_that_makes_no_pass_is_not_well(by_hand: ByHand, monitor: Monitor) -> None:
    monitor.heard()
    by_hand.clock.advance(Beat.STALE_MS)
    lane_of(by_hand).turn()
    assert b"daemon_stuck" in monitor.server.asked[0].body
    assert monitor.heard() == ["/fail"]
    by_hand.clock.advance(10 * LOOK_MS)
    lane_of(by_hand).turn()
    assert monitor.heard() == []
    turn(by_hand)
    assert monitor.heard() == [""]


def test_the_beat_of_another_daemon_is_not_taken_for_this_ones(house: House, monitor: Monitor) -> None:
    with loop_by_hand(house) as before:
        before.loop.step()
    with loop_by_hand(house) as by_hand:
        for _ in range(3):
            by_hand.clock.advance(LOOK_MS)
            lane_of(by_hand).turn()
        assert monitor.heard() == ["/start"]
        turn(by_hand)
        assert monitor.heard() == [""]
        lane_of(by_hand)._let_go()


def lines(log: KeptLog) -> list[tuple[str, object]]:
    return [(event, fields.get("reason")) for event, fields in log.lines if "alert" in event]


def test_pings_that_fail_are_a_line_of_the_log_once_and_one_of_status(
    by_hand: ByHand, house: House, monitor: Monitor
) -> None:
    assert house.status()["alerts"]["ping"]["last_at"] is not None
    monitor.says = answer(503)
    for _ in range(5):
        turn(by_hand, 60_000)
    assert lines(by_hand.log) == [("pings of [alert] fail", "127.0.0.1 answered 503")]
    told = house.status()["alerts"]["ping"]
    assert (told["configured"], told["failure"]) == (True, "127.0.0.1 answered 503")
    assert told["failing_since"] is not None
    assert "\nalerts     ping FAILING for " in house.cdpoll("status").text
    assert by_hand.problems() == {}
    # What was not heard is said again.
    house.rows(TROUBLES["sftp_auth"].begin)
    turn(by_hand)
    monitor.heard()
    monitor.says = answer(200, b"OK")
    turn(by_hand)
    assert monitor.heard() == ["/fail"]
    assert lines(by_hand.log)[1:] == [("pings of [alert] work again", None)]
    assert house.status()["alerts"]["ping"]["failure"] is None


def test_what_is_said_of_a_monitor_that_does_not_take_it(by_hand: ByHand, house: House, monitor: Monitor) -> None:
    said = []
    for says in (answer(200, b"OK (not found)"), answer(302, b"", "location: /elsewhere"), None):
        monitor.says = says
        turn(by_hand, 60_000)
        said.append(house.status()["alerts"]["ping"]["failure"])
    assert said == [
        "127.0.0.1 knows no check of this address",
        "127.0.0.1 answered 302",
        "no whole answer came from 127.0.0.1: cut",
    ]


def test_a_host_that_is_silent_is_left_after_the_time_limit(
    house: House, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "PING_TIMEOUT_MS", 50)
    monkeypatch.setattr(monitor.server, "_script", lambda asked, peer: peer.hold())
    with loop_by_hand(house) as by_hand:
        lane_of(by_hand).turn()
        assert house.status()["alerts"]["ping"]["failure"].startswith("127.0.0.1 did not answer within ")
        lane_of(by_hand)._let_go()


def test_a_monitor_that_is_not_there_delays_no_poll(sandbox: Sandbox, tmp_path: Path) -> None:
    with closed_port() as nowhere:
        house = House(tmp_path, sandbox, alert_ping=nowhere + UUID)
        house.record(*begin(sandbox, 2))
        with house.start() as daemon:
            daemon.ready()
            until(
                lambda: (house.status()["alerts"]["ping"]["failure"] or "").endswith(": connect"),
                "the failed ping",
                daemon.process,
            )
            until(lambda: house.status()["tasks"]["concluded"] == 2, "the results", daemon.process)
            daemon.terminate()
            assert daemon.end() == 0
        assert house.log.read_text().count("pings of [alert] fail") == 1
        assert UUID not in house.log.read_text()


def test_a_secret_that_is_missing_is_an_error_of_the_start(house: House) -> None:
    house.write(alert_ping="{env NO_SUCH_PING}")
    config = load(str(house.config), {})
    with pytest.raises(BadConfiguration, match=r"\[alert\] ping"):
        ping_lane.plan(config, Orders())
    assert ping_lane.plan(config, Orders("once")) is None


def test_a_reference_is_looked_up_for_each_ping(house: House, monitor: Monitor) -> None:
    place = house.folder / "ping"
    place.write_text(monitor.server.url + UUID + "\n")
    house.write(alert_ping=f"{{file {place}}}")
    with loop_by_hand(house) as by_hand:
        lane_of(by_hand).turn()
        assert monitor.heard() == ["/start"]
        place.unlink()
        turn(by_hand)
        assert "cannot be used" in house.status()["alerts"]["ping"]["failure"]
        lane_of(by_hand)._let_go()
