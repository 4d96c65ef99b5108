"""One daemon per database: a lock on a file beside it, which the kernel lets go whatever ends the process."""

import fcntl
import os
from pathlib import Path

from worker.core.errors import StorageFailed, TryLater


class DaemonLock:
    """Held from construction to :meth:`release`. Raises :class:`TryLater` when another process holds it."""

    def __init__(self, database: Path) -> None:
        database = database.resolve()  # a link to it is the same database
        path = database.with_name(database.name + ".lock")
        try:
            mode = database.stat().st_mode & 0o660
            self._fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, mode)
        except OSError as error:
            raise StorageFailed(
                f"{path}: {error.strerror}", "the daemon must be able to write beside its database"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise TryLater(
                f"another cdpoll already works on {database}",
                "one daemon per database: see `cdpoll status`; stop that one first, or leave the work to it",
            ) from None

    def release(self) -> None:
        os.close(self._fd)
