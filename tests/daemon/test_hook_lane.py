"""The command of ``[alert]``: a real program is told of the beginning and the end of each problem, once.

The lane is turned by hand, beside a daemon that is turned by hand.
"""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import House, until
from tests.support.kept_log import KeptLog
from tests.support.loop_by_hand import ByHand, loop_by_hand
from tests.support.troubles import TROUBLES, quiet_house
from worker.config import load
from worker.core.errors import StorageFailed
from worker.core.standing import QUIET_MS
from worker.daemon import hook_lane
from worker.daemon.hook_lane import DOWN_MS, LOOK_MS, RETRY_MS, HookLane
from worker.daemon.lane import Surroundings
from worker.daemon.problem_watch import EVERY_MS
from worker.gateways.machine import Disk
from worker.rounds import machine
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import alerting, standing
from worker.store.state.leases import LeaseLost


@pytest.fixture
def house(tmp_path: Path) -> House:
    found = quiet_house(tmp_path)
    write_program(found, "cat >>told; exit $(cat code 2>/dev/null || echo 0)")
    found.write(alert_command=str(tmp_path / "page-me"), log_format="json")
    return found


def write_program(house: House, script: str) -> None:
    program = house.folder / "page-me"
    program.write_text(f"#!/bin/sh\ncd {house.folder}\n{script}\n")
    program.chmod(0o755)


def told(house: House) -> list[dict[str, Any]]:
    """What the program was told since the last call."""
    place = house.folder / "told"
    lines = place.read_text().splitlines() if place.exists() else []
    place.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def events(house: House) -> list[tuple[str, str]]:
    return [(one["event"], one["code"]) for one in told(house)]


class Turned:
    """The daemon's loop and the lane, on one clock."""

    def __init__(self, house: House, by_hand: ByHand, store: Store) -> None:
        self.house, self.by_hand, self.store, self.log = house, by_hand, store, KeptLog()
        self.lane = self.made()

    def made(self, *, once: bool = False) -> HookLane:
        config = load(str(self.house.config), {})
        plan = hook_lane.plan(config)
        assert plan is not None
        lane = plan.open(self.store, Surroundings(self.by_hand.clock, self.log, threading.Event(), once))
        assert isinstance(lane, HookLane)
        return lane

    def look(self, ms: int = LOOK_MS) -> list[tuple[str, str]]:
        """A look of the lane alone."""
        self.by_hand.clock.advance(ms)
        self.lane.run(self.by_hand.clock.now())
        return events(self.house)

    def turn(self, ms: int = EVERY_MS) -> list[tuple[str, str]]:
        """A pass of the daemon, then a look."""
        self.by_hand.clock.advance(ms)
        self.by_hand.loop.step()
        return self.look(0)


@contextmanager
def turned(house: House) -> Iterator[Turned]:
    with loop_by_hand(house) as by_hand, open_store(house.database) as store:
        by_hand.loop.step()
        yield Turned(house, by_hand, store)


def test_each_beginning_and_each_end_is_told_once(house: House) -> None:
    with turned(house) as both:
        house.rows(TROUBLES["api_credentials"].begin)
        both.by_hand.clock.advance(EVERY_MS)
        both.by_hand.loop.step()
        both.lane.run(both.by_hand.clock.now())
        (begun,) = told(house)
        assert begun["hint"].startswith("the credentials are refused: ")
        assert begun | {"hint": "", "since": "", "at": ""} == {
            "event": "problem",
            "code": "api_credentials",
            "severity": "critical",
            "count": 1,
            "hint": "",
            "since": "",
            "at": "",
            "daemon": None,
            "host": os.uname().nodename,
        }
        assert [both.turn() for _ in range(3)] == [[]] * 3
        house.rows(TROUBLES["api_credentials"].end)
        assert both.turn() == [], "it may come back"
        both.by_hand.clock.advance(QUIET_MS)
        both.by_hand.loop.step()
        both.lane.run(both.by_hand.clock.now())
        (over,) = told(house)
        assert (over["event"], over["code"], over["hint"], over["since"]) == (
            "recovery",
            "api_credentials",
            begun["hint"],
            begun["since"],
        )
        assert both.turn() == []
        assert house.status()["alerts"]["command"]["failure"] is None
        assert "\nalerts     command " in house.cdpoll("status").text


