"""The files of a database: which there are, and what spoils one."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from worker.core.errors import StorageFailed
from worker.store.opening import open_store

FILES = {"cdpoll.db", "cdpoll.db-journal", "cdpoll.db.marker", "cdpoll.db.queue", "cdpoll.db.writer"}


def marker_of(path: Path) -> Path:
    return path.with_name(path.name + ".marker")


def names(path: Path) -> set[str]:
    return {one.name for one in path.parent.iterdir()}


def refused(path: Path, **how: Any) -> StorageFailed:
    """How it is refused; nothing may be written meanwhile."""
    before = {one.name: one.read_bytes() if one.is_file() else b"" for one in path.parent.iterdir()}
    with pytest.raises(StorageFailed) as caught:
        open_store(path, **how)
    after = {one.name: one.read_bytes() if one.is_file() else b"" for one in path.parent.iterdir()}
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() <= {"cdpoll.db.queue", "cdpoll.db.writer"}
    return caught.value


def put_nothing(path: Path) -> None:
    path.write_bytes(b"")


def put_text(path: Path) -> None:
    path.write_text("something of another program's, and not short\n" * 50)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def take_its_tables(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def put_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def empty_it_beside_its_journals(path: Path) -> None:
    path.write_bytes(b"")
    path.with_name("cdpoll.db-journal").write_bytes(bytes.fromhex("d9d505f920a163d7") + b"x" * 5000)
    path.with_name("cdpoll.db-wal").write_bytes(bytes.fromhex("377f0682") + b"x" * 5000)
