"""A file as the new place of the database."""

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from sqlite3 import IntegrityError

from worker.core.errors import BadData, StorageFailed
from worker.store.db import marker
from worker.store.db.failures import translated
from worker.store.db.sqlite import SqliteStore
from worker.store.db.tables import Table
from worker.store.forgetting import BESIDE
from worker.store.moving.content import Page, row_words
from worker.store.moving.target import Rows, refuse_taken
from worker.store.schema import creation
from worker.store.state import meta
from worker.store.state.moves import MOVING, Move, Standing, standing_of

# Of the new file, while it is filled: its indexes are made of a million rows at once.
CACHE_KIB = 65_536

LOCK_TIMEOUT_S = 15.0


class FileTarget:
    """A path where nothing is. What an attempt has left there is removed; what was moved away from there is renamed."""

    to_server = False
    renames = True

    def __init__(self, path: Path, identity: str) -> None:
        """``identity``: of the database that moves."""
        self.name = str(path)
        self._path = path
        self._file = Path(os.path.realpath(path))
        self._identity = identity

    def open(self) -> SqliteStore:
        """Without the checks of a database in use."""
        return SqliteStore(self._path, timeout=LOCK_TIMEOUT_S)

    def look(self) -> Standing | None:
        """What the database that moves has left there; ``None``: there is nothing. Raises :class:`BadData` for any
        other file or marker."""
        with translated(self._path):
            marked, there = marker.read(self._file), self._file.exists()
        found = self._standing() if there else None
        if (there and found is None) or (marked is not None and marked.identity != self._identity):
            raise BadData(f"{self.name} is, or was, something else", "name a file that is not there")
        return found

    def fill(self, tables: list[Table], rows: Rows, move: Move, version: int) -> None:
        """Make it, with all rows."""
        with creation.in_turn(self._path, LOCK_TIMEOUT_S) as file:
            self._make_way(refuse_taken(self, self.look()), move)
            creation.put(file, lambda store: _fill(store, tables, rows, move, version))

    def completing(self) -> AbstractContextManager[None]:
        """Nothing is left to do."""
        return nullcontext()

    def release(self) -> None:
        """Let it be used: it gets its marker."""
        with self.open() as store:
            store.use_journal("truncate")  # SQLite's own choice may lose a commit with the power
            marked = marker.Marked(self._identity, store.version())
            store.after_commit = lambda: marker.write(self._file, marked)
            with store.write():
                meta.forget(store, MOVING)

    def _standing(self) -> Standing | None:
        with suppress(StorageFailed), self.open() as store:
            row = store.one("SELECT value FROM meta WHERE key = 'identity'")
            if row is not None and row["value"] == self._identity:
                return standing_of(store)
        return None

    def _make_way(self, found: Standing | None, move: Move) -> None:
        if found is None:
            return
        for ending in ("", *BESIDE):
            beside = self._file.with_name(self._file.name + ending)
            if found.moving is not None:
                beside.unlink(missing_ok=True)
            elif beside.exists():
                beside.rename(self._file.with_name(f"{self._file.name}.forgotten-{move.at}{ending}"))


def _fill(store: SqliteStore, tables: Iterable[Table], rows: Rows, move: Move, version: int) -> None:
    """Triggers and indexes last: no trigger fires, and an index is made faster of all rows at once."""
    store.keep_aside()
    store.use_cache(CACHE_KIB)
    script = list(creation.statements(creation.SCHEMA.read_text(encoding="utf-8")))
    with store.rebuilding():
        for statement in script:
            if _begins(statement, "CREATE TABLE"):
                store.execute(statement)
        for table in tables:
            _take(store, table, rows(table))
        for statement in script:
            if _begins(statement, "CREATE") and not _begins(statement, "CREATE TABLE"):
                store.execute(statement)
        meta.put(store, MOVING, move._asdict())
        store.set_version(version)
        dangling = store.dangling()
        if dangling:
            raise StorageFailed(f"this database cannot be moved: {dangling[0]}", "run `cdpoll db integrity`")


def _take(store: SqliteStore, table: Table, pages: Iterator[Page]) -> None:
    columns = ", ".join(column.name for column in table.columns)
    places = ", ".join("?" * len(table.columns))
    sql = f"INSERT INTO {table.name} ({columns}) VALUES ({places})"  # noqa: S608 - names of ours
    before = 0
    for page in pages:
        taken = store.conn.total_changes
        try:
            store.many(sql, page)
        except IntegrityError as error:
            n = store.conn.total_changes - taken
            raise StorageFailed(
                f"{row_words(table, page, before, n)} cannot be moved: {error}",
                "nothing was changed; docs/moving.md says what can be done with that row",
            ) from None
        before += len(page)


def _begins(statement: str, words: str) -> bool:
    """Whether it does, behind the comments before it."""
    lines = (line for line in statement.splitlines() if line and not line.startswith("--"))
    return next(lines, "").startswith(words)
