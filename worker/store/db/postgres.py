"""A PostgreSQL server as the database: the same statements, over psycopg 3.

One transaction writes at a time, as with a file: it begins with a lock on the one row of ``api``, which every pass
writes anyway. So a limit holds over all daemons, numbers become visible in their order, and what a transaction has
read stays true until it commits. The server ends a transaction that is idle for :data:`IDLE_MS`: a daemon that was
frozen, or whose host is gone, holds the lock no longer than that.

A connection that was lost is made anew by the next read or transaction. Behind a pooler each transaction may have
another connection of the server, so what it needs is set in the transaction itself.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, cast

import psycopg

from worker.core.errors import ServerLost, StorageFailed
from worker.place import DatabasePlace
from worker.store.db.server_address import SILENCE_MS, connected, file_word, parameters_of, shown
from worker.store.db.server_failures import translated
from worker.store.db.server_values import ServerRow, asked, last_row, spelled, without_nul
from worker.store.db.store import Params, Row, StoreBase, TimeOfDay
from worker.store.db.turns import turn

# Within a transaction, between two statements. A pass takes some ms; after a freeze the lock is free in 5 s.
IDLE_MS = 3_000

# Of the advisory lock under which tables are made and changed; any number that no other program uses.
SCHEMA_LOCK = 0x6364706F6C6C

# While the server cannot be reached, its clock is asked at most this often.
ASK_AGAIN_MS = 1_000

# The row of the API is the lock of all writers.
_LOCK = "SELECT id FROM api WHERE id = 1 FOR UPDATE;"
_WHICH = """
SELECT (SELECT value FROM meta WHERE key = 'schema') AS schema,
    (SELECT value FROM meta WHERE key = 'identity') AS identity
