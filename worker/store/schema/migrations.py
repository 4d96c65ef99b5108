"""Makes the schema of a new database, and brings that of an earlier release to the present form.

:data:`STEPS` has one step for each version of the schema since the first release. A new database is made from
``schema.sql`` alone. So a change of the schema changes that file, raises
:data:`~worker.store.opening.SCHEMA_VERSION`, and adds the step that does the same to a database with rows in it. All
steps that are missing are made in one transaction; they lose no row. What ALTER TABLE cannot do,
``sqlite_utils.Table.transform`` does.

Loaded only when a database is created or brought up to date: importing sqlite_utils takes longer than a `record`.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sqlite_utils import Database

from worker.core.errors import StorageFailed
from worker.store.db.store import Store

SCHEMA = Path(__file__).with_name("schema.sql")

# version -> what makes it of the version before. The caller has begun a transaction; a step begins none.
Steps = Mapping[int, Callable[[Database], None]]
STEPS: Steps = {}


def bring_up(store: Store, version: int, steps: Steps = STEPS) -> None:
    """Bring ``store`` to the schema ``version``; safe when several processes start at once.

    Raises :class:`StorageFailed`, and leaves the file as it was, when a row would then refer to nothing, and when the
    file holds the tables of another program.
    """
    with store.rebuilding():
        # The write lock is held now: another process that was doing the same has finished.
        db = Database(store.conn, execute_plugins=False, strict=True)
        present = store.version()
        if present == 0:
            if db.table_names():
                raise StorageFailed(
                    f"{store.path} is a database of another program", "set [store] path to a file of cdpoll's own"
                )
            for statement in statements(SCHEMA.read_text(encoding="utf-8")):
                db.execute(statement)
        else:
            for number in range(present + 1, version + 1):
                steps[number](db)
        broken = store.dangling()
        if broken:
            raise StorageFailed(
                f"{store.path} cannot be brought up to date: {broken[0]}",
                "nothing in it was changed; restore the last good copy",
            )
        store.set_version(version)


def statements(script: str) -> Iterator[str]:
    """The statements of a script, each with the comments before it. (``executescript`` would commit first.)"""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
