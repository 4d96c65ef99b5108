"""One process or thread, of all hosts, reads batches into a database at a time: a lock on a file, and a lease."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import NamedTuple

from worker.core.errors import StorageFailed, TryLater
from worker.files import FileLock
from worker.ownership import cure
from worker.store.db.store import Store
from worker.store.state import leases
from worker.store.state.leases import Lease

ASK_AGAIN_MS = 100


class _Kind(NamedTuple):
    """``lease_ms``: the longest between two transactions of the work, with room to spare. ``busy``, ``hint``: what is
    said where another has it."""

    lease: str
    lease_ms: int
    busy: str
    hint: str


_KINDS = {
    "file": _Kind(leases.BATCH, 120_000, "is reading a batch file into this database", "try again in a moment"),
    # A server that is silent costs a step up to five times half a minute.
    "round": _Kind(
        leases.DROP,
        180_000,
        "is in a round over the drop",
        "try again in a moment; where a daemon runs, it reads the drop by itself, and `cdpoll files` says what waits",
    ),
}


def rest(ms: int) -> None:
    """Wait before the lock is asked for again."""
    Event().wait(ms / 1000)


class IngestLock:
    """A lock beside the database, for the processes and threads of this host, and a lease over all hosts. A context
    manager; each transaction of ``store`` renews the lease meanwhile, or is rolled back where another has it by then.

    * ``file``: held while one file is read in. Its holder knows that every row in the state ``staging`` is what
      a crash left behind.
    * ``round``: held during one round over the drop.

    With ``wait`` it is waited for, else :class:`TryLater` is raised where another has it after ``patience_ms``.
    """

    def __init__(self, store: Store, what: str, now: int, *, wait: bool, patience_ms: int = 0) -> None:
        self._kind = _KINDS[what]
        self._path = _path_of(store, what)
        self._lease = Lease(store, self._kind.lease, self._kind.lease_ms)
        self._now = now
        self._wait = wait
        self._patience_ms = patience_ms

    def __enter__(self) -> "IngestLock":
        try:
            # With a database on a server it may be the first file of the folder.
            self._path.parent.mkdir(mode=0o770, exist_ok=True)
            self._lock = self._taken()
        except BlockingIOError:
            raise TryLater(f"another cdpoll {self._kind.busy}", self._kind.hint) from None
        except OSError as error:
            raise _unusable(self._path, error) from error
        try:
            self._take_lease()
        except BaseException:
            self._lock.release()
            raise
        return self

    def _taken(self) -> FileLock:
        for _ in range(self._patience_ms // ASK_AGAIN_MS):
            with suppress(BlockingIOError):
                return FileLock(self._path, wait=False)
            rest(ASK_AGAIN_MS)
        return FileLock(self._path, wait=self._wait)

    def _take_lease(self) -> None:
        waited_ms = 0
        while not self._lease.take(self._now + waited_ms):
            if not self._wait and waited_ms >= self._patience_ms:
                holder = self._lease.holder(self._now + waited_ms)
                where = "" if holder is None else f" of {holder.daemon}"
                raise TryLater(f"another cdpoll{where} {self._kind.busy}", self._kind.hint)
            rest(ASK_AGAIN_MS)
            waited_ms += ASK_AGAIN_MS

    def __exit__(self, *_: object) -> None:
        self._lease.let_go()
        self._lock.release()


@contextmanager
def no_batches(store: Store) -> Iterator[None]:
    """While no process of this host reads a batch, or is in a round. Nothing is written; leases tell of other hosts.

    Raises :class:`TryLater`.
    """
    with ExitStack() as stack:
        for what, kind in _KINDS.items():
            path = _path_of(store, what)
            try:
                stack.callback(FileLock(path, wait=False).release)
            except BlockingIOError:
                raise TryLater(f"another cdpoll {kind.busy}", kind.hint) from None
            except OSError as error:
                raise _unusable(path, error) from error
        yield


def _path_of(store: Store, what: str) -> Path:
    return store.file.with_name(f"{store.file.name}.ingest-{what}")


def _unusable(path: Path, error: OSError) -> StorageFailed:
    hint = cure(path) or "the user that reads batches must be able to write beside the database"
    return StorageFailed(f"{path}: {error.strerror}", hint)
