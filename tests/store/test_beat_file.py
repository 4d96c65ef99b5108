"""The beat file: what it says counts where it is younger than the row and of the same daemon, and only then."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.database import NOW
from worker.store.db.store import Store
from worker.store.state import beat_file, daemon

NOTED = daemon.Beat(4711, "v", NOW, NOW + 1000, None, NOW + 9)
SHOWN = replace(NOTED, beat_at=NOW + 3000, token_expires_at=NOW + 99, passes=7)


@pytest.fixture
def file(store: Store) -> Path:
    with store.write():
        daemon.beat(store, pid=4711, version="v", started_at=NOW, now=NOW + 1000, token_expires_at=NOW + 9)
    return store.file.with_name("cdpoll.db.beat")


def test_the_younger_of_both_counts(store: Store, file: Path) -> None:
    assert daemon.last_beat(store) == NOTED
    beat_file.write(store, SHOWN)
    assert daemon.last_beat(store) == SHOWN
    assert [path.name for path in file.parent.glob("*.beat*")] == ["cdpoll.db.beat"]
    beat_file.write(store, replace(SHOWN, beat_at=NOW + 999))
    assert daemon.last_beat(store) == NOTED
    beat_file.remove(store)
    assert daemon.last_beat(store) == NOTED
    beat_file.remove(store)


def test_what_another_daemon_has_left_counts_for_nothing(store: Store, file: Path) -> None:
    assert file.name == "cdpoll.db.beat"
    for other in (replace(SHOWN, pid=4712), replace(SHOWN, started_at=NOW - 1)):
        beat_file.write(store, other)
        assert daemon.last_beat(store) == NOTED
    beat_file.write(store, SHOWN)
    with store.write():
        daemon.stopped(store, pid=4711, started_at=NOW, now=NOW + 2000)
    assert daemon.last_beat(store) == replace(NOTED, beat_at=NOW + 2000, stopped_at=NOW + 2000)
    store.execute("DELETE FROM daemons")
    assert daemon.last_beat(store) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'{"pid": 4711, "version": "v", "sta',
        b"[]",
        b"\xff\xfe{}",
        b"[" * 4000,
        b"{}",
        json.dumps({"pid": 4711, "version": 1, "started_at": NOW, "at": NOW + 5000, "pass": 1}).encode(),
        json.dumps({"pid": 4711, "version": "v", "started_at": NOW, "at": "soon", "pass": 1}).encode(),
        json.dumps({"pid": 4711, "version": "v", "started_at": NOW, "at": 10**30, "pass": 1}).encode(),
        json.dumps(
            {"pid": 4711, "version": "v", "started_at": NOW, "at": NOW + 5000, "pass": 1, "token_expires_at": True}
        ).encode(),
        json.dumps(
            {"x": "y" * 5000, "pid": 4711, "version": "v", "started_at": NOW, "at": NOW + 5, "pass": 1}
        ).encode(),
    ],
)
def test_what_no_daemon_can_have_written_is_ignored(store: Store, file: Path, text: bytes) -> None:
    file.write_bytes(text)
    assert daemon.last_beat(store) == NOTED


def test_a_pipe_in_its_place_holds_nobody_up(store: Store, file: Path) -> None:
    os.mkfifo(file)
    assert daemon.last_beat(store) == NOTED
    beat_file.write(store, SHOWN)
    assert daemon.last_beat(store) == SHOWN


def test_its_mode_is_that_of_the_other_files(store: Store, file: Path) -> None:
    for umask, mode in ((0o007, 0o660), (0o077, 0o600)):
        os.umask(umask)
        beat_file.write(store, SHOWN)
        assert file.stat().st_mode & 0o777 == mode


def test_where_it_cannot_be_written_nothing_is_raised_and_the_old_one_stays(
    store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat_file.write(store, SHOWN)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("worker.store.state.beat_file.os.write", full)
    beat_file.write(store, replace(SHOWN, beat_at=NOW + 9000))
    assert daemon.last_beat(store) == SHOWN
    monkeypatch.undo()
    file.with_name(f"{file.name}.new").unlink(missing_ok=True)
    file.with_name(f"{file.name}.new").mkdir()
    beat_file.write(store, replace(SHOWN, beat_at=NOW + 9000))
    assert daemon.last_beat(store) == SHOWN


def test_a_link_that_was_planted_is_not_written_through(store: Store, file: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    for name in (file, file.with_name(f"{file.name}.new")):
        name.symlink_to(victim)
    beat_file.write(store, SHOWN)
    assert victim.read_text() == "kept"
    assert not file.is_symlink()
