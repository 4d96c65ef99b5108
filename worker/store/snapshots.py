"""Snapshots of the database for backups and for readers that must not touch the live file, and the rehearsal of
restoring one.

A snapshot is whole or not there. It notes in its own table ``meta`` when it was taken and how many rows it holds.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from worker.core.errors import BadData, StorageFailed, TryLater
from worker.files import FileLock, open_regular
from worker.store.db.copying import snapshot
from worker.store.db.failures import translated
from worker.store.db.sqlite import SqliteStore
from worker.store.db.store import Row, Store
from worker.store.opening import identity_of, open_store
from worker.store.state import meta

# In the table meta of a snapshot.
TAKEN = "snapshot"

# Each is one number. A task that was there at the snapshot is there for ever, and what is concluded stays so.
_COUNTS = {
    "tasks": "SELECT count(*) AS n FROM tasks WHERE seq <= :last_task",
    "concluded": "SELECT count(*) AS n FROM tasks WHERE seq <= :last_task AND state = 'concluded'",
    "numbers": "SELECT value AS n FROM counters WHERE name = 'outbox'",
}

_LAST_TASK = "SELECT seq AS n FROM tasks ORDER BY seq DESC LIMIT 1"


@dataclass(slots=True)
class Verified:
    """What came of restoring a snapshot aside. ``wrong``: in words, empty where it is good. ``taken_at`` (ms) and
    ``held`` are ``None`` for a copy that `cdpoll db snapshot` did not make; ``schema``: of the snapshot."""

    taken_at: int | None = None
    schema: int | None = None
    held: dict[str, int] | None = None
    restored: dict[str, int] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def take(store: Store, path: Path, now: int) -> dict[str, int]:
    """Put a snapshot at ``path``, where nothing may be; what it holds. Raises :class:`BadData`, and
    :class:`StorageFailed` with nothing left behind."""
    file = _file_of(store)
    if os.path.lexists(path):
        raise BadData(f"{path} is there already", "name a file that is not: a snapshot replaces nothing")
    if not os.path.isdir(path.parent):  # noqa: PTH112 - Path.is_dir raises where this user may not look
        raise BadData(f"{path.parent} is no folder that this user can see", "make it first, or name another one")
    held: dict[str, int] = {}

    def stamp(copy: sqlite3.Connection) -> None:
        bounds = {"last_task": _number(copy.execute(_LAST_TASK).fetchone())}
        held.update({name: copy.execute(sql, bounds).fetchone()["n"] for name, sql in _COUNTS.items()})
        value = json.dumps({"at": now, "held": held})
        copy.execute("DELETE FROM meta WHERE key = :key", {"key": TAKEN})
        copy.execute("INSERT INTO meta (key, value) VALUES (:key, :value)", {"key": TAKEN, "value": value})

    with translated(path):
        snapshot(file, path, stamp)
    return held


def verify(store: Store, path: Path, journal: str) -> Verified:
    """Restore the snapshot aside, in a folder of its own beside the database that is gone afterwards, open it as the
    daemon would, read all of it, and compare what it holds with what is here."""
    found, _ = Verified(), _file_of(store)
    with _folder_aside(store.file) as folder:
        restored = folder / store.file.name
        _copy(path, restored)
        try:
            with SqliteStore(restored) as raw:
                found.schema = raw.version()
                wrong = raw.wrong()
            if wrong:
                found.wrong = wrong
                return found
            with open_store(restored, journal, migrate=lambda: None) as copy:
                _compare(store, copy, found)
        except StorageFailed as error:
            found.wrong.append(error.message.removeprefix(f"{restored}: ").replace(str(restored), str(path)))
    return found


def _file_of(store: Store) -> SqliteStore:
    if isinstance(store, SqliteStore):
        return store
    raise BadData(
        f"{store.name} is on a server, and a snapshot is one of a file",
        "back it up with pg_dump, or as its operator does",
    )


def _compare(live: Store, copy: Store, found: Verified) -> None:
    if identity_of(copy) != identity_of(live):
        found.wrong.append("it is of another database than the one that is used here")
        return
    taken = meta.get(copy, TAKEN)
    found.taken_at, found.held = taken.get("at"), taken.get("held")
    bounds = {"last_task": _number(copy.one(_LAST_TASK))}
    for name, sql in _COUNTS.items():
        here, there = _number(copy.one(sql, bounds)), _number(live.one(sql, bounds))
        found.restored[name], found.live[name] = here, there
        if found.held is not None and found.held.get(name) != here:
            found.wrong.append(f"{name}: {here} were restored, and {found.held.get(name)} were put into it")
        if here > there or (name == "tasks" and here < there):
            found.wrong.append(f"{name}: {here} were restored, and the live database has {there} of them")


def _number(row: Row | None) -> int:
    return 0 if row is None else int(row["n"])


@contextmanager
def _folder_aside(database: Path) -> Iterator[Path]:
    folder = database.with_name(database.name + ".restoring")
    with translated(database):
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = FileLock(folder / "lock", wait=False)
        except BlockingIOError:
            raise TryLater("another `cdpoll db verify-restore` is at work", "try again when it has ended") from None
        try:
            for left in folder.iterdir():  # by a process that was killed
                if left.name != "lock":
                    left.unlink()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def _copy(path: Path, to: Path) -> None:
    try:
        opened = open_regular(path)
    except OSError as error:
        raise StorageFailed(f"{path}: {error.strerror}", "name a snapshot that this user may read") from error
    with translated(path), opened as source, to.open("xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
