"""The engine under the tests of the store and of the rounds: a SQLite file, or a PostgreSQL server.

With ``CDPOLL_TEST_STORE=postgresql`` each path at which a test opens a database stands for a database of its own on the
server of the tests; it is gone with the test. So the same tests run on both. What is about the file alone is marked
``sqlite``, and left out then.
"""

import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.postgres import Cluster
from worker.place import DatabasePlace, Server
from worker.store import opening
from worker.store.db.server_values import ADAPTED, asked
from worker.store.db.sqlite import ONLY_DAEMON, SqliteStore
from worker.store.db.store import Store

POSTGRESQL = os.environ.get("CDPOLL_TEST_STORE") == "postgresql"

# The journals of a file in which a test is made; a server has one of its own.
JOURNALS = ["the server's"] if POSTGRESQL else ["wal", "truncate"]


class OnServer:
    """A path stands for a database of the cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._databases = cluster.databases
        self._cluster = cluster
        self._names: dict[Path, str] = {}
        self._unnamed = count(1)
        self._opened: list[Store] = []
        self._one_at_a_time = threading.Lock()

    def place(self, path: Path, *, create: bool = True) -> DatabasePlace:
        """Where the database of this path is. It has its tables already where it is opened to be made."""
        key = path.absolute()
        if create and path.parent.parent.exists():
            path.parent.mkdir(exist_ok=True)  # of this host's own files, as with a file
        with self._one_at_a_time:
            if key not in self._names:
                self._names[key] = self._databases.new("made" if create else "empty")
        return self._databases.at(path, self._names[key], daemon=ONLY_DAEMON)

    def copy(self, path: Path, other: Path) -> None:
        self._names[other.absolute()] = self._databases.new(self._names[path.absolute()])

    def url(self, path: Path, *, made: bool = True) -> str:
        server = self.place(path, create=made).server
        assert server is not None
        return server.url()

    def leave(self) -> None:
        for store in self._opened:  # a file needs no closing; what is left of a connection is told
            store.close()
        self._opened.clear()
        self._databases.leave(list(self._names.values()))
        self._names.clear()

    def in_file(
        self, path: Path, journal: str, timeout: float, *, create: bool, migrate: Callable[[], None] | None
    ) -> Store:
        place = self.place(path, create=create)
        store = opening.open_store(place, timeout=timeout, create=create, migrate=migrate)
        self._opened.append(store)
        return store

    def in_memory(self) -> Store:
        return opening.open_store(Path(f"/memory/{next(self._unnamed)}.db"), create=True)


_now: OnServer | None = None


@contextmanager
def on_server(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnServer]:
    """Until the end, all of this process opens its databases on the server."""
    global _now
    _now = OnServer(cluster)
    monkeypatch.setattr(opening, "_in_file", _now.in_file)
    monkeypatch.setattr(opening, "_in_memory", _now.in_memory)
    try:
        yield _now
    finally:
        _now.leave()
        _now = None


def elsewhere(path: Path, sql: str, *params: object, wait_ms: int = 0) -> list[tuple[Any, ...]]:
    """What a second connection sees or changes, without waiting long for a lock."""
    if _now is None:
        with closing(sqlite3.connect(path, timeout=wait_ms / 1000)) as conn, conn:
            return conn.execute(sql, params).fetchall()
    with psycopg.connect(_now.url(path), context=ADAPTED, options=f"-c lock_timeout={max(1, wait_ms)}") as other:
        done = psycopg.RawCursor(other).execute(*asked(sql, params))
        return done.fetchall() if done.description else []


def url_of(path: Path, *, made: bool = True) -> str:
    """For the configuration of a process of its own: where the database of this path is; empty: in the file."""
    return "" if _now is None else _now.url(path, made=made)


def text_of(body: str) -> str:
    """In SQL: the text of these bytes."""
    return f"convert_from({body}, 'UTF8')" if POSTGRESQL else f"CAST({body} AS TEXT)"


def bytes_of(text: str) -> str:
    """In SQL: the bytes of this text."""
    return f"convert_to({text}, 'UTF8')" if POSTGRESQL else f"CAST({text} AS BLOB)"


def tables(store: Store) -> list[str]:
    """The names of cdpoll's tables."""
    if isinstance(store, SqliteStore):
        kept = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    else:
        kept = "SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()"
    return [str(row["name"]) for row in store.read(kept)]


