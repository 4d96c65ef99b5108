"""The database: one SQLite file, opened so that what was committed survives power loss.

Measured (see docs/decisions.md): only ``synchronous=FULL`` with WAL or TRUNCATE lost nothing over hundreds of
power cuts. WAL needs a SQLite that carries the WAL-reset fix, else TRUNCATE is used. Under TRUNCATE a reader that holds
a cursor makes a COMMIT fail and leaves the transaction open; so reads fetch everything at once and in short pages, and
a failed COMMIT is retried, then rolled back.

Every write transaction begins with BEGIN IMMEDIATE: a deferred one that reads before it writes fails at once under
concurrency, and the timeout does not help.
"""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from worker.core.errors import StorageFailed, TryLater
from worker.files import sync_folder

Params = Mapping[str, Any] | Sequence[Any]


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite carries the WAL-reset fix: 3.51.3, and 3.50.7 and 3.44.6 of their lines."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)


class TimeOfDay(Protocol):
    """What tells the time of day, in ms since 1970 UTC."""

    def now(self) -> int: ...


class Store:
    """One connection, for one thread. Close it, or use it as a context manager."""

    def __init__(self, path: str | Path, journal: str = "auto", *, timeout: float = 15.0) -> None:
        """Open the file at ``path``, creating an empty one if need be; ``journal`` is auto, wal or truncate. The path
        ``:memory:`` is a database in memory, which ends with the connection.

        ``timeout``: seconds to wait for another process's lock before :class:`TryLater`.
        Raises :class:`StorageFailed` when the file cannot be opened. Its tables are not checked here: see
        :func:`worker.store.opening.open_store`.
        """
        self.path = Path(path)
        with self._translated():
            if str(path) != ":memory:":
                _create_file(self.path)
            self.conn = sqlite3.connect(self.path, isolation_level=None, timeout=timeout)
        self._file = _identity(self.path)
        try:
            with self._translated():
                self.conn.row_factory = sqlite3.Row
                self.conn.execute("PRAGMA foreign_keys = ON")
                self.conn.execute("PRAGMA synchronous = FULL")
                self._set_journal(journal)
        except BaseException:
            self.conn.close()
            raise

    def _set_journal(self, journal: str) -> None:
        if journal == "auto":
            journal = "wal" if wal_is_safe(sqlite3.sqlite_version_info) else "truncate"
        current = self.conn.execute("PRAGMA journal_mode").fetchone()[0]
        if current == journal:
            return
        # To enter or leave WAL, SQLite needs the file alone. The first process does it; the others find it done.
        with suppress(sqlite3.OperationalError):
            self.conn.execute(f"PRAGMA journal_mode = {journal}").fetchone()

    def version(self) -> int:
        """The version of the schema; 0: there is no schema yet."""
        return int(self.read("PRAGMA user_version")[0]["user_version"])

    def set_version(self, version: int) -> None:
        """Inside a transaction."""
        self.execute(f"PRAGMA user_version = {version}")

    def now(self, clock: TimeOfDay) -> int:
        """The time of day (ms) for this database's rows. The file is local, so ``clock`` tells it."""
        return clock.now()

    def replaced(self) -> bool:
        """Whether another file, or none, lies where this one was opened."""
        return _identity(self.path) != self._file

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.conn.close()

    def read(self, sql: str, params: Params | None = None) -> list[sqlite3.Row]:
        """All rows of a short query; no cursor stays open."""
        with self._translated():
            return self.conn.execute(sql, params or {}).fetchall()

    def one(self, sql: str, params: Params | None = None) -> sqlite3.Row | None:
        """The first row, or ``None``."""
        rows = self.read(sql, params)
        return rows[0] if rows else None

    def execute(self, sql: str, params: Params | None = None) -> int:
        """One statement inside :meth:`write`; the number of rows it changed."""
        return self.conn.execute(sql, params or {}).rowcount

    def use_cache(self, kib: int) -> None:
        """Let this connection keep up to this much of the database in memory."""
        self.execute(f"PRAGMA cache_size = -{kib}")

    def wrong(self) -> list[str]:
        """What SQLite's own checks of every page and every reference say; empty when the file is whole."""
        found = [str(row["integrity_check"]) for row in self.read("PRAGMA integrity_check(20)")]
        return [line for line in found if line != "ok"] + self.dangling()

    def dangling(self) -> list[str]:
        """In words, up to twenty rows that refer to nothing; inside a transaction or not."""
        return [f"a row of {row['table']} refers to nothing" for row in self.read("PRAGMA foreign_key_check")[:20]]

    @contextmanager
    def rebuilding(self) -> Iterator[None]:
        """A write transaction in which tables may be rebuilt: dropping one deletes no rows that refer to it, and
        renaming one leaves alone the views that were made over it."""
        self.conn.execute("PRAGMA foreign_keys = OFF")  # cannot be switched inside a transaction
        self.conn.execute("PRAGMA legacy_alter_table = ON")
        try:
            with self.write():
                yield
        finally:
            self.conn.execute("PRAGMA legacy_alter_table = OFF")
            self.conn.execute("PRAGMA foreign_keys = ON")

    @contextmanager
    def write(self) -> Iterator[None]:
        """A write transaction: committed and on the disk when the block ends, rolled back when it raises."""
        with self._translated():
            self.conn.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._commit()
            except BaseException:
                # SQLite may have rolled back by itself (disk full); then this does nothing.
                with suppress(sqlite3.Error):
                    self.conn.execute("ROLLBACK")
                raise

    def _commit(self) -> None:
        for attempt in range(3):
            try:
                self.conn.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or attempt == 2:
                    raise
            else:
                return

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if _is_busy(error):
                raise TryLater(f"{self.path} is busy: another process holds its lock", "try again") from error
            raise StorageFailed(f"{self.path}: {error}", _hint(error, self.path)) from error
        except sqlite3.DatabaseError as error:
            raise StorageFailed(f"{self.path}: {error}", _hint(error, self.path)) from error
        except OSError as error:
            raise StorageFailed(
                f"{error.filename or self.path}: {error.strerror}", _permission_hint(self.path)
            ) from error


def _create_file(path: Path) -> None:
    """Create an empty file for its owner alone; for the group too if the group may write in the folder."""
    if path.exists():
        return
    if not path.parent.exists() and path.parent.parent.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)  # another process may be making it now
        sync_folder(path.parent.parent)
    mode = 0o600 | _group_rights(path.parent)
    try:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode)
    except FileExistsError:
        return
    try:
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
    sync_folder(path.parent)


def _group_rights(folder: Path) -> int:
    """The group may do what it may do in a folder that it may write; never more than the umask leaves."""
    umask = os.umask(0o077)
    os.umask(umask)
    shared = folder.stat().st_mode & 0o020
    return 0o060 & ~umask if shared else 0


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _permission_hint(path: Path) -> str:
    return f"check that {path.parent} exists and that this user may write there, or set [store] path"


def _hint(error: sqlite3.Error, path: Path) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return "free some space on that disk; nothing that was acknowledged is lost"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return "stop the daemon, run `cdpoll db integrity`, and restore the last good copy"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return _permission_hint(path)
    return "see `cdpoll db integrity`"
