"""Databases that cannot be opened or written: nothing is taken by halves, and people are told."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cdpoll_process import small_files
from tests.support.database import record
from tests.support.engine import elsewhere
from worker.core.errors import BadConfiguration, StorageFailed
from worker.store.db.store import Store
from worker.store.opening import SCHEMA_VERSION, open_store

pytestmark = pytest.mark.sqlite


def test_a_newer_schema_is_refused(path: Path) -> None:
    open_store(path, create=True).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(BadConfiguration) as caught:
        open_store(path, create=True)
    assert caught.value.exit_code == 78
    assert "newer" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("umask", [0o007, 0o077])
def test_every_file_is_as_private_as_the_umask_says(tmp_path: Path, umask: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    before = os.umask(umask)
    try:
        with open_store(folder / "cdpoll.db", "wal", create=True) as store:
            record(store, "a")
            found = {p.name: p.stat().st_mode & 0o777 for p in folder.iterdir()}
    finally:
        os.umask(before)
    assert {"cdpoll.db", "cdpoll.db-wal", "cdpoll.db.marker", "cdpoll.db.writer"} <= found.keys()
    assert {mode for name, mode in found.items() if name != "cdpoll.db.marker"} == {0o660 & ~umask}


def test_a_folder_that_is_missing_is_made_and_others_are_shut_out(tmp_path: Path) -> None:
    before = os.umask(0o007)
    try:
        open_store(tmp_path / "new" / "cdpoll.db", create=True).close()
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o770


def test_where_no_file_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "cdpoll.db", tmp_path / "no" / "such" / "cdpoll.db", tmp_path / "folder"):
        with pytest.raises(StorageFailed) as caught:
            open_store(path, create=True)
        assert caught.value.exit_code == 74
        assert str(path.parent) in caught.value.message + caught.value.hint
        assert "may write there" in caught.value.hint or "is a folder" in caught.value.message
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"something of somebody else's, and not short\n" * 50)
    with pytest.raises(StorageFailed) as caught:
        open_store(path, create=True)
    assert "restore" in caught.value.hint
    assert path.read_bytes() == b"something of somebody else's, and not short\n" * 50


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE TABLE theirs (x)")
        with pytest.raises(StorageFailed, match="of another program"):
            open_store(path, create=True)
        assert conn.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_database_that_is_no_longer_writable(path: Path, store: Store) -> None:
    store.conn.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageFailed) as caught:
        record(store, "a")
    assert "write there" in caught.value.hint
    store.conn.execute("PRAGMA query_only = OFF")
    assert record(store, "a").new == ["a"]


def test_a_full_database_takes_nothing_by_halves(path: Path, store: Store) -> None:
    record(store, "before")
    pages = store.read("PRAGMA page_count")[0][0]
    store.read(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StorageFailed) as caught:
        record(store, *(f"t{n}" for n in range(400)))
    assert "space" in caught.value.hint
    assert not store.conn.in_transaction
    assert elsewhere(path, "SELECT id FROM tasks") == [("before",)]
    store.read("PRAGMA max_page_count = 100000")
    assert len(record(store, *(f"t{n}" for n in range(400))).new) == 400


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_full_disk_takes_nothing_by_halves(path: Path, journal: str) -> None:
    with open_store(path, journal, create=True) as store:
        record(store, "before")
        grows = path.with_name("cdpoll.db-wal") if journal == "wal" else path
        with small_files(grows.stat().st_size + 4096), pytest.raises(StorageFailed) as caught:
            record(store, *(f"t{n}" for n in range(400)))
        assert caught.value.hint
        assert not store.conn.in_transaction
        assert elsewhere(path, "SELECT id FROM tasks") == [("before",)]
        assert len(record(store, *(f"t{n}" for n in range(400))).new) == 400
        assert store.read("PRAGMA integrity_check")[0][0] == "ok"


def test_a_disk_too_full_for_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "cdpoll.db"
    with small_files(8192), pytest.raises(StorageFailed):
        open_store(path, create=True)
    with open_store(path, create=True) as store:
        assert record(store, "a").new == ["a"]
