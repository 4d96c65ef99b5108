"""One daemon per database: a lock on a file beside it."""

from pathlib import Path

from worker.core.errors import StorageFailed, TryLater
from worker.files import FileLock
from worker.ownership import cure


class DaemonLock:
    """Held from construction to :meth:`release`. Raises :class:`TryLater` when another process holds it."""

    def __init__(self, database: Path) -> None:
        database = database.resolve()  # a link to it is the same database
        path = database.with_name(database.name + ".lock")
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

    def release(self) -> None:
        self._lock.release()
