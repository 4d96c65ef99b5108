"""What tables there are, as the schema of a file declares them. A server has the same ones, as a test of the two
schemas holds."""

from typing import Literal, NamedTuple, cast

from worker.store.db.sqlite import SqliteStore

Kind = Literal["INTEGER", "TEXT", "BLOB", "REAL"]


class TableColumn(NamedTuple):
    """Its name, and what its values are but for NULL."""

    name: str
    kind: Kind


class Table(NamedTuple):
    """``columns`` are those that hold something of their own; ``key`` names those of the primary key."""

    name: str
    columns: tuple[TableColumn, ...]
    key: tuple[str, ...]


def tables_of(store: SqliteStore) -> list[Table]:
    """All tables, in the order in which they were made."""
    names = store.read("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    return [_table(store, row["name"]) for row in names]


def _table(store: SqliteStore, name: str) -> Table:
    rows = store.read(f"PRAGMA table_xinfo({name})")
    columns = tuple(TableColumn(row["name"], cast(Kind, row["type"])) for row in rows if not row["hidden"])
    key = sorted((row["pk"], row["name"]) for row in rows if row["pk"])
    return Table(name, columns, tuple(column for _, column in key))
