"""One daemon per database: a lock on a file beside it."""

import os
from pathlib import Path
from typing import NamedTuple

from worker.core.errors import StorageFailed, TryLater
from worker.files import FileLock
from worker.ownership import cure


class Holder(NamedTuple):
    """The process that holds the lock, and since when (ms)."""

    pid: int
    since: int


def holder(database: Path) -> Holder | None:
    """Who holds the lock of a database; ``database`` is the file itself, no link to it.

    ``None``: no process does, or the kernel's list cannot be read. To try the lock would keep a daemon from it that
    starts in this very moment.
    """
    try:
        found = _lock_of(database).stat()
        with open("/proc/locks", "rb") as file:  # noqa: PTH123 - not a path of ours
            lines = file.read().decode("ascii", "replace").splitlines()
    except OSError:
        return None
    file_id = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in lines:
        words = line.split()  # 1: FLOCK  ADVISORY  WRITE 4711 fe:00:123456 0 EOF
        if len(words) == 8 and words[1] == "FLOCK" and words[5] == file_id and words[4].isdigit():
            return Holder(int(words[4]), found.st_mtime_ns // 1_000_000)
    return None


def _lock_of(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


class DaemonLock:
    """Held from construction to :meth:`release`. Raises :class:`TryLater` when another process holds it."""

    def __init__(self, database: Path) -> None:
        database = database.resolve()  # a link to it is the same database
        path = _lock_of(database)
        try:
            self._lock = FileLock(path, wait=False)
        except BlockingIOError:
            raise TryLater(
                f"another cdpoll already works on {database}",
                "one daemon per database: see `cdpoll status`; stop that one first, or leave the work to it",
            ) from None
        except OSError as error:
            raise StorageFailed(
                f"{path}: {error.strerror}", cure(path) or "the daemon must be able to write beside its database"
            ) from error
        self.still_working()

    def still_working(self) -> None:
        """Note the time, for :func:`holder`: what is done under the lock goes on."""
        self._lock.touch()

    def release(self) -> None:
        self._lock.release()
