"""Each problem begins, stands in the log, `status`, `--check` and `problems list`, and is gone from all at its end.

The loop is turned by hand on a clock that stands still; the commands read the same database. What is wrong is put into
the database as the parts of cdpoll leave it there.
"""

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.database import MACHINE
from tests.support.loop_by_hand import ByHand, loop_by_hand
from tests.support.troubles import DAY, FAR, TROUBLES, quiet_house, quiet_loop, turn
from worker.core.errors import StorageFailed, TryLater
from worker.core.problems import Problem, kind_of
from worker.core.standing import QUIET_MS
from worker.daemon import problem_watch
from worker.daemon.orders import Orders
from worker.daemon.problem_watch import EVERY_MS
from worker.gateways.machine import Disk
from worker.rounds import machine
from worker.store.state import daemon as daemon_row
from worker.store.state import standing
from worker.store.views.problems import NO_SPACE_BYTES, StatusRules, problems


@pytest.fixture
def house(tmp_path: Path) -> House:
    return quiet_house(tmp_path)


@pytest.fixture
def loop(house: House) -> Iterator[ByHand]:
    with quiet_loop(house) as by_hand:
        yield by_hand


def seen(house: House) -> list[set[str]]:
    """The codes in `status`, in its text, in `--check` and in `problems list`, but for that no daemon runs."""
    known = {one["code"]: one for one in house.status()["problems"]}
    listed = {one["code"] for one in house.cdpoll("problems", "list", "--json", check=0).json["problems"]}
    text, check = house.cdpoll("status").text, house.cdpoll("status", "--check").text
    named = {code for code in {*TROUBLES, *listed} if re.search(rf" {code}( \(\d+\))?(, for [^:]*)?: ", text)}
    checked = {part.split()[0] for part in check.partition(" - ")[2].partition(" |")[0].split(", ")}
    return [found - {"daemon_down", "no"} for found in (set(known), named, checked, listed)]


@pytest.mark.parametrize("code", TROUBLES)
def test_each_begins_stands_and_is_over(house: House, code: str) -> None:
    trouble = TROUBLES[code]
    with loop_by_hand(house) as by_hand:
        by_hand.loop.step()
        house.rows(trouble.begin)
        if (waits := kind_of(code).logged_after_ms) > 0:
            assert turn(by_hand) == []
            assert turn(by_hand, waits) == [("problem begins", code)]
        else:
            assert turn(by_hand) == [("problem begins", code)]
        fields = by_hand.log.lines[-1][1]
        assert fields["count"] == trouble.concerns
        assert fields["hint"]
        assert seen(house) == [{code}] * 4
        (shown,) = [one for one in house.status()["problems"] if one["code"] == code]
        assert (shown["severity"], shown["count"]) == (kind_of(code).severity, trouble.concerns)
        assert shown["since"]
        began_at = house.value("SELECT began_at FROM problems")
        assert turn(by_hand) == []
    # A new daemon says nothing of what it finds as it was, and knows since when.
    with loop_by_hand(house) as by_hand:
        by_hand.clock.advance(2 * EVERY_MS + kind_of(code).logged_after_ms)
        assert turn(by_hand) == []
        assert house.value("SELECT began_at FROM problems") == began_at
        house.rows(trouble.end)
        assert seen(house) == [set()] * 4
        assert turn(by_hand) == []
        assert turn(by_hand, QUIET_MS) == [("problem is over", code)]
        assert house.value("SELECT count(*) FROM problems") == 0


