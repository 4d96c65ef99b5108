"""Who may read batches into a database: one at a time, by a lock that the kernel lets go whatever ends the process."""

import fcntl
import os
from pathlib import Path

from worker.core.errors import StorageFailed, TryLater


class IngestLock:
    """A lock beside the database; a context manager, for threads as for processes.

    * ``file``: held while one file is read in. Whoever holds it knows that every row in the state ``staging`` is what
      a crash left behind.
    * ``round``: held during one round over the drop.

    With ``wait`` the lock is waited for, else :class:`TryLater` is raised where somebody else has it.
    """

    def __init__(self, database: Path, what: str, *, wait: bool) -> None:
        database = database.resolve()
        self._path = database.with_name(f"{database.name}.ingest-{what}")
        self._wait = wait
        self._fd = -1

    def __enter__(self) -> "IngestLock":
        try:
            mode = self._path.parent.stat().st_mode & 0o060 | 0o600
            self._fd = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, mode)
            fcntl.flock(self._fd, fcntl.LOCK_EX if self._wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise TryLater(
                "another cdpoll is reading batches into this database", "wait for it to end, and try again"
            ) from None
        except OSError as error:
            raise StorageFailed(
                f"{self._path}: {error.strerror}", "whoever reads batches must be able to write beside the database"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
