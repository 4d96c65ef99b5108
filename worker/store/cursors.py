"""Readers that follow the numbers of the outbox by name: how far each has come."""

from pathlib import Path

from worker.core.errors import StorageFailed, TryLater
from worker.files import FileLock
from worker.ownership import cure
from worker.store.db.store import Store


class CursorLock:
    """One export by a cursor at a time: a lock on a file beside the database. A context manager.

    Raises TryLater (75) where another export has it.
    """

    def __init__(self, database: Path, cursor: str) -> None:
        database = database.resolve()
        self._path = database.with_name(f"{database.name}.cursor-{cursor}")
        self._cursor = cursor

    def __enter__(self) -> None:
        try:
            # With a database on a server, nothing may have made this host's folder yet.
            self._path.parent.mkdir(mode=0o770, exist_ok=True)
            self._lock = FileLock(self._path, wait=False)
        except BlockingIOError:
            raise TryLater(
                f"another export by the cursor {self._cursor} is at work", "try again when it has ended"
            ) from None
        except OSError as error:
            raise StorageFailed(
                f"{self._path}: {error.strerror}",
                cure(self._path) or "who exports by a cursor must be able to write beside the database",
            ) from error

    def __exit__(self, *_: object) -> None:
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
