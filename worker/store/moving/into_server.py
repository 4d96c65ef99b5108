"""A database on a PostgreSQL server as the new place."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from psycopg.errors import ProgramLimitExceeded

from worker.core.errors import BadData, StorageFailed
from worker.place import DatabasePlace
from worker.store.db import marker
from worker.store.db.postgres import PostgresStore
from worker.store.db.tables import Table
from worker.store.moving.content import Page, server_types
from worker.store.moving.target import PATIENCE_MS, Rows, refuse_taken
from worker.store.schema import server
from worker.store.state import meta
from worker.store.state.moves import MOVING, Move, Standing, standing_of

# For each index, while it is made.
INDEX_MEMORY = "256MB"

# What slows down the coming of rows is taken away, and made anew when all are there: then the server checks each
# reference as well.
_CONSTRAINTS = """
    SELECT 'ALTER TABLE ' || CAST(conrelid AS regclass) || ' DROP CONSTRAINT ' || quote_ident(conname) AS away,
        'ALTER TABLE ' || CAST(conrelid AS regclass) || ' ADD CONSTRAINT ' || quote_ident(conname) || ' '
            || pg_get_constraintdef(oid) AS anew
    FROM pg_constraint
    WHERE connamespace = CAST(current_schema() AS regnamespace) AND contype IN ('f', 'u')
    ORDER BY contype, conrelid, conname
"""
_INDEXES = """
    SELECT 'DROP INDEX ' || CAST(indexrelid AS regclass) AS away, pg_get_indexdef(indexrelid) AS anew
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relnamespace = CAST(current_schema() AS regnamespace)
        AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
    ORDER BY indexrelid
"""
_NUMBERED = """
    SELECT CAST(attrelid AS regclass) || '' AS name, attname AS number FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = CAST(current_schema() AS regnamespace) AND attidentity <> ''
"""
_OTHERS = """
    SELECT count(*) AS n FROM pg_class
    WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind IN ('r', 'p', 'v', 'm', 'f')
"""


class ServerTarget:
    """A database, or a schema in it, that is empty. What was left there of an attempt is removed."""

    to_server = True
    renames = False

    def __init__(self, place: DatabasePlace, identity: str) -> None:
        """``identity``: of the database that moves."""
        self._place = place
        self._identity = identity
        self._left: list[str] = []
        with self.open() as store:
            self.name = store.name

    def open(self) -> PostgresStore:
        """Without the checks of a database in use."""
        return PostgresStore(self._place)

    def look(self) -> Standing | None:
        """What the database that moves has left there; ``None``: there is nothing. Raises :class:`BadData` for
        anything else."""
        with self.open() as store:
            return self._standing(store)

    def fill(self, tables: list[Table], rows: Rows, move: Move, version: int) -> None:
        """Make it, with all rows, in one transaction; it is not complete then."""
        with self.open() as store:
            self._fill(store, tables, rows, move, version)

    @contextmanager
    def completing(self) -> Iterator[None]:
        """While the block reads the rows, another connection makes what was left out for their coming."""
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(self._complete)
            yield
            made.result()

    def _complete(self) -> None:
        """Each statement is a transaction, so that none keeps a lock that who reads would wait for."""
        with self.open() as store:
            for statement in self._left:
                store.script(f"SET LOCAL maintenance_work_mem = '{INDEX_MEMORY}'; {statement}")

    def release(self) -> None:
        """Let it be used: this host has its marker."""
        with self.open() as store:
            marked = marker.Marked(self._identity, store.version())
            store.after_commit = lambda: marker.remember(store.marked, marked)
            with store.write():
                meta.forget(store, MOVING)

    def _standing(self, store: PostgresStore) -> Standing | None:
        if store.version() == 0:
            if store.read(_OTHERS)[0]["n"]:
                raise BadData(
                    f"{self.name} holds tables of another program", "name a database, or a schema, of its own"
                )
            return None
        row = store.one("SELECT value FROM meta WHERE key = 'identity'")
        if row is None or row["value"] != self._identity:
            raise BadData(f"{self.name} holds another database of cdpoll", "name one that is empty")
        return standing_of(store)

    def _fill(self, store: PostgresStore, tables: list[Table], rows: Rows, move: Move, version: int) -> None:
        with store.rebuilding():
            store.execute(f"SET LOCAL idle_in_transaction_session_timeout = {PATIENCE_MS}")
            script = server.SCHEMA.read_text(encoding="utf-8")
            if refuse_taken(self, self._standing(store)) is not None:
                _remove(store, script)
            store.script(script)
            self._left = _make_bare(store, tables)
            self._left += [f"ALTER TABLE {table.name} ENABLE TRIGGER USER; ANALYZE {table.name}" for table in tables]
            for table in tables:
                _take(store, table, rows(table))
            _number_on(store)
            meta.put(store, MOVING, move._asdict())
            store.set_version(version)
            store.script(server.ROLES.read_text(encoding="utf-8"))


def _make_bare(store: PostgresStore, tables: list[Table]) -> list[str]:
    """Tables without rows, that take rows as fast as can be; the statements that end that."""
    for table in tables:
        store.script(f"ALTER TABLE {table.name} DISABLE TRIGGER USER; DELETE FROM {table.name}")  # noqa: S608 - a name
    anew = []
    for found in (store.read(_CONSTRAINTS), store.read(_INDEXES)):
        for row in found:
            store.script(row["away"])
        anew += [row["anew"] for row in reversed(found)]
    return anew


def _take(store: PostgresStore, table: Table, pages: Iterator[Page]) -> None:
    columns = ", ".join(column.name for column in table.columns)
    # No other transaction sees the table yet, so its rows need no second writing when they are old.
    sql = f"COPY {table.name} ({columns}) FROM STDIN (FORMAT BINARY, FREEZE)"
    try:
        with store.conn.cursor() as cursor, cursor.copy(sql) as copy:
            copy.set_types(server_types(table))
            for page in pages:
                for row in page:
                    copy.write_row(row)
    except ProgramLimitExceeded as error:  # the one thing that a key of a file can have, and no b-tree of a server
        line = re.search(r"line \d+", error.diag.context or "")
        n = line[0].removeprefix("line ") if line else "?"
        raise StorageFailed(
            f"row {n} of {table.name} in the order of its key cannot be moved: its key is too long for a server",
            "nothing was changed; docs/moving.md says what can be done with that row",
        ) from None


def _number_on(store: PostgresStore) -> None:
    """Let the next row of a table have a number above all that are there."""
    for row in store.read(_NUMBERED):
        table, number = row["name"], row["number"]
        last = f"SELECT {number} FROM {table} ORDER BY {number} DESC LIMIT 1"  # noqa: S608 - names of ours
        store.script(f"SELECT setval(pg_get_serial_sequence('{table}', '{number}'), coalesce(({last}), 0) + 1, false)")


def _remove(store: PostgresStore, script: str) -> None:
    for kind in ("TABLE", "FUNCTION"):
        names = re.findall(rf"^CREATE {kind} (\w+)", script, re.MULTILINE)
        store.script(f"DROP {kind} IF EXISTS {', '.join(names)} CASCADE")