def test_what_comes_and_goes_within_a_minute_is_told_once(house: House) -> None:
    with turned(house) as both:
        found = []
        for _ in range(5):
            house.rows(TROUBLES["sftp_auth"].begin)
            found += both.turn()
            house.rows(TROUBLES["sftp_auth"].end)
            found += both.turn()
        assert found == [("problem", "sftp_auth")]


def test_a_new_process_tells_nothing_again_and_what_ended_meanwhile(house: House) -> None:
    with turned(house) as both:
        house.rows(TROUBLES["sftp_auth"].begin)
        assert both.turn() == [("problem", "sftp_auth")]
        both.lane = both.made()
        assert both.turn() == []
        house.rows(TROUBLES["sftp_auth"].end)
        both.by_hand.loop.step()
        both.by_hand.clock.advance(EVERY_MS + QUIET_MS)
        both.by_hand.loop.step()
        both.by_hand.clock.advance(EVERY_MS + QUIET_MS)
        both.by_hand.loop.step()
        both.lane = both.made()
        assert both.look() == [("recovery", "sftp_auth")]


def test_warnings_are_told_where_they_are_to_be_and_what_is_acknowledged_is_silent(house: House) -> None:
    with turned(house) as both:
        house.rows(TROUBLES["overdue"].begin)
        assert both.turn() == []
        house.write(alert_min_severity="warning")
        both.lane = both.made()
        assert both.turn() == [("problem", "overdue")]
        house.rows(TROUBLES["abandoned"].begin)
        house.cdpoll("problems", "ack", "abandoned", "overdue", check=0)
        assert both.turn() == []
        house.rows("UPDATE tasks SET life_from = life_from - 90000000 WHERE seq = 4")
        assert both.turn() == [("problem", "overdue")], "it has grown"


def test_a_program_that_fails_is_a_line_once_and_is_started_again(house: House) -> None:
    (house.folder / "code").write_text("3")
    with turned(house) as both:
        house.rows(TROUBLES["sftp_auth"].begin)
        house.rows(TROUBLES["api_credentials"].begin)
        both.turn()
        assert both.turn(RETRY_MS - LOOK_MS) == [], "not yet"
        assert len(both.turn(LOOK_MS)) == 2
        reason = f"{house.folder}/page-me exited 3"
        assert both.log.lines == [("the command of [alert] fails", {"reason": reason})]
        assert house.status()["alerts"]["command"]["failure"] == reason
        line = next(one for one in house.cdpoll("status").text.splitlines() if one.startswith("alerts "))
        assert line.startswith("alerts     command FAILING for ")
        assert line.endswith(f": {reason}; none went well yet")
        (house.folder / "code").write_text("0")
        both.by_hand.clock.jump(-3_600_000)
        assert len(both.look()) == 2, "the clock was set back"
        assert both.log.lines[1:] == [("the command of [alert] works again", {})]
        assert both.turn(RETRY_MS) == []


