"""Makes the tables of cdpoll in a database of a PostgreSQL server, and brings them up to date."""

from collections.abc import Callable, Mapping
from pathlib import Path

from worker.core.errors import StorageFailed
from worker.store.db.postgres import PostgresStore

SCHEMA = Path(__file__).with_name("postgres.sql")

# version -> the statements that make it of the version before. 0.1.0 is the first release that can be on a server.
STEPS: Mapping[int, str] = {}


def create(store: PostgresStore, version: int) -> None:
    """Make all tables where there are none, in one transaction; of several processes one does it."""
    with store.rebuilding():
        if store.version() == 0:
            store.script(SCHEMA.read_text(encoding="utf-8"))
            store.set_version(version)


def bring_up(store: PostgresStore, version: int, working: Callable[[], None], steps: Mapping[int, str] = STEPS) -> bool:
    """Bring the tables to the schema ``version``, all missing steps in one transaction. Whether it was done here.

    ``working`` is called before each step. The server keeps no copy: docs/postgresql.md says to make one before.
    """
    with store.rebuilding():
        present = store.version()
        if present == version:
            return False
        for number in range(present + 1, version + 1):
            working()
            if number not in steps:
                raise StorageFailed(
                    f"{store.name} is of an early build of cdpoll (schema {present}), and cannot be brought up to date",
                    "record its ids again in a new database",
                )
            store.script(steps[number])
        store.set_version(version)
    return True
