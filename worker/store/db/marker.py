"""The marker beside a database, ``NAME.marker``: that there is one, and which.

A file of no bytes is a fine empty database to SQLite, and so is a file that is not there. The marker tells a database
that was never made from one that was emptied, deleted or not restored yet. It is written after the database is on the
disk, and read before anything is made. It holds the database's identity, a random value that each copy has too.

For a database on a server that this host has used there is one too, ``NAME.server-WORD.marker``: the word tells the
server's address from others. Each host has its own.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from worker.files import DurableFile


class Marked(NamedTuple):
    """What a marker says. ``identity`` is ``None`` where it cannot be read any more."""

    identity: str | None
    version: int | None = None


def marker_of(database: Path) -> Path:
    """Where the marker lies; ``database`` is the file itself, no link to it, or :attr:`PostgresStore.marked`."""
    return database.with_name(database.name + ".marker")


def read(database: Path) -> Marked | None:
    """The marker; ``None`` where there is none. Raises OSError where it may not be read."""
    try:
        said = marker_of(database).read_bytes()
    except FileNotFoundError:
        return None
    with suppress(ValueError, TypeError, LookupError):
        found = json.loads(said)
        return Marked(str(found["identity"]), int(found["schema"]))
    return Marked(None)


def written_at(database: Path) -> int | None:
    """When it was written (ms), which is when the database was made or migrated; ``None`` where there is none."""
    try:
        return marker_of(database).stat().st_mtime_ns // 1_000_000
    except OSError:
        return None


def write(database: Path, marked: Marked) -> None:
    """Put the marker on the disk; only in the turn of a writer. Raises OSError."""
    marker = marker_of(database)
    temporary = marker.with_name(marker.name + ".new")
    temporary.unlink(missing_ok=True)  # of a process that was killed
    file = DurableFile(temporary)
    try:
        file.write(json.dumps({"identity": marked.identity, "schema": marked.version}).encode() + b"\n")
        file.finish(marker)
    except BaseException:
        file.abandon()
        raise


def remembered(marked: Path) -> Marked | None:
    """The marker of a server's database. Who may not look there knows of none."""
    with suppress(OSError):
        return read(marked)
    return None


def remember(marked: Path, is_so: Marked) -> None:
    """Put the marker of a server's database on the disk, where this user may."""
    with suppress(OSError):
        marked.parent.mkdir(mode=0o770, exist_ok=True)
        write(marked, is_so)