def handed(path: Path, *, made: bool = True) -> str:
    """For a process of its own: where the database of this path is. :func:`open_handed` opens it there. Unless it is
    ``made``, that process makes the tables."""
    return json.dumps([str(path), url_of(path, made=made)])


def open_handed(where: str, **how: Any) -> Store:
    path, url = json.loads(where)
    server = Server(lambda: str(url), "shown", ONLY_DAEMON, tells_time=False)
    return opening.open_store(DatabasePlace(Path(path), server=server if url else None), **how)


def kinds(store: Store, table: str) -> dict[str, str]:
    """The columns of a table, each with its type as SQLite has it."""
    if isinstance(store, SqliteStore):
        found = store.read(f"SELECT name, type FROM pragma_table_xinfo('{table}')")
        return {row["name"]: row["type"] for row in found}
    found = store.read(
        "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = ?",
        [table],
    )
    return {row["name"]: {"bytea": "BLOB", "bigint": "INTEGER"}.get(row["type"], row["type"].upper()) for row in found}


# In SQL: what tells a row of a table from the others.
ROW = "CAST(ctid AS TEXT)" if POSTGRESQL else "rowid"


def opened_by(daemon: str, path: Path, files: Path) -> Store:
    """The database of this path as another host opens it, whose own files lie beside ``files``. On a server only."""
    assert _now is not None
    place = _now.place(path)
    assert place.server is not None
    return opening.open_store(place._replace(path=files, server=place.server._replace(daemon=daemon)))


def hurry(store: Store, *, alone: bool = False) -> None:
    """No power is cut in this test, and waiting for the disk would take nine tenths of its time. ``alone``: no other
    connection looks on either."""
    if isinstance(store, SqliteStore):
        store.conn.execute("PRAGMA synchronous = OFF")
        if alone:
            store.conn.execute("PRAGMA journal_mode = MEMORY")


@contextmanager
def locked(path: Path, how: str = "IMMEDIATE") -> Iterator[None]:
    """Somebody else holds the lock of those who write; with ``EXCLUSIVE`` a file cannot be read either."""
    if _now is None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as conn:
            conn.execute(f"BEGIN {how}")
            yield
            conn.execute("ROLLBACK")
        return
    with psycopg.connect(_now.url(path)) as other:
        other.execute("SELECT id FROM api WHERE id = 1 FOR UPDATE")
        yield
        other.rollback()


@contextmanager
def said_to(store: Store) -> Iterator[list[str]]:
    """Each statement that is given to the store meanwhile."""
    said: list[str] = []

    def heard(ask: Callable[..., Any]) -> Callable[..., Any]:
        def asked(sql: str, *rest: Any) -> Any:
            said.append(sql)
            return ask(sql, *rest)

        return asked

    with pytest.MonkeyPatch.context() as patch:
        for name in ("read", "execute", "many"):
            patch.setattr(store, name, heard(getattr(store, name)))
        yield said


def copied(path: Path, other: Path) -> None:
    """A second database with the same rows; the first one is open nowhere."""
    if _now is None:
        shutil.copy(path, other)
    else:
        _now.copy(path, other)


def changed_rows(store: Store) -> int:
    """How many rows were changed so far: the difference of two of them counts."""
    if isinstance(store, SqliteStore):
        return int(store.conn.total_changes)
    store.read("SELECT pg_stat_force_next_flush()")
    return int(store.read("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) AS rows FROM pg_stat_user_tables")[0]["rows"])


# What the engine says when its disk fails.
IO_ERROR = psycopg.errors.IoError() if POSTGRESQL else sqlite3.OperationalError("disk I/O error")