"""
_NO_TURN = nullcontext()
_TIME = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) AS now"


class PostgresStore(StoreBase):
    """A :class:`~worker.store.db.store.Store` over a server."""

    def __init__(self, place: DatabasePlace, *, timeout: float = 15.0) -> None:
        """``timeout``: seconds to wait for another's lock, and at most for a connection. Raises :class:`ServerLost`."""
        assert place.server is not None
        self._parameters = parameters_of(place.server, timeout)
        self.path = place.path
        self.file = place.path.parent.resolve() / place.path.name
        self.marked = self.file.with_name(f"{self.file.name}.server-{file_word(self._parameters)}")
        self.name = shown(self._parameters)
        self.daemon = place.server.daemon
        self.shared = True
        self._server = place.server
        self._timeout_s = timeout
        settings = {
            "lock_timeout": max(1, round(timeout * 1000)),
            "idle_in_transaction_session_timeout": IDLE_MS,
            "tcp_user_timeout": SILENCE_MS,
        }
        self._begin = "BEGIN; " + "".join(f"SET LOCAL {name} = {value};" for name, value in settings.items())
        self.refuse_other: Callable[[ServerRow], object] = len  # told at each begin which database there is
        self._inside = self._ended = False
        self._heard: tuple[int, int] | None = None  # the server's time, and the monotonic one of that moment
        self._unheard_at: int | None = None
        with translated(self.name):
            self._connect()

    def _connect(self) -> None:
        self.conn = connected(self._parameters, self._server.prepare_threshold)

    def close(self) -> None:
        self._ended = True
        self.conn.close()

    def read(self, sql: str, params: Params | None = None) -> list[Row]:
        with translated(self.name):
            return list(self._alone(lambda: self._run(sql, params).fetchall()))

    def execute(self, sql: str, params: Params | None = None) -> int:
        with translated(self.name):
            return self._run(sql, params).rowcount

    def many(self, sql: str, rows: Iterable[Params]) -> int:
        if not (sent := [asked(sql, without_nul(row))[1] for row in rows]):
            return 0
        with translated(self.name), self.conn.cursor() as cursor:
            cursor.executemany(spelled(sql).text, sent)
            return cursor.rowcount

    def script(self, sql: str) -> None:
        """Statements without parameters."""
        with translated(self.name):
            self._plain(sql)

    def write(self, *, alone: bool = True) -> AbstractContextManager[None]:
        if alone:
            return self._transaction(self._begin + _LOCK + _WHICH, turn(self.name, self._timeout_s))
        return self._transaction(self._begin + _WHICH)

    def rebuilding(self) -> AbstractContextManager[None]:
        """A write transaction in which tables may be made or changed: one process at a time does that."""
        return self._transaction(f"{self._begin} SELECT pg_advisory_xact_lock({SCHEMA_LOCK}), NULL AS schema")

    @contextmanager
    def _transaction(self, begin: str, my_turn: AbstractContextManager[None] = _NO_TURN) -> Iterator[None]:
        if self._inside:  # to the server that is no error
            raise StorageFailed(f"{self.name}: a transaction was begun in another", "report this")
        with my_turn, translated(self.name):
            try:
                found = self._alone(lambda: last_row(self._plain(begin)))
                self._inside = True
                if found["schema"] is not None:
                    self.refuse_other(found)
                self._entered()
                yield
                # A transaction in which a statement has failed is rolled back, and that is no error to the server.
                if self._plain("COMMIT").statusmessage != "COMMIT":
                    raise StorageFailed(f"{self.name}: a statement failed, and nothing was written", "report this")
            except BaseException as error:
                with suppress(psycopg.Error):
                    self._plain("ROLLBACK")
                if isinstance(error, psycopg.errors.ReadOnlySqlTransaction | ServerLost):
                    self.conn.close()  # this session stays read-only; a new one may not be, or may be on the primary
                raise
            finally:
                self._inside = False
        self._committed()

    def now(self, clock: TimeOfDay) -> int:
        """The server's time of day, so that all daemons have one. While it cannot be reached: what it said last, and
        how long ago that is; this machine's clock may be set meanwhile. Never raises for that."""
        if not self._server.tells_time:
            return clock.now()
        if self._unheard_at is None or clock.monotonic() - self._unheard_at >= ASK_AGAIN_MS:
            try:
                now = int(self._alone(lambda: self._run(_TIME, None).fetchone())["now"])
            except psycopg.Error:
                self._unheard_at = clock.monotonic()
            else:
                self._heard, self._unheard_at = (now, clock.monotonic()), None
        said, at = self._heard or (clock.now(), clock.monotonic())
        return said + clock.monotonic() - at

    def version(self) -> int:
        there = "SELECT 1 FROM pg_tables WHERE tablename = 'meta' AND schemaname = ANY (current_schemas(false))"
        if not self.read(there):  # to_regclass may remember, within a transaction, that there was none
            return 0
        row = self.one("SELECT value FROM meta WHERE key = 'schema'")
        return 0 if row is None else int(row["value"])

    def set_version(self, version: int) -> None:
        self.execute(
            "INSERT INTO meta (key, value) VALUES ('schema', :version)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            {"version": str(version)},
        )

    def replaced(self) -> bool:
        return False

    def use_cache(self, kib: int) -> None:
        pass  # the server's memory is its own

    def file_bytes(self) -> tuple[int, int]:
        return int(self.read("SELECT pg_database_size(current_database()) AS size")[0]["size"]), 0

    def rewrite(self) -> None:
        self.script("VACUUM")  # the server uses that room again; its WAL and its backups are its operator's

    def wrong(self) -> list[str]:
        return []  # the server holds references and checks itself; its pages are its operator's to verify

    def _plain(self, sql: str) -> psycopg.Cursor[ServerRow]:
        return self.conn.execute(cast(Any, sql), prepare=False)

    def _run(self, sql: str, params: Params | None) -> psycopg.Cursor[ServerRow]:
        try:
            return self.conn.execute(*asked(sql, params or {}))
        except psycopg.DataError as error:
            if error.sqlstate is not None:  # the server's
                raise
            return self.conn.execute(*asked(sql, without_nul(params or {})))

    def _alone(self, ask: Callable[[], Any]) -> Any:
        """Ask; outside of a transaction by a new connection, where the one there was is lost."""
        bound = self._inside or self._ended
        if not bound and self.conn.closed:
            self._connect()
        try:
            return ask()
        except psycopg.OperationalError:
            if bound or not self.conn.closed:
                raise
            self._connect()
            return ask()
