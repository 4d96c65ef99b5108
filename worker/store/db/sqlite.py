"""One SQLite file as the database, opened so that what was committed survives power loss.

Measured (see docs/decisions.md): only ``synchronous=FULL`` with WAL or TRUNCATE lost nothing over hundreds of
power cuts. WAL needs a SQLite that carries the WAL-reset fix, else TRUNCATE is used. Under TRUNCATE a reader that holds
a cursor makes a COMMIT fail and leaves the transaction open; so reads fetch everything at once and in short pages, and
a failed COMMIT is retried, then rolled back.

Every write transaction begins with BEGIN IMMEDIATE: a deferred one that reads before it writes fails at once under
concurrency, and the timeout does not help.
"""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from worker.core.errors import StorageFailed, TryLater
from worker.store.db import damage
from worker.store.db.failures import RESTORE, is_busy, is_undecodable, translated
from worker.store.db.store import Params, Row, StoreBase, TimeOfDay
from worker.store.db.writers import WriterTurn

# What the row of the daemon is called: a file has one.
ONLY_DAEMON = "cdpoll"

# Of SQLite's virtual machine, between two calls while a long statement runs: some tenths of a second.
CALL_STEPS = 5_000_000

# SQLite waits for readers of the WAL at each attempt, up to the store's timeout.
WAL_ATTEMPTS = 3


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite carries the WAL-reset fix: 3.51.3, and 3.50.7 and 3.44.6 of their lines."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51, 0) or (3, 44, 6) <= version < (3, 45, 0)


def wanted_journal(journal: str) -> str:
    """The mode that ``auto`` stands for; any other stands for itself."""
    if journal != "auto":
        return journal
    return "wal" if wal_is_safe(sqlite3.sqlite_version_info) else "truncate"


