"""One process or thread reads batches into a database at a time: a lock on a file beside it."""

from pathlib import Path

from worker.core.errors import StorageFailed, TryLater
from worker.files import FileLock
from worker.ownership import cure


class IngestLock:
    """A lock beside the database; a context manager, for threads as for processes.

    * ``file``: held while one file is read in. Its holder knows that every row in the state ``staging`` is what
      a crash left behind.
    * ``round``: held during one round over the drop.

    With ``wait`` the lock is waited for, else :class:`TryLater` is raised where another has it.
    """

    def __init__(self, database: Path, what: str, *, wait: bool) -> None:
        database = database.resolve()
        self._path = database.with_name(f"{database.name}.ingest-{what}")
        self._wait = wait

    def __enter__(self) -> "IngestLock":
        try:
            self._lock = FileLock(self._path, wait=self._wait)
        except BlockingIOError:
            raise TryLater(
                "another cdpoll is reading batches into this database", "wait for it to end, and try again"
            ) from None
        except OSError as error:
            raise StorageFailed(
                f"{self._path}: {error.strerror}",
                cure(self._path) or "the user that reads batches must be able to write beside the database",
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()
