"""One process or thread reads batches into a database at a time: a lock on a file beside it."""

from contextlib import suppress
from pathlib import Path
from threading import Event

from worker.core.errors import StorageFailed, TryLater
from worker.files import FileLock
from worker.ownership import cure

ASK_AGAIN_MS = 100

_BUSY = {
    "file": ("another cdpoll is reading a batch file into this database", "try again in a moment"),
    "round": (
        "another cdpoll is in a round over the drop",
        "try again in a moment; where a daemon runs, it reads the drop by itself, and `cdpoll files` says what waits",
    ),
}


def rest(ms: int) -> None:
    """Wait before the lock is asked for again."""
    Event().wait(ms / 1000)


class IngestLock:
    """A lock beside the database; a context manager, for threads as for processes.

    * ``file``: held while one file is read in. Its holder knows that every row in the state ``staging`` is what
      a crash left behind.
    * ``round``: held during one round over the drop.

    With ``wait`` the lock is waited for, else :class:`TryLater` is raised where another has it after ``patience_ms``.
    """

    def __init__(self, database: Path, what: str, *, wait: bool, patience_ms: int = 0) -> None:
        database = database.resolve()
        self._path = database.with_name(f"{database.name}.ingest-{what}")
        self._what = what
        self._wait = wait
        self._more_attempts = patience_ms // ASK_AGAIN_MS

    def __enter__(self) -> "IngestLock":
        try:
            self._lock = self._taken()
        except BlockingIOError:
            raise TryLater(*_BUSY[self._what]) from None
        except OSError as error:
            raise StorageFailed(
                f"{self._path}: {error.strerror}",
                cure(self._path) or "the user that reads batches must be able to write beside the database",
            ) from error
        return self

    def _taken(self) -> FileLock:
        for _ in range(self._more_attempts):
            with suppress(BlockingIOError):
                return FileLock(self._path, wait=False)
            rest(ASK_AGAIN_MS)
        return FileLock(self._path, wait=self._wait)

    def __exit__(self, *_: object) -> None:
        self._lock.release()
