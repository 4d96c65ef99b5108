"""One daemon per database, and one process that delivers: locks on files beside it."""

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
        hint = "one daemon per database: see `cdpoll status`; stop that one first, or leave the work to it"
        self._lock = _taken(_lock_of(database), f"another cdpoll already works on {database}", hint)
        self.still_working()

    def still_working(self) -> None:
        """Note the time, for :func:`holder`: what is done under the lock goes on."""
        self._lock.touch()

    def release(self) -> None:
        self._lock.release()


class DeliverLock:
    """One `cdpoll deliver` per database: else each result would go out twice. As :class:`DaemonLock`."""

    def __init__(self, database: Path) -> None:
        database = database.resolve()
        path = database.with_name(database.name + ".deliver")
        hint = "one per database: see `cdpoll status`; stop that one first, or leave the work to it"
        self._lock = _taken(path, f"another cdpoll already delivers from {database}", hint)

    def release(self) -> None:
        self._lock.release()


def _taken(path: Path, taken: str, hint: str) -> FileLock:
    try:
        # With a database on a server this is the first file of the folder; with a file, the folder is there.
        path.parent.mkdir(mode=0o770, exist_ok=True)
        return FileLock(path, wait=False)
    except BlockingIOError:
        raise TryLater(taken, hint) from None
    except OSError as error:
        cause = cure(path) or "cdpoll must be able to write beside its database"
        raise StorageFailed(f"{path}: {error.strerror}", cause) from error
