"""The daemon's beat, as `status` reads it: of this second, also while the daemon rests, and not after it has failed."""

import json
import os
import signal

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, until
from tests.support.frozen_clock import FrozenClock
from tests.support.loop_by_hand import loop_by_hand
from worker.core.errors import StorageFailed
from worker.store.state import daemon


def test_the_file_is_written_at_most_once_a_second_and_the_row_every_fifteen(house: House) -> None:
    with loop_by_hand(house) as by:
        began, rows, files = by.clock.now(), set(), set()
        for _ in range(100):
            by.loop.step()
            beat = daemon.last_beat(by.store)
            assert beat is not None
            files.add(beat.beat_at - began)
            rows.add(by.store.read("SELECT beat_at FROM daemons")[0]["beat_at"] - began)
            by.clock.advance(400)
        assert sorted(rows) == [0, 15_200, 30_400]
        assert sorted(files)[:4] == [0, 1200, 2400, 3600]
        assert beat is not None
        assert beat.passes == 100 - (99 % 3)


def test_while_it_rests_the_file_says_that_it_lives(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with loop_by_hand(house) as by:
        by.loop.step()
        began = by.clock.now()
        waits: list[int] = []

        def wait(_clock: FrozenClock, _event: object, ms: int) -> bool:
            waits.append(ms)
            by.clock.advance(ms)
            return False

        monkeypatch.setattr(FrozenClock, "wait", wait)
        by.loop._rest(2500)
        beat = daemon.last_beat(by.store)
        assert waits == [1000, 1000, 500]
        assert beat is not None
        assert beat.beat_at == began + 2000


def test_while_the_storage_fails_it_says_that_and_why(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with loop_by_hand(house) as by:
        by.loop.step()
        began = by.clock.now()

        def fails(*_: object) -> None:
            raise StorageFailed("the disk is gone", "look for it")

        monkeypatch.setattr("worker.daemon.poll_lane.PollLane.run", fails)
        by.clock.advance(5000)
        by.loop.step()
        by.clock.advance(5000)
        by.loop._beats.show(by.clock.now())
        beat = daemon.last_beat(by.store)
        assert beat is not None
        assert (beat.beat_at, beat.passes) == (began + 10_000, 1)
        assert beat.unwritable == (began + 5000, "the disk is gone", "look for it")


def test_a_daemon_that_ends_takes_its_file_along_and_one_that_is_killed_is_found_dead(
    house: House, sandbox: Sandbox
) -> None:
    file = house.database.with_name("cdpoll.db.beat")
    with house.start() as running:
        running.ready()
        until(file.exists, "the file", running.process)
        assert json.loads(file.read_text())["pid"] == running.process.pid
        assert running.stopped() == 0
    assert not file.exists()
    with house.start() as running:
        running.ready()
        until(file.exists, "the file", running.process)
        os.kill(running.process.pid, signal.SIGKILL)
        running.end()
    assert file.exists()
    assert house.status()["daemon"]["alive"] is False


def test_a_folder_that_became_read_only_does_not_end_it(house: House) -> None:
    with loop_by_hand(house) as by:
        beside = house.database.with_name("cdpoll.db.beat.new")
        beside.mkdir()
        by.loop.step()
        beat = daemon.last_beat(by.store)
        assert beat is not None
        assert (beat.beat_at, beat.passes) == (by.clock.now(), 0), "the row tells of it"
