"""Makes the tables of cdpoll in a database of a PostgreSQL server, and brings them up to date."""

from collections.abc import Callable, Mapping
from pathlib import Path

from worker.core.errors import StorageFailed
from worker.store.db.postgres import PostgresStore
from worker.store.db.store import Store

SCHEMA, ROLES = (Path(__file__).with_name(name) for name in ("postgres.sql", "roles.sql"))

# version -> the statements that make it of the version before. 0.1.0 is the first release that can be on a server.
STEPS: Mapping[int, str] = {}


def create(store: PostgresStore, version: int) -> None:
    """Make all tables where there are none, in one transaction; of several processes one does it."""
    with store.rebuilding():
        if store.version() == 0:
            store.script(SCHEMA.read_text(encoding="utf-8"))
            store.set_version(version)
            _grant(store)


def grant(store: Store) -> None:
    """Give the roles that are there their rights, as where one was made since; by the owner of the tables."""
    assert isinstance(store, PostgresStore)
    with store.rebuilding():
        _grant(store)


def _grant(store: PostgresStore) -> None:
    store.script(ROLES.read_text(encoding="utf-8"))


def bring_up(store: PostgresStore, version: int, working: Callable[[], None], steps: Mapping[int, str] = STEPS) -> bool:
    """Bring the tables to the schema ``version``, all missing steps in one transaction. Whether it was done here.

    ``working`` is called before each step. The server keeps no copy: docs/postgresql.md says to make one before. Who
    writes waits meanwhile, and is then refused where it knows the schema of before.
    """
    with store.rebuilding():
        present = store.version()
        if present == version:
            return False
        store.read("SELECT id FROM api WHERE id = 1 FOR UPDATE")
        for number in range(present + 1, version + 1):
            working()
            if number not in steps:
                raise StorageFailed(
                    f"{store.name} is of an early build of cdpoll (schema {present}), and cannot be brought up to date",
                    "record its ids again in a new database",
                )
            store.script(steps[number])
        store.set_version(version)
        _grant(store)
    return True
