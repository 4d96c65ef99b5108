"""The copy of a database that is kept before its schema is changed, beside it: ``NAME.schema-N``."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from worker.files import sync_folder
from worker.store.db.store import Store

_MAGIC = b"SQLite format 3\0"

# Copied between two calls.
STEP_PAGES = 2_000


def copy_of(store: Store, version: int) -> Path:
    """Where the copy of this version lies."""
    return store.file.with_name(f"{store.file.name}.schema-{version}")


def keep_copy(store: Store, version: int, working: Callable[[], None]) -> Path:
    """Put a copy on the disk, inside a write transaction that has changed nothing yet; where it lies.

    ``working`` is called time and again. A copy that an earlier attempt has left is replaced.
    """
    copy = copy_of(store, version)
    temporary = copy.with_name(copy.name + ".new")
    temporary.unlink(missing_ok=True)  # of a process that was killed
    fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o660)
    try:
        # By a second connection: the one that writes may not be read from meanwhile.
        address = f"{store.file.as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as source, closing(sqlite3.connect(temporary)) as target:
            target.execute("PRAGMA journal_mode = MEMORY").fetchone()
            source.backup(target, pages=STEP_PAGES, progress=lambda *_: working())
        os.fsync(fd)
        temporary.rename(copy)
        sync_folder(copy.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    finally:
        os.close(fd)
    return copy


def drop_copies(store: Store, but: Path) -> None:
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