def test_the_level_is_that_of_the_severity(house: House, loop: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = []
    for level in ("info", "warning", "error"):
        say = partial(lambda level, event, **fields: levels.append((level, fields["code"])), level)
        monkeypatch.setattr(loop.log, level, say)
    for code in ("api_credentials", "abandoned"):
        house.rows(TROUBLES[code].begin)
    turn(loop)
    assert levels == [("error", "api_credentials"), ("warning", "abandoned")]
    for code in ("api_credentials", "abandoned"):
        house.rows(TROUBLES[code].end)
    turn(loop)
    turn(loop, QUIET_MS)
    assert sorted(levels[2:]) == [("info", "abandoned"), ("info", "api_credentials")]


def test_a_second_outage_soon_after_the_first_is_not_silent(house: House, loop: ByHand) -> None:
    trouble = TROUBLES["api_unreachable"]
    for _ in range(2):
        house.rows(trouble.begin)
        assert turn(loop) == [("problem begins", "api_unreachable")]
        house.rows(trouble.end)
        turn(loop)
        assert turn(loop, QUIET_MS) == [("problem is over", "api_unreachable")]


def test_the_units_status_names_the_worst(house: House, loop: ByHand) -> None:
    for code in ("overdue", "api_credentials"):
        house.rows(TROUBLES[code].begin)
    turn(loop)
    assert loop.loop._beats.worst is not None
    assert loop.loop._beats.worst.code == "api_credentials"
    house.rows(TROUBLES["api_credentials"].end)
    turn(loop)
    assert loop.loop._beats.worst.code == "overdue"


def test_a_database_that_cannot_be_written_silences_nothing(
    house: House, loop: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StorageFailed("read-only")

    monkeypatch.setattr(machine, "disk_of", lambda _: Disk(10**12, True))
    with monkeypatch.context() as broken:
        broken.setattr(standing, "keep", refuse)
        assert turn(loop) == [("problem begins", "disk_read_only")]
        assert turn(loop) == []
    assert turn(loop) == []
    assert house.value("SELECT code FROM problems") == "disk_read_only"


def test_a_full_disk_is_logged(house: House, loop: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "disk_of", lambda _: Disk(1, False))
    assert turn(loop) == [("problem begins", "disk_full")]
    assert house.value("SELECT code FROM problems") == "disk_full"
    assert kind_of("disk_full").severity == "critical"


def test_a_disk_with_little_room_is_a_warning(house: House, loop: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "disk_of", lambda _: Disk(NO_SPACE_BYTES, False))
    assert turn(loop) == [("problem begins", "disk_low")]
    assert kind_of("disk_low").severity == "warning"


def test_a_database_that_cannot_be_written_is_a_problem_with_its_cause(
    house: House, loop: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails: list[Exception] = [StorageFailed(f"{house.database}: disk I/O error", "look at the disk")]

    def refuse(*_: object, **__: object) -> None:
        raise fails[-1]

    with monkeypatch.context() as broken:
        broken.setattr(standing, "keep", refuse)
        broken.setattr("worker.daemon.poll_lane.PollLane.run", refuse)
        assert turn(loop) == [("problem begins", "database_unwritable")]
        hint = str(loop.log.lines[-1][1]["hint"])
        assert f"{house.database}: disk I/O error; look at the disk" in hint
        since = loop.clock.now()
        (shown,) = [one for one in loop_problems(loop) if one.code == "database_unwritable"]
        assert (shown.severity, shown.hint, shown.since) == ("critical", hint, since)
        assert loop.loop._beats.worst is not None
        assert loop.loop._beats.worst.code == "database_unwritable"
        # Another cause, and then not even to be read.
        fails.append(TryLater(f"{house.database} is busy", "who holds it?"))
        assert turn(loop) == [("problem has another cause now", "database_unwritable")]
        broken.setattr(problem_watch, "found", refuse)
        assert turn(loop) == []
    assert turn(loop) == []
    assert "database_unwritable" not in loop.problems()
    assert turn(loop, QUIET_MS) == [("problem is over", "database_unwritable")]


def test_a_fault_of_our_own_ends_the_word_that_nothing_can_be_written(
    house: House, loop: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails: list[Exception] = [TryLater(f"{house.database} is busy", "who holds it?")]

    def refuse(*_: object, **__: object) -> None:
        raise fails[-1]

    monkeypatch.setattr("worker.daemon.poll_lane.PollLane.run", refuse)
    assert turn(loop) == [("problem begins", "database_unwritable")]
    fails.append(ValueError("a fault"))
    turn(loop)
    assert "internal_fault" in loop.problems()
    assert "database_unwritable" not in loop.problems()
    assert ("problem is over", "database_unwritable") in turn(loop, QUIET_MS)


def loop_problems(loop: ByHand) -> list[Problem]:
    return problems(loop.store, loop.clock.now(), StatusRules(loop.loop.schedule), MACHINE, alive=True)


def test_a_fault_in_the_look_for_problems_ends_no_daemon(
    house: House, loop: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise TypeError("a value of another kind")

    with monkeypatch.context() as patch:
        patch.setattr(problem_watch, "found", broken)
        assert turn(loop) == [("looking for problems failed", None)]
        assert turn(loop) == []
    assert turn(loop) == [("problem begins", "internal_fault")]


def test_no_line_and_no_status_of_the_unit_names_a_file(house: House, loop: ByHand) -> None:
    detail = "gone from the drop before they came whole: MUELLER.x12; look in the archive"
    house.rows("INSERT INTO notices (code, at, detail) VALUES ('files_lost', ?, ?)", loop.clock.now(), detail)
    assert turn(loop) == [("problem begins", "files_lost")]
    assert "MUELLER" not in str(loop.log.lines)
    assert loop.loop._beats.worst is not None
    assert "MUELLER" not in loop.loop._beats.worst.hint


def test_a_run_that_ends_by_itself_tells_what_it_has_met(house: House) -> None:
    with loop_by_hand(house, Orders(mode="once")) as by_hand:
        by_hand.loop.step()
        house.rows(TROUBLES["sftp_connect"].begin)
        by_hand.loop._leave()
        told = [(event, fields.get("code")) for event, fields in by_hand.log.lines]
        assert told == [("problem begins", "sftp_connect"), ("stopped", None)]


def test_an_end_that_cannot_be_saved_is_told(loop: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StorageFailed("the disk is gone", "look for it")

    monkeypatch.setattr(daemon_row, "stopped", refuse)
    loop.loop._leave()
    (unsaved, stopped) = loop.log.lines
    assert unsaved[0].startswith("the end could not be saved")
    assert unsaved[1] == {"error": "the disk is gone", "hint": "look for it"}
    assert stopped[0] == "stopped"


def test_a_full_disk_is_told_once(house: House, loop: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise StorageFailed("no room")

    monkeypatch.setattr(machine, "disk_of", lambda _: Disk(1, False))
    monkeypatch.setattr("worker.daemon.poll_lane.PollLane.run", refuse)
    assert turn(loop) == [("problem begins", "disk_full")]


def test_work_that_is_not_done_for_minutes_is_a_backlog(house: House, loop: ByHand) -> None:
    assert loop.loop._poll is not None
    loop.loop._poll.run = lambda now: now + 1000  # type: ignore[method-assign]
    house.rows("UPDATE tasks SET due_at = ? WHERE seq < 3", loop.clock.now())
    assert turn(loop, 120_000) == []
    assert "backlog" not in loop.problems()
    assert turn(loop, kind_of("backlog").lasting_ms) == [("problem begins", "backlog")]
    assert loop.problems()["backlog"].startswith("2 tasks due and not polled for minutes")
    house.rows("UPDATE tasks SET due_at = ?", FAR)
    assert "backlog" not in loop.problems()
    house.rows("UPDATE tasks SET due_at = 1")
    house.rows(TROUBLES["api_unreachable"].begin)
    assert "backlog" not in loop.problems(), "a pause says why"


# --- a daemon that is down, one that restarts, and none that is wanted


def test_a_daemon_that_is_started_again_and_again_is_told_apart_from_one_that_is_down(house: House) -> None:
    for n in range(daemon_row.MOST_STARTS):
        with loop_by_hand(house) as by_hand:
            by_hand.clock.advance(n * 10_000)
            by_hand.loop._beats._started_at += n * 10_000
            by_hand.loop.step()
    house.rows("UPDATE daemons SET started_at = started_at - 60000")
    (found,) = house.status()["problems"]
    assert (found["code"], found["count"]) == ("daemon_restarts", daemon_row.MOST_STARTS)
    house.rows("UPDATE daemons SET beat_at = beat_at - 300000")  # it was not started again
    house.database.with_name(f"{house.database.name}.beat").unlink(missing_ok=True)
    assert {one["code"] for one in house.status()["problems"]} == {"daemon_restarts", "daemon_stuck"}
    house.rows("UPDATE daemons SET stopped_at = beat_at")
    assert [one["code"] for one in house.status()["problems"]] == ["daemon_down"]


def test_without_a_daemon_no_configuration_is_told_to_be_in_force(house: House, loop: ByHand) -> None:
    turn(loop)
    house.rows("INSERT INTO notices (code, at, detail) VALUES ('reload_refused', 1, 'the old one stays')")
    assert "reload_refused" in [one["code"] for one in house.status()["problems"]]
    house.rows("UPDATE daemons SET stopped_at = beat_at")
    assert [one["code"] for one in house.status()["problems"]] == ["daemon_down"]


def test_where_a_timer_runs_it_no_daemon_is_missed_but_work_that_waits_for_a_day(house: House) -> None:
    assert [one["code"] for one in house.status()["problems"]] == ["daemon_down"]
    house.write(store_runs="once")
    assert house.status()["problems"] == []
    house.rows("UPDATE tasks SET due_at = recorded_at - ? WHERE seq < 3", DAY)
    (found,) = house.status()["problems"]
    assert (found["code"], found["count"]) == ("not_run", 2)
    assert found["hint"].startswith("2 tasks due for more than a day")
    house.rows("UPDATE tasks SET due_at = ?", FAR)
    assert house.status()["problems"] == []


def test_a_drop_that_was_never_read_is_missed_after_a_day(tmp_path: Path) -> None:
    key = {"sftp_host": "127.0.0.1", "sftp_username": "u", "sftp_password": "{env P}", "sftp_drop": "/d"}
    house = House(tmp_path, store_runs="once", sftp_include="*", sftp_known_hosts="/k", **key)
    house.record("t0")
    house.rows("UPDATE tasks SET due_at = ?", FAR)
    assert house.status()["problems"] == []
    marker = house.database.with_name("cdpoll.db.marker")
    long_ago = marker.stat().st_mtime - 1.1 * DAY / 1000
    os.utime(marker, (long_ago, long_ago))
    (found,) = house.status()["problems"]
    assert found["hint"].startswith("the drop not read for more than a day: ")
