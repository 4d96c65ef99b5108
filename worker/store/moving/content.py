"""The rows of a table on their way: in pages, in the order of the key, counted and hashed.

The hash is over the bytes that ``marshal`` makes of each row: they hold the type and the length of each value, so they
are the same for the same row, whichever database it was read from. (Version 2 of that format has no references.)
"""

import hashlib
import marshal
from collections.abc import Iterator, Sequence
from itertools import repeat
from sqlite3 import OperationalError
from types import NoneType
from typing import Any, NamedTuple

from worker.core.errors import StorageFailed
from worker.store.db.damage import damaged_texts
from worker.store.db.failures import DAMAGED, is_undecodable, translated
from worker.store.db.sqlite import SqliteStore
from worker.store.db.store import Store
from worker.store.db.tables import Kind, Table
from worker.store.state.moves import MOVED, MOVING

Page = Sequence[tuple[Any, ...]]

# Read and written at a time.
PAGE_ROWS = 2_000

FORMAT_VERSION = 2

_TYPES: dict[Kind, set[type]] = {
    "INTEGER": {int, NoneType},
    "TEXT": {str, NoneType},
    "BLOB": {bytes, NoneType},
    "REAL": {float, NoneType},
}
_SERVER_TYPES: dict[Kind, str] = {"INTEGER": "int8", "TEXT": "text", "BLOB": "bytea", "REAL": "float8"}

# Of the table meta, what belongs to the place and not to the rows: a server keeps the schema's version there.
OF_THE_PLACE = ("schema", MOVING, MOVED)


class Counted(NamedTuple):
    """How many rows, and their hash."""

    rows: int
    sha256: str


class Tally:
    """Counts and hashes the pages of one table."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def add(self, page: Page) -> None:
        self.rows += len(page)
        self._hash.update(b"".join(map(marshal.dumps, page, repeat(FORMAT_VERSION))))

    @property
    def counted(self) -> Counted:
        return Counted(self.rows, self._hash.hexdigest())


def count(store: Store, table: Table) -> int:
    """How many rows will come."""
    row = store.one(f"SELECT count(*) AS n FROM {table.name}{_but_of_the_place(table)}")  # noqa: S608 - a name of ours
    return 0 if row is None else int(row["n"])


def pages(store: Store, table: Table) -> Iterator[Page]:
    """All rows, but those of the place."""
    columns, key = ", ".join(column.name for column in table.columns), ", ".join(table.key)
    sql = f"SELECT {columns} FROM {table.name}{_but_of_the_place(table)} ORDER BY {key}"  # noqa: S608 - names of ours
    if isinstance(store, SqliteStore):
        return _pages_of_file(store, sql)
    return _pages_of_server(store, sql)


def server_types(table: Table) -> list[str]:
    """The server's names of the types of the columns."""
    return [_SERVER_TYPES[column.kind] for column in table.columns]


def refuse_unfit(table: Table, page: Page, before: int, *, to_server: bool) -> None:
    """Raise :class:`StorageFailed` for a row with a value that the other database does not hold; ``before``: how many
    rows came before this page. The value is not told."""
    for place, (column, values) in enumerate(zip(table.columns, zip(*page, strict=True), strict=True)):
        types = _TYPES[column.kind]
        if not {*map(type, values)} <= types:
            n = next(n for n, value in enumerate(values) if type(value) not in types)
            raise _unfit(table, page, before, n, f"column {column.name} holds something that is no {column.kind}")
        if to_server and column.kind == "TEXT" and "\0" in "".join(filter(None, values)):
            n = next(n for n, row in enumerate(page) if "\0" in (row[place] or ""))
            raise _unfit(table, page, before, n, f"column {column.name} holds a NUL, and a server's text has none")


def row_words(table: Table, page: Page, before: int, n: int) -> str:
    """Which row it is, for people: ``row 7 of tasks``."""
    if table.key == ("seq",):
        return f"row {page[n][[column.name for column in table.columns].index('seq')]} of {table.name}"
    return f"row {before + n + 1} of {table.name} in the order of its key"


def _unfit(table: Table, page: Page, before: int, n: int, why: str) -> StorageFailed:
    return StorageFailed(
        f"{row_words(table, page, before, n)} cannot be moved: {why}",
        "nothing was changed; docs/moving.md says what can be done with that row",
    )


def _but_of_the_place(table: Table) -> str:
    return f" WHERE key NOT IN {OF_THE_PLACE}" if table.name == "meta" else ""


def _pages_of_file(store: SqliteStore, sql: str) -> Iterator[Page]:
    with translated(store.path):
        cursor = store.conn.execute(sql)
        cursor.row_factory = None  # plain tuples
        try:
            while page := cursor.fetchmany(PAGE_ROWS):
                yield page
        except OperationalError as error:
            if not is_undecodable(error):
                raise
            raise StorageFailed(f"{store.name}: {damaged_texts(store.conn)[0]}", DAMAGED) from None
        finally:
            cursor.close()


def _pages_of_server(store: Store, sql: str) -> Iterator[Page]:
    """By a cursor of the server: a page comes at once, and that costs a quarter of a COPY, whose rows come singly. The
    next page is fetched while the last one is worked on."""
    from concurrent.futures import ThreadPoolExecutor

    from psycopg import ServerCursor
    from psycopg.rows import tuple_row

    from worker.store.db import server_failures

    with (
        server_failures.translated(store.name),
        store.conn.transaction(),
        ServerCursor(store.conn, "moving", row_factory=tuple_row) as cursor,
        ThreadPoolExecutor(1) as pool,
    ):
        cursor.execute(sql, binary=True)
        coming = pool.submit(cursor.fetchmany, PAGE_ROWS)
        while page := coming.result():
            coming = pool.submit(cursor.fetchmany, PAGE_ROWS)
            yield page
