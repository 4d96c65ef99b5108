"""One database as two hosts have it: each has files of its own, and a name."""

from pathlib import Path

from tests.support import engine
from worker.store.db.sqlite import SqliteStore
from worker.store.db.store import Store


class HostStore(SqliteStore):
    """A database whose file does not lie where the files of this host do."""

    def replaced(self) -> bool:
        return False


def another_host(database: Path, folder: Path, daemon: str) -> Store:
    """The database as another host opens it, whose own files lie in ``folder``."""
    folder.mkdir(exist_ok=True)
    if engine.POSTGRESQL:
        return engine.opened_by(daemon, database, folder / "cdpoll.db")
    store = HostStore(database)
    store.path = store.file = folder / "cdpoll.db"
    store.daemon = daemon
    return store
