"""The daemon's summary file: what all users of the machine may read, replaced with each beat."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import cli
from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from tests.support.loop_by_hand import loop_by_hand
from tests.support.planted import MARKERS, plant
from worker.clock import Clock
from worker.core.errors import CdpollError, StorageFailed
from worker.store.opening import open_store
from worker.store.state import notices, summary_file


def summary(folder: Path) -> dict[str, Any]:
    found = summary_file.read(folder / summary_file.NAME)
    assert found is not None
    return found


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    return folder


def test_it_is_for_all_users_and_is_replaced_whole_with_each_beat(house: House, runtime: Path) -> None:
    with loop_by_hand(house) as by:
        by.loop.step()
        path = runtime / summary_file.NAME
        first, inode = summary(runtime), path.stat().st_ino
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        by.clock.advance(5_000)
        by.loop.step()
        assert path.stat().st_ino == inode
        by.clock.advance(10_000)
        by.loop.step()
        assert path.stat().st_ino != inode
        assert summary(runtime)["at"] == first["at"] + 15_000
    assert [one.name for one in runtime.iterdir()] == [summary_file.NAME]
    assert not [one for one in house.database.parent.iterdir() if one.name.endswith(summary_file.NAME)]


def test_without_a_runtime_directory_it_lies_beside_the_database(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    with loop_by_hand(house) as by:
        by.loop.step()
        told = summary_file.read(summary_file.beside(house.database), database=house.database)
        assert told is not None
        assert told["picture"]["daemon"]["alive"]
        assert summary_file.read(summary_file.beside(house.database), database=Path("/another.db")) is None


def test_it_says_what_polling_measured_also_after_a_reload(house: House, sandbox: Sandbox, runtime: Path) -> None:
    house.record(*begin(sandbox, 3))
    with house.start(RUNTIME_DIRECTORY=str(runtime)) as daemon:
        until(
            lambda: house.value("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 3,
            "3 results",
            daemon.process,
        )
        house.write(polling_burst="7")
        daemon.process.send_signal(1)
        daemon.hear("RELOADING=1")
        daemon.ready()
        assert daemon.stopped() == 0
    told = summary(runtime)
    assert told["measures"]["polls"]["concluded"] == 3
    assert told["measures"]["duration"]["counts"][-1] == sum(told["measures"]["polls"].values())
    assert sum(slot[1] for slot in told["measures"]["slots"]) == sum(told["measures"]["polls"].values())
    assert told["stopped_at"] == told["at"]
    assert told["picture"]["tasks"] == {"pending": 0, "concluded": 3, "abandoned": 0, "due": 0}
    assert told["installed"] == {"api": True, "daemon": True}


def test_where_the_database_cannot_be_read_the_last_picture_stays_with_the_problems_of_now(
    house: House, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.record("a")
    with loop_by_hand(house) as by:
        by.loop.step()
        before = summary(runtime)

        def fails(*_: object) -> None:
            raise StorageFailed("the disk is gone", "look for it")

        monkeypatch.setattr("worker.daemon.poll_lane.PollLane.run", fails)
        monkeypatch.setattr("worker.store.views.status.picture", fails)
        by.clock.advance(20_000)
        by.loop.step()
        after = summary(runtime)
    assert after["at"] == before["at"] + 20_000
    assert after["picture"]["tasks"] == before["picture"]["tasks"]
    assert [one["code"] for one in after["picture"]["problems"]] == ["database_unwritable"]


def test_it_holds_nothing_of_patients_nor_names_of_files(house: House, runtime: Path) -> None:
    with open_store(house.database, create=True) as store:
        plant(store, house.folder)
        with store.write():
            notices.put(store, "files_lost", f"gone from the drop: {MARKERS[-2]}", Clock().now())
    with loop_by_hand(house) as by:
        by.loop.step()
        written = (runtime / summary_file.NAME).read_text()
    assert [one["code"] for one in json.loads(written)["picture"]["problems"] if one["code"] == "files_lost"]
    assert [marker for marker in MARKERS if marker in written] == []


@pytest.mark.parametrize("written", [b"", b"[]", b'{"format": 1}', b'{"format": 99, "at": 1}', b"[" * 100_000])
def test_a_file_that_no_daemon_has_written_is_none(tmp_path: Path, written: bytes) -> None:
    (tmp_path / summary_file.NAME).write_bytes(written)
    assert summary_file.read(tmp_path / summary_file.NAME, tmp_path / "missing") is None


@pytest.mark.parametrize("other", [{"api": 5}, {"traffic": {}}])
def test_status_shows_no_summary_of_another_form(
    house: House, runtime: Path, monkeypatch: pytest.MonkeyPatch, other: dict[str, object]
) -> None:
    """One that a daemon of another release wrote: why the database is not read is all that can be told."""
    with loop_by_hand(house) as by:
        by.loop.step()
    told = summary(runtime)
    house.database.write_bytes(b"no database" * 999)
    monkeypatch.setattr("cli.told_to_all.summary_for", lambda _: told)
    whole = CliRunner().invoke(cli, ["--config", str(house.config), "status"])
    assert (whole.exit_code, "what follows is what the daemon tells all users" in whole.output) == (0, True)
    told["picture"] |= other
    refused = CliRunner().invoke(cli, ["--config", str(house.config), "status"])
    assert isinstance(refused.exception, CdpollError)
    assert refused.output == ""
