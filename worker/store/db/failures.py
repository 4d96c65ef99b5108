"""What SQLite and the system say of a database, as errors of cdpoll: one line and what to do next.

No text that stands in a row gets into them.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.core.errors import DamagedRow, MovedAway, StorageFailed, TryLater
from worker.ownership import Obstacle, cure, in_the_way, read_only

RESTORE = "restore the last good copy of the database"
DAMAGED = f"stop the daemon, run `cdpoll db integrity`, and {RESTORE}"
FREE_SPACE = "free some space on that disk; nothing that was acknowledged is lost"

# How the triggers of a database that was moved begin what they say.
MOVED_SAYS = "cdpoll: "

# With less than this on the disk, a failure counts as lack of room: SQLite calls some of them I/O errors.
LEAST_ROOM_BYTES = 1 << 20


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds a lock that is needed."""
    return _name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def is_undecodable(error: sqlite3.Error) -> bool:
    """Whether Python could not decode the text of a column. It is the one error that quotes what stands there."""
    return str(error).startswith("Could not decode to UTF-8")


def denied(path: Path) -> Obstacle | None:
    """What keeps the owner of the folder from opening the database at ``path``, with the cure.

    Another user is not asked: who only reads needs not write.
    """
    try:
        is_owner = path.parent.stat().st_uid == os.geteuid()
    except OSError:
        return None
    return in_the_way(path) if is_owner else None


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise what SQLite or the system says of the database at ``path`` as :class:`StorageFailed`, or
    :class:`TryLater` where it is busy."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if is_busy(error):
            raise TryLater(f"{path} is busy: another process holds its lock", holder_hint(path)) from error
        if str(error).startswith(MOVED_SAYS):
            raise MovedAway(str(path), str(error).removeprefix(MOVED_SAYS)) from error
        if is_undecodable(error):
            # Without its cause, whose message quotes the text.
            raise StorageFailed(
                f"{path}: a text in it cannot be decoded", f"`cdpoll db integrity` says where; {RESTORE}"
            ) from None
        kind = DamagedRow if str(error).startswith("cannot store ") else StorageFailed
        raise kind(f"{path}: {error}", _hint(error, path)) from error
    except UnicodeDecodeError:
        # SQLite names the object whose definition it cannot read, and Python cannot decode that name.
        raise StorageFailed(f"{path}: its schema is damaged", DAMAGED) from None
    except OSError as error:
        raise StorageFailed(f"{error.filename or path}: {error.strerror}", _os_hint(error, path)) from error


def holder_hint(path: Path) -> str:
    """How to find out who holds the lock."""
    return f"`fuser -v {path}` names who has it open: an sqlite3 shell or a backup that holds the lock must end first"


def _name(error: sqlite3.Error) -> str:
    return getattr(error, "sqlite_errorname", "")


def _hint(error: sqlite3.Error, path: Path) -> str:
    name = _name(error)
    if name.startswith("SQLITE_FULL") or (name.startswith("SQLITE_IOERR") and _is_full(path)):
        return FREE_SPACE
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return DAMAGED
    refused = name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM"))
    if refused or read_only(path.parent) is not None:
        return _permission_hint(path)
    return "see `cdpoll db integrity`"


def _is_full(path: Path) -> bool:
    try:
        found = os.statvfs(path.parent)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < LEAST_ROOM_BYTES


def _os_hint(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FREE_SPACE
    return _permission_hint(Path(os.fsdecode(error.filename)) if error.filename else path)


def _permission_hint(path: Path) -> str:
    beside = (path.with_name(path.name + journal) for journal in ("", "-journal", "-wal", "-shm"))
    seen = next((hint for hint in map(cure, beside) if hint is not None), None)
    return seen or f"check that {path.parent} exists and that this user may write there, or set [store] path"
