"""Readers that follow the numbers of the outbox by name: how far each has come."""

from worker.core.errors import StorageFailed, TryLater
from worker.files import FileLock
from worker.ownership import cure
from worker.store.db.store import Store
from worker.store.state.leases import Lease

# An export that was killed on another host: its cursor is free again after so long.
LEASE_MS = 600_000


class CursorLock:
    """One export by a cursor at a time: a lock on a file beside the database, and a lease over all hosts. A context
    manager.

    Raises TryLater (75) where another export has it.
    """

    def __init__(self, store: Store, cursor: str, now: int) -> None:
        self._path = store.file.with_name(f"{store.file.name}.cursor-{cursor}")
        self._lease = Lease(store, f"cursor:{cursor}", LEASE_MS, alone=False)
        self._cursor = cursor
        self._now = now

    def __enter__(self) -> None:
        try:
            # With a database on a server, nothing may have made this host's folder yet.
            self._path.parent.mkdir(mode=0o770, exist_ok=True)
            self._lock = FileLock(self._path, wait=False)
        except BlockingIOError:
            raise self._busy() from None
        except OSError as error:
            raise StorageFailed(
                f"{self._path}: {error.strerror}",
                cure(self._path) or "who exports by a cursor must be able to write beside the database",
            ) from error
        try:
            if not self._lease.take(self._now):
                raise self._busy()
        except BaseException:
            self._lock.release()
            raise

    def _busy(self) -> TryLater:
        return TryLater(f"another export by the cursor {self._cursor} is at work", "try again when it has ended")

    def __exit__(self, *_: object) -> None:
        self._lease.let_go()
        self._lock.release()


def position(store: Store, name: str) -> int:
    """The number up to which everything was handed out; 0 for a name that was never used."""
    row = store.one("SELECT number FROM cursors WHERE name = :name", {"name": name})
    return 0 if row is None else int(row["number"])


def move(store: Store, name: str, number: int, now: int) -> None:
    """Put the cursor at ``number``, in a transaction of its own. It never moves back."""
    with store.write(alone=False):
        store.execute(
            """
            INSERT INTO cursors (name, number, moved_at) VALUES (:name, :number, :now)
            ON CONFLICT (name) DO UPDATE SET number = :number, moved_at = :now WHERE cursors.number < :number
            """,
            {"name": name, "number": number, "now": now},
        )
