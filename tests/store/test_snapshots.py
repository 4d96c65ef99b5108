"""Snapshots of the database, and the rehearsal of restoring one."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import DONE, NOW, conclude, record
from tests.support.engine import elsewhere
from worker.core.errors import BadData, StorageFailed, TryLater
from worker.files import FileLock
from worker.rounds.retention.files import old_files
from worker.store import snapshots
from worker.store.db.store import Store
from worker.store.opening import open_store

pytestmark = pytest.mark.sqlite


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / "backup").mkdir()
    return tmp_path / "backup" / "copy.db"


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_it_is_one_file_that_is_read_where_nothing_may_be_written(used: Path, copy: Path, journal: str) -> None:
    with open_store(used, journal) as store:
        conclude(store, DONE)
        assert snapshots.take(store, copy, NOW) == {"tasks": 1, "concluded": 1, "numbers": 1}
    assert names(copy.parent) == ["copy.db"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert copy.read_bytes()[18:20] == b"\x01\x01"  # its header names no WAL
    assert elsewhere(copy, "SELECT id FROM tasks") == [("a",)]
    assert names(copy.parent) == ["copy.db"]


@pytest.mark.parametrize(("journal", "waits"), [("wal", False), ("truncate", True)])
def test_with_a_wal_others_write_on_meanwhile_and_without_they_wait_for_their_turn(
    used: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, *, journal: str, waits: bool
) -> None:
    seen: list[bool] = []
    connect = sqlite3.connect

    class CopiesBesideAWriter(sqlite3.Connection):
        def backup(self, *args: Any, **more: Any) -> None:
            try:
                record(other, "meanwhile")
                seen.append(False)
            except TryLater:
                seen.append(True)
            super().backup(*args, **more)

    with open_store(used, journal) as store, open_store(used, journal, timeout=0.01) as other:
        monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "factory": CopiesBesideAWriter}))
        snapshots.take(store, copy, NOW)
    assert seen == [waits]


def test_a_name_that_is_taken_is_refused(used: Path, copy: Path) -> None:
    copy.symlink_to("nowhere")
    with open_store(used) as store, pytest.raises(BadData, match="there already"):
        snapshots.take(store, copy, NOW)
    assert names(copy.parent) == ["copy.db"]
    assert copy.is_symlink()


def test_what_fails_on_the_way_leaves_nothing(used: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with open_store(used) as store:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageFailed, match="No space left"):
            snapshots.take(store, copy, NOW)
        assert names(copy.parent) == []
        monkeypatch.undo()
        copy.with_name(".copy.db.new").write_text("of a process that was killed")
        snapshots.take(store, copy, NOW)
    assert names(copy.parent) == ["copy.db"]


def test_a_good_one_holds_what_was_there_then(used: Path, copy: Path) -> None:
    with open_store(used) as store:
        snapshots.take(store, copy, NOW)
        record(store, "later")
        conclude(store, DONE)
        before = names(used.parent)
        found = snapshots.verify(store, copy, "auto")
        assert names(used.parent) == before
    assert found.wrong == []
    assert found.taken_at == NOW
    assert found.restored == {"tasks": 1, "concluded": 0, "numbers": 0}
    assert found.live == {"tasks": 1, "concluded": 1, "numbers": 1}
    assert found.held == found.restored


def wrong(store: Store, copy: Path) -> str:
    return "\n".join(snapshots.verify(store, copy, "auto").wrong)


def change(copy: Path, *statements: str) -> None:
    with closing(sqlite3.connect(copy)) as conn, conn:
        for statement in statements:
            conn.execute(statement)


def test_what_is_wrong_with_one_is_said(used: Path, copy: Path, tmp_path: Path) -> None:
    with open_store(used) as store:
        record(store, *(f"t{n}" for n in range(300)))
        snapshots.take(store, copy, NOW)
        whole = copy.read_bytes()
        change(copy, "DELETE FROM tasks WHERE id = 't7'")
        assert "tasks: 300 were restored, and 301 were put into it" in wrong(store, copy)
        assert "tasks: 300 were restored, and the live database has 301 of them" in wrong(store, copy)
        change(copy, "UPDATE meta SET value = 'x' WHERE key = 'identity'")
        assert wrong(store, copy) == "it is of another database than the one that is used here"
        copy.write_bytes(whole[:-8192])
        assert wrong(store, copy) != ""
        copy.write_bytes(b"not a database" * 500)
        assert wrong(store, copy) == "file is not a database"
        copy.write_bytes(whole)
        assert wrong(store, copy) == ""
        with pytest.raises(StorageFailed, match="No such file"):
            snapshots.verify(store, tmp_path / "none", "auto")
    assert not used.with_name(used.name + ".restoring").exists()


def test_a_live_database_that_has_lost_tasks_is_seen(used: Path, copy: Path) -> None:
    with open_store(used) as store:
        record(store, "b", "c")
        snapshots.take(store, copy, NOW)
        change(used, "DELETE FROM tasks WHERE id = 'b'")
        assert wrong(store, copy) == "tasks: 3 were restored, and the live database has 2 of them"


def test_a_copy_that_something_else_made_is_compared_too(used: Path, copy: Path) -> None:
    with open_store(used) as store:
        with closing(sqlite3.connect(used)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        found = snapshots.verify(store, copy, "auto")
    assert (found.taken_at, found.held, found.wrong) == (None, None, [])
    assert found.restored["tasks"] == 1


def test_one_of_an_earlier_release_is_brought_up_to_date_aside(used: Path, copy: Path) -> None:
    with open_store(used) as store:
        snapshots.take(store, copy, NOW)
        before = copy.read_bytes()
        change(copy, f"PRAGMA user_version = {store.version() - 1}")
        found = snapshots.verify(store, copy, "auto")
        assert found.schema == store.version() - 1
        assert found.wrong == []
        assert len(copy.read_bytes()) == len(before)


def test_two_do_not_restore_at_once_and_what_was_left_is_removed(used: Path, copy: Path) -> None:
    folder = used.with_name(used.name + ".restoring")
    folder.mkdir()
    with open_store(used) as store:
        snapshots.take(store, copy, NOW)
        held = FileLock(folder / "lock", wait=False)
        try:
            with pytest.raises(TryLater, match="verify-restore"):
                snapshots.verify(store, copy, "auto")
        finally:
            held.release()
        (folder / used.name).write_text("of a process that was killed")
        (folder / f"{used.name}-journal").write_text("of a process that was killed")
        assert wrong(store, copy) == ""
    assert not folder.exists()


def test_what_a_killed_process_has_left_goes_by_the_age_of_copies(used: Path) -> None:
    left = used.with_name(used.name + ".restoring") / used.name
    left.parent.mkdir()
    left.write_text("patient data")
    os.utime(left, (NOW / 1000, NOW / 1000))
    with open_store(used) as store:
        assert old_files(store, NOW, 0).copies == []
        assert old_files(store, NOW + 1, 0).copies == [left]


def test_a_pipe_is_not_waited_for(used: Path, copy: Path) -> None:
    os.mkfifo(copy)
    with open_store(used) as store, pytest.raises(StorageFailed, match="not a regular file"):
        snapshots.verify(store, copy, "auto")
