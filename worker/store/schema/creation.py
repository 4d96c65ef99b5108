"""Makes a new database: whole and on the disk before it has its name.

It is made under a temporary name, and put in its place by link(2), which fails where a file is. (rename(2) replaces
what another first command has just made: 3 ids were lost in 40 races.) A process that is killed, or a power cut, leaves
a file of the temporary name at most, which the next one removes.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from worker.core.errors import StorageFailed
from worker.files import sync_folder
from worker.store.db import marker
from worker.store.db.failures import RESTORE, translated
from worker.store.db.sqlite import SqliteStore
from worker.store.db.writers import WriterTurn

SCHEMA = Path(__file__).with_name("schema.sql")


def create(path: Path, version: int, timeout: float) -> None:
    """Make a database at ``path``, or at what the link there names, unless there is a file, or was a database before.

    Raises :class:`StorageFailed` where it cannot be made, with nothing left behind.
    """
    with in_turn(path, timeout) as file:
        if not file.exists() and marker.read(file) is None:
            put(file, lambda store: build(store, version))


@contextmanager
def in_turn(path: Path, timeout: float) -> Iterator[Path]:
    """The file at ``path``, or at what the link there names, while no other process of cdpoll makes it or writes it."""
    file = Path(os.path.realpath(path))
    with translated(path):
        _make_folder(file.parent)
        with closing(WriterTurn(file, timeout)) as turn, turn:
            yield file


def put(file: Path, fill: Callable[[SqliteStore], None]) -> None:
    """Let ``fill`` make a database, and put it at ``file`` when it is on the disk; in the turn of a writer."""
    _refuse_what_was_left(file)
    temporary = file.with_name(file.name + ".new")
    temporary.unlink(missing_ok=True)  # of a process that was killed
    try:
        _make(temporary, fill)
        _put_in_place(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(file.parent)


def build(store: SqliteStore, version: int) -> None:
    """Make all tables in an empty file, in one transaction."""
    with store.write():
        for statement in statements(SCHEMA.read_text(encoding="utf-8")):
            store.execute(statement)
        store.set_version(version)


def statements(script: str) -> Iterator[str]:
    """The statements of a script, each with the comments before it. (``executescript`` would commit first.)"""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""


def _make_folder(folder: Path) -> None:
    if not folder.exists() and folder.parent.exists():
        folder.mkdir(mode=0o770, exist_ok=True)  # another process may be making it now
        sync_folder(folder.parent)


def _refuse_what_was_left(file: Path) -> None:
    """SQLite would play an old journal into the new database."""
    for ending in ("-wal", "-journal"):
        beside = file.with_name(file.name + ending)
        if beside.exists() and beside.stat().st_size:
            raise StorageFailed(
                f"{beside} is there and {file} is not: the database was removed without it",
                f"{RESTORE}, or begin anew with `cdpoll db forget`",
            )


def _make(temporary: Path, fill: Callable[[SqliteStore], None]) -> None:
    fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o660)
    try:
        with SqliteStore(temporary, lone=True) as store:
            store.use_journal("memory")
            fill(store)
        os.fsync(fd)
    finally:
        os.close(fd)


def _put_in_place(temporary: Path, file: Path) -> None:
    try:
        os.link(temporary, file)
    except FileExistsError:
        return  # another program has just put one there
    except OSError as error:
        raise StorageFailed(
            f"{file}: no hard link can be made there: {error.strerror}",
            "set [store] path to a file on a local disk whose file system has hard links",
        ) from error
