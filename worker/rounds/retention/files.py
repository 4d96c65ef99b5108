"""The files that hold patient data, or may hold it, and what a purge does to them.

=============================  ========================================================================================
file                           what a purge does
=============================  ========================================================================================
NAME, the database             removes rows; rewrites it
NAME-wal, NAME-journal         empties it, with the rewriting
NAME.schema-N                  a copy that was made before a migration: deleted when it is old enough
NAME.forgotten-…               what `db forget` put aside: likewise
NAME.restoring/                what `db verify-restore` left when it was killed: likewise
another copy of the database   a snapshot, in the same folder: likewise; a copy elsewhere is not known
.SNAPSHOT.new                  what `db snapshot` left when it was killed: likewise
quarantine/SHA256              deleted with the row of the file, or where the database does not know it
incoming/                      what was fetched and not read in: deleted when it is old enough
done/ of the spool             nothing: its lane deletes what is older than [spool] keep_done
bad/ of the spool              nothing: a person looks at it, and removes it
a way out's folder             what was delivered there: likewise (``delivered.py``)
=============================  ========================================================================================

`cdpoll purge --yes` deletes as well each copy that is older than the last removal of rows: it holds what was removed.
The daemon does not: a copy would not live for longer than a day.

Others hold none: NAME-shm, .marker, .server-…, .lock, .queue, .writer, .host, .ingest-file, .ingest-round, .deliver,
.cursor-…, .beat.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from worker.core.errors import TryLater
from worker.store.batch import keeping
from worker.store.batch.lock import IngestLock
from worker.store.db.copying import is_copy
from worker.store.db.store import Store

# Behind the database's name.
HOLD_NONE = (
    *("-shm", ".marker", ".lock", ".queue", ".writer", ".ingest-file", ".ingest-round", ".deliver"),
    *(".beat", ".beat.new", ".host"),
)
CURSOR_LOCKS, SERVER_MARKERS = ".cursor-", ".server-"
REWRITTEN = ("", "-wal", "-journal")
COPIES = (".schema-", ".forgotten-", ".new")
RESTORING = ".restoring"
# What a `db snapshot` that was killed has left; it need not begin as a database does.
UNFINISHED_SNAPSHOT = re.compile(r"\..+\.new")


class OldFiles(NamedTuple):
    """These are old enough: ``copies`` of the database, ``fetched`` files that were never read in, ``unknown`` ones in
    quarantine that the database does not know, ``delivered`` ones. ``foreign``: what else lies beside the database; it
    is left alone."""

    copies: list[Path]
    fetched: list[Path]
    unknown: list[Path]
    delivered: list[Path]
    foreign: list[Path]

    @property
    def all(self) -> list[Path]:
        """Those that are to be deleted."""
        return [*self.copies, *self.fetched, *self.unknown, *self.delivered]


def old_files(store: Store, before: int, made_before: int) -> OldFiles:
    """The files that are older than ``before`` (ms), and the copies that were made before ``made_before``."""
    found = OldFiles([], [], [], [], [])
    name = store.file.name
    aside = store.file.with_name(name + RESTORING)
    found.copies.extend(path for path in _inside(aside) if _changed(path) < max(before, made_before))
    for path in sorted(store.file.parent.iterdir()):
        ending = path.name.removeprefix(name) if path.name.startswith(name) else None
        if ending in HOLD_NONE or ending in REWRITTEN or path == store.path or not path.is_file():
            continue
        if ending is not None and ending.startswith((CURSOR_LOCKS, SERVER_MARKERS)):
            continue
        ours = ending is not None and ending.startswith(COPIES)
        if ours or UNFINISHED_SNAPSHOT.fullmatch(path.name) or is_copy(path):
            if _changed(path) < max(before, made_before):
                found.copies.append(path)
        else:
            found.foreign.append(path)
    folders = store.path.parent / keeping.INCOMING, store.path.parent / keeping.QUARANTINE
    fetched, kept = ([path for path in _inside(folder) if _changed(path) < before] for folder in folders)
    found.fetched.extend(fetched)
    known = keeping.known(store, [path.name for path in kept])
    found.unknown.extend(path for path in kept if path.name not in known)
    return found


def delete(store: Store, files: OldFiles, now: int) -> list[str]:
    """Delete them; the names of those that could not be, with the reason."""
    failed = [said for path in [*files.copies, *files.unknown, *files.delivered] if (said := _deleted(path))]
    if files.fetched:
        try:
            with IngestLock(store, "round", now, wait=False):
                failed += [said for path in files.fetched if (said := _deleted(path))]
        except TryLater:
            failed.append(f"{keeping.INCOMING}: a round over the drop is under way")
    return failed


def _deleted(path: Path) -> str | None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None


def _inside(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if path.is_file())


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns // 1_000_000
    except FileNotFoundError:  # it has gone just now
        return 1 << 62
