"""Copies of a database: ``NAME.schema-N``, which is kept beside it before its schema is changed, and snapshots."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path

from worker.files import sync_folder
from worker.store.db.sqlite import SqliteStore

_MAGIC = b"SQLite format 3\0"

# Copied between two calls.
STEP_PAGES = 2_000


def copy_of(store: SqliteStore, version: int) -> Path:
    """Where the copy of this version lies."""
    return store.file.with_name(f"{store.file.name}.schema-{version}")


def keep_copy(store: SqliteStore, version: int, working: Callable[[], None]) -> Path:
    """Put a copy on the disk, inside a write transaction that has changed nothing yet; where it lies.

    ``working`` is called time and again. A copy that an earlier attempt has left is replaced.
    """
    copy = copy_of(store, version)
    with _taking_shape(copy, copy.with_name(copy.name + ".new"), 0o660) as temporary:
        # By a second connection: the one that writes may not be read from meanwhile.
        address = f"{store.file.as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(temporary)) as target:
            target.execute("PRAGMA journal_mode = MEMORY").fetchone()
            source.backup(target, pages=STEP_PAGES, progress=lambda *_: working())
    return copy


def snapshot(store: SqliteStore, path: Path, stamp: Callable[[sqlite3.Connection], None]) -> None:
    """Put a copy of the database as it is at this moment at ``path``, for the eyes of its owner alone; ``stamp`` writes
    into the copy before it has its name. It is one file, whatever the journal of the database.

    With a WAL others write on meanwhile. Without one they wait for their turn: a reader would make their COMMIT fail.
    """
    wal = store.read("PRAGMA journal_mode")[0]["journal_mode"] == "wal"
    with _taking_shape(path, path.with_name(f".{path.name}.new"), 0o600) as temporary:
        address = f"{store.file.as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(temporary)) as target:
            target.execute("PRAGMA journal_mode = MEMORY").fetchone()
            with nullcontext() if wal else store.write():
                source.backup(target)  # in one step: beside a writer, several would begin anew each time
            # Its first page says that it has a WAL, which no one could make in a folder that he may not write.
            target.execute("PRAGMA journal_mode = DELETE").fetchone()
            target.row_factory = sqlite3.Row
            with target:
                stamp(target)


@contextmanager
def _taking_shape(name: Path, temporary: Path, mode: int) -> Iterator[Path]:
    """A new file for the block to fill: then it is put on the disk, and gets its name."""
    temporary.unlink(missing_ok=True)  # of a process that was killed
    fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, mode)
    try:
        yield temporary
        os.fsync(fd)
        temporary.rename(name)
        sync_folder(name.parent)
    except BaseException:
        for ending in ("", "-journal"):
            with suppress(OSError):
                temporary.with_name(temporary.name + ending).unlink()
        raise
    finally:
        os.close(fd)


def drop_copies(store: SqliteStore, but: Path) -> None:
    """Remove the copies of all other versions."""
    for copy in store.file.parent.iterdir():
        if copy.name.startswith(f"{store.file.name}.schema-") and copy != but:
            with suppress(OSError):
                copy.unlink()


def is_copy(path: Path) -> bool:
    """Whether a file is a database of cdpoll."""
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return False
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
            return bool(conn.execute("SELECT 1 FROM meta WHERE key = 'identity'").fetchone())
    except (OSError, sqlite3.Error):
        return False