def test_a_daemon_that_is_gone_for_two_minutes_is_told(house: House) -> None:
    with turned(house) as both:
        house.rows("UPDATE daemons SET stopped_at = beat_at, pid = 1")
        assert both.look(DOWN_MS // 2) == []
        assert both.look(DOWN_MS // 2) == [], "seen for a minute"
        assert both.look(DOWN_MS // 2) == [("problem", "daemon_down")]
        assert both.look() == []
        both.by_hand.loop._beats._beat_at = None
        assert both.turn() == [("recovery", "daemon_down")]


def test_a_daemon_that_lives_and_makes_no_passes_is_told_at_once(house: House) -> None:
    with turned(house) as both:
        assert both.look(120_000) == [("problem", "daemon_stuck")]


def test_a_full_disk_is_told_though_the_daemon_cannot_write_that_down(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StorageFailed("the disk is full")

    with turned(house) as both:
        monkeypatch.setattr(machine, "disk_of", lambda _: Disk(1, False))
        with monkeypatch.context() as patch:
            patch.setattr(standing, "keep", full)
            patch.setattr(alerting, "put_begun", full)
            assert both.turn() == [("problem", "disk_full")]
            assert both.turn() == []
        monkeypatch.setattr(machine, "disk_of", lambda _: Disk(10**12, False))
        assert both.turn() == []
        assert both.turn(QUIET_MS) == [("recovery", "disk_full")]


@pytest.mark.parametrize(
    ("code", "said"), [("other_tenant", "check [api] tenant_id"), ("api_unreachable", "its line in the log")]
)
def test_one_that_comes_and_goes_is_told_with_what_to_do(house: House, code: str, said: str) -> None:
    house.write(alert_min_severity="warning")
    with turned(house) as both:
        house.rows("INSERT INTO problems (code, began_at, n, told) VALUES (?, 1, 2, 1)", code)
        both.lane.run(both.by_hand.clock.now())
        ((begun),) = told(house)
        assert begun["code"] == code
        assert said in begun["hint"]


def test_what_was_told_and_cannot_be_written_is_not_told_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with turned(house) as both:
        house.rows(TROUBLES["sftp_auth"].begin)
        both.by_hand.clock.advance(EVERY_MS)
        both.by_hand.loop.step()

        def full(*_: object) -> None:
            raise StorageFailed("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(alerting, "put_begun", full)
            assert both.look() == [("problem", "sftp_auth")]
            assert both.look() == []
        both.look()
        both.lane = both.made()
        assert both.look() == []


def test_a_host_that_was_frozen_starts_no_program_where_another_delivers_by_now(house: House) -> None:
    def lost() -> None:
        raise LeaseLost("another delivers")

    with turned(house) as both:
        house.rows(TROUBLES["sftp_auth"].begin)
        both.by_hand.clock.advance(EVERY_MS)
        both.by_hand.loop.step()
        both.store.guards += (lost,)
        with pytest.raises(LeaseLost):
            both.look()
        assert events(house) == []


def test_the_program_gets_no_environment_of_ours(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDPOLL_API_CLIENT_SECRET", "hunter2")
    write_program(house, "tr '\\0' '\\n' </proc/$$/environ >environ; cat >told")
    with turned(house) as both:
        house.rows(TROUBLES["sftp_auth"].begin)
        both.turn()
    names = {line.partition("=")[0] for line in (house.folder / "environ").read_text().splitlines()}
    assert names == {"PATH", "LANG"}


def test_one_that_runs_too_long_is_killed_with_what_it_started(house: House) -> None:
    write_program(house, "cat >/dev/null; sleep 600 & echo $! >child; wait")
    house.write(alert_timeout="1s")
    with turned(house) as both:
        house.rows(TROUBLES["sftp_auth"].begin)
        both.turn()
    ((_, fields),) = both.log.lines
    assert fields["reason"] == f"{house.folder}/page-me did not end within 1 s, and was killed"
    child = int((house.folder / "child").read_text())
    stat = Path(f"/proc/{child}/stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_the_process_serves_it_without_a_way_out(house: House) -> None:
    with house.start() as daemon, house.deliver() as deliver:
        daemon.ready()
        deliver.ready()
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait()
        house.rows("INSERT INTO problems (code, began_at, n, told) VALUES ('sftp_auth', 1, 1, 1)")
        place = house.folder / "told"
        until(lambda: place.exists() and '"sftp_auth"' in place.read_text(), "the program", deliver.process)
        assert house.status()["deliveries"]["alive"]
        assert deliver.stopped() == 0


def test_once_tells_what_stands_and_its_exit_code_says_whether_that_went_well(house: House) -> None:
    house.rows("INSERT INTO problems (code, began_at, n, told) VALUES ('sftp_auth', 1, 1, 1)")
    (house.folder / "code").write_text("1")
    house.cdpoll("deliver", "--once", check=69)
    assert ("problem", "sftp_auth") in events(house)
    (house.folder / "code").write_text("0")
    house.cdpoll("deliver", "--once", check=0)
    assert ("problem", "sftp_auth") in events(house)
    house.cdpoll("deliver", "--once", check=0)
    assert events(house) == []