class SqliteStore(StoreBase):
    """A :class:`~worker.store.db.store.Store` over a file."""

    def __init__(self, path: str | Path, *, timeout: float = 15.0, lone: bool = False) -> None:
        """Open the database at ``path``; the path ``:memory:`` is one in memory, which ends with the connection.

        ``timeout``: seconds to wait for another process's lock before :class:`TryLater`. ``lone``: it is about to be
        made, and no other process knows of it. Raises :class:`StorageFailed` where there is none: a file of no bytes
        is none either. Its tables are not checked here: see :func:`worker.store.opening.open_store`.
        """
        self.path = Path(path)
        self.name = str(path)
        self.daemon = ONLY_DAEMON
        self.shared = False
        self._wal: tuple[Path, tuple[int, int]] | None = None
        with translated(self.path):
            # Where the path is a link, SQLite's own files lie beside the target.
            self.file = Path(os.path.realpath(self.path))
            self._file = _identity(self.path)
            if str(path) == ":memory:":
                self.conn = sqlite3.connect(path, isolation_level=None)
            else:
                if not lone:
                    _refuse_what_is_no_database(self.path)
                address = f"{self.file.as_uri()}?mode=rw"
                self.conn = sqlite3.connect(address, uri=True, isolation_level=None, timeout=timeout)
        self._turn = nullcontext() if lone else WriterTurn(self.file, timeout)
        try:
            with translated(self.path):
                self.conn.row_factory = sqlite3.Row
                self.conn.execute("PRAGMA foreign_keys = ON")
                self.conn.execute("PRAGMA synchronous = FULL")
                # The schema stands in the file. If another person has changed it, it must call no harmful function.
                self.conn.execute("PRAGMA trusted_schema = OFF")
        except BaseException:
            self.close()
            raise

    def use_journal(self, journal: str) -> None:
        """``journal`` is auto, wal or truncate, or for a lone database memory."""
        journal = wanted_journal(journal)
        if self.journal_mode() != journal:
            # To enter or leave WAL, SQLite needs the file alone. The first process does it; the others find it done.
            with suppress(sqlite3.OperationalError):
                self.conn.execute(f"PRAGMA journal_mode = {journal}").fetchone()
        if journal == "wal":
            self.version()  # the first read opens the WAL, which stays the same file while the database is open
            wal = self.file.with_name(self.file.name + "-wal")
            there = _inode(wal)
            self._wal = None if there is None else (wal, there)

    def journal_mode(self) -> str:
        """The journal mode in use: wal, truncate or another of SQLite's."""
        return str(self.read("PRAGMA journal_mode")[0]["journal_mode"])

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
        """Whether another file, an empty one or none lies where this one was opened: what is written now is lost."""
        if self._file is None:  # a lone one, that was empty when it was opened
            return False
        try:
            self.path.stat()
        except PermissionError:
            return False  # the folder was closed to us, and nothing is known of what lies in it
        except OSError:
            return True
        if self._wal is not None and _inode(self._wal[0]) != self._wal[1]:
            return True
        return _identity(self.path) != self._file

    def close(self) -> None:
        self.conn.close()
        if isinstance(self._turn, WriterTurn):
            self._turn.close()

    def read(self, sql: str, params: Params | None = None) -> list[Row]:
        """All rows of a short query; no cursor stays open.

        A text that cannot be decoded, because bits of it have changed on the disk, is shown with U+FFFD in those places
        and the other rows can be read.
        """
        with translated(self.path):
            try:
                return self.conn.execute(sql, params or {}).fetchall()
            except sqlite3.OperationalError as error:
                if not is_undecodable(error) or not sql.lstrip().startswith("SELECT"):
                    raise
            self.damaged = True
            with damage.shown(self.conn):
                return self.conn.execute(sql, params or {}).fetchall()

    def execute(self, sql: str, params: Params | None = None) -> int:
        """One statement inside :meth:`write`; the number of rows it changed."""
        return self.conn.execute(sql, params or {}).rowcount

    def many(self, sql: str, rows: Iterable[Params]) -> int:
        """One statement for each of ``rows`` inside :meth:`write`; how many rows were changed in all."""
        return self.conn.executemany(sql, rows).rowcount

    def use_cache(self, kib: int) -> None:
        """Let this connection keep up to this much of the database in memory."""
        self.execute(f"PRAGMA cache_size = -{kib}")

    def wrong(self) -> list[str]:
        """What is wrong with the file, in words; empty when it is whole.

        SQLite's own checks of every page and every reference, and what they do not look at: damaged texts.
        """
        found = [str(row["integrity_check"]) for row in self.read("PRAGMA integrity_check(20)")]
        found = [line for line in found if line != "ok"] + self.dangling()
        with translated(self.path):
            try:
                return found + damage.damaged_texts(self.conn)
            except sqlite3.DatabaseError:
                if found:
                    return found  # pages are gone: that says enough
                raise

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
    def calling(self, working: Callable[[], bool | None]) -> Iterator[None]:
        """Call ``working`` time and again while long statements run: several times a second. Where it says true, the
        statement ends with an error."""

        def call() -> int:
            return 1 if working() else 0

        self.conn.set_progress_handler(call, CALL_STEPS)
        try:
            yield
        finally:
            self.conn.set_progress_handler(None, CALL_STEPS)

    def file_bytes(self) -> tuple[int, int]:
        """Of the database's file: all bytes, and those of pages that hold nothing."""
        size = int(self.read("PRAGMA page_size")[0]["page_size"])
        pages, free = (self.read(f"PRAGMA {name}")[0][name] for name in ("page_count", "freelist_count"))
        return pages * size, free * size

    def rewrite(self) -> None:
        """Write the whole file anew, so that nothing that was removed stands in it or in its WAL any more.

        Others can read meanwhile, and cannot write: a disk writes some 50 MB of the database a second. What SQLite
        needs aside it keeps in the folder of the database, where no one else can read it, in a file without a name.
        Raises :class:`TryLater` where a reader does not let go of the WAL, :class:`StorageFailed` where it cannot be
        done at all; nothing is lost then.
        """
        self.keep_aside()
        # The next writer would copy the WAL into the file, and wait for it: so do that before others have their turn.
        with translated(self.path), self._turn:
            self._empty_wal()
            self.conn.execute("VACUUM")
            self._empty_wal()
        self._refuse_replaced()

    def keep_aside(self) -> None:
        """Let SQLite keep what it needs aside in the folder of the database, where no one else can read it."""
        folder = str(self.file.parent)
        if self._kept_aside() != folder:
            quoted = folder.replace("'", "''")
            self.execute(f"PRAGMA temp_store_directory = '{quoted}'")
            if self._kept_aside() != folder:
                raise StorageFailed(
                    f"{self.path}: this SQLite cannot be told where to keep what it needs aside",
                    "use a SQLite that is compiled without SQLITE_OMIT_DEPRECATED",
                )

    def _kept_aside(self) -> str | None:
        """Where SQLite keeps its temporary files, in all of this process; ``None``: where the system has them."""
        told = self.read("PRAGMA temp_store_directory")
        return str(told[0]["temp_store_directory"]) if told else None

    def _empty_wal(self) -> None:
        for _ in range(WAL_ATTEMPTS):
            if not self.read("PRAGMA wal_checkpoint(TRUNCATE)")[0]["busy"]:
                return
        raise TryLater(
            f"a reader keeps the WAL of {self.path}, and with it what was removed",
            "end the program that has the database open for reading, and try again",
        )

    @contextmanager
    def write(self, *, alone: bool = True) -> Iterator[None]:  # noqa: ARG002 - a file has one writer
        """A write transaction: committed and on the disk when the block ends, rolled back when it raises.

        Raises :class:`StorageFailed` as well where the file was removed or replaced meanwhile: then the commit went
        into a file that has no name any more.
        """
        with translated(self.path), self._turn:
            try:
                self.conn.execute("BEGIN IMMEDIATE")
                self._entered()
                yield
                self._commit()
            except BaseException as error:
                # SQLite may have rolled back by itself (disk full); then this does nothing.
                with suppress(sqlite3.Error):
                    self.conn.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error | StorageFailed):
                    self._refuse_replaced()
                raise
            self._refuse_replaced()
            self._call_once()
        # In no one's turn: a journal that hangs must hold up no other writer.
        self._committed()

    def _refuse_replaced(self) -> None:
        if self.replaced():
            raise StorageFailed(
                f"{self.path} was removed or replaced while it was in use; what was just written is lost",
                "the same command again writes to what lies there now; see `cdpoll status`",
            )

    def _commit(self) -> None:
        for attempt in range(3):
            try:
                self.conn.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if not is_busy(error) or attempt == 2:
                    raise
            else:
                return


def _refuse_what_is_no_database(path: Path) -> None:
    """Before SQLite touches it: to SQLite, a file of no bytes is an empty database."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise StorageFailed(f"{path} is a folder", "set [store] path to a file in it")
    if not stat.S_ISREG(found.st_mode):
        raise StorageFailed(f"{path} is not a file", "set [store] path to a file")
    if found.st_size == 0:
        raise StorageFailed(
            f"{path} is empty: the database that was here is lost, or was not restored",
            f"{RESTORE}, or begin anew with `cdpoll db forget`",
        )


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is; ``None``: it is gone, or empty."""
    return _inode(path, least_bytes=1)


def _inode(path: Path, least_bytes: int = 0) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found.st_size >= least_bytes else None
