"""``cdpoll db forget``: a new database may be made where one was lost, and another one may be used where it was put.

Nothing is deleted but the marker. A database that can be used stays where it is. What is left of one that cannot be
used is renamed. On a server nothing but this host's marker is touched.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from worker.core.errors import StorageFailed
from worker.files import sync_folder
from worker.place import DatabasePlace
from worker.store.db import marker
from worker.store.db.failures import translated
from worker.store.db.sqlite import SqliteStore
from worker.store.db.writers import WriterTurn
from worker.store.opening import SCHEMA_VERSION, identity_of, needs_psycopg

if TYPE_CHECKING:
    from worker.store.db.postgres import PostgresStore

# What SQLite keeps beside a database.
BESIDE = ("-wal", "-shm", "-journal")


class Remains(NamedTuple):
    """What lies at the path of a database: ``usable`` or not, its marker, and files of one that cannot be used."""

    usable: bool
    marked: bool
    left: list[Path]

    @property
    def any(self) -> bool:
        """Whether there is anything to forget."""
        return self.marked or bool(self.left)


def remains_of(place: DatabasePlace) -> Remains:
    """Look, and change nothing. Raises :class:`StorageFailed` where it cannot be told what lies there, or what lies
    there was never cdpoll's."""
    return _in_file(place.path) if place.server is None else _on_server(place)


def forget(place: DatabasePlace, suffix: str, timeout: float = 15.0) -> list[Path]:
    """Remove the marker, and put ``suffix`` behind the names of files that are no use; the new names."""
    if place.server is None:
        return _forget_file(place.path, suffix, timeout)
    with translated(place.path), _server(place) as store:
        marker.marker_of(store.marked).unlink(missing_ok=True)
        sync_folder(store.marked.parent)
    return []


def _in_file(path: Path) -> Remains:
    file = Path(os.path.realpath(path))
    with translated(path):
        marked = marker.marker_of(file).exists()
        there = file.exists()
        usable = there and _usable(path)
        left = [one for one in (file, *(_beside(file, ending) for ending in BESIDE)) if one.exists()]
        if there and not usable and not marked and file.stat().st_size:
            raise StorageFailed(
                f"{path} is not a database of cdpoll, and as far as can be told there never was one",
                "set [store] path to a file of cdpoll's own, or move that file away",
            )
    return Remains(usable, marked, [] if usable else left)


def _forget_file(path: Path, suffix: str, timeout: float) -> list[Path]:
    file = Path(os.path.realpath(path))
    renamed = []
    with translated(path), closing(WriterTurn(file, timeout)) as turn, turn:
        for one in _in_file(path).left:
            renamed.append(file.with_name(f"{file.name}{suffix}{one.name.removeprefix(file.name)}"))
            one.rename(renamed[-1])
        # The marker goes last, also on the disk: until then nothing new is made, and without it the file of a damaged
        # database would be taken for another program's.
        sync_folder(file.parent)
        marker.marker_of(file).unlink(missing_ok=True)
        sync_folder(file.parent)
    return renamed


def _on_server(place: DatabasePlace) -> Remains:
    with _server(place) as store:
        return Remains(store.version() > 0, marker.marker_of(store.marked).exists(), [])


def _server(place: DatabasePlace) -> "PostgresStore":
    needs_psycopg()
    from worker.store.db.postgres import PostgresStore

    return PostgresStore(place)


def _usable(path: Path) -> bool:
    if path.is_file() and path.stat().st_size == 0:
        return False
    try:
        with SqliteStore(path) as store:
            version = store.version()
            if version == SCHEMA_VERSION:
                identity_of(store)
            return version > 0 or bool(store.read("SELECT name FROM sqlite_master"))
    except StorageFailed as error:
        if _damaged(error):
            return False
        raise


def _damaged(error: StorageFailed) -> bool:
    """Whether it is the file's fault, and not that it may not be read."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.DatabaseError) and getattr(cause, "sqlite_errorname", "").startswith(
        ("SQLITE_CORRUPT", "SQLITE_NOTADB")
    )


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)
