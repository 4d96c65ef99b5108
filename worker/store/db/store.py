"""The database as all of cdpoll sees it, be it a SQLite file (``sqlite.py``) or a PostgreSQL server (``postgres.py``).

Statements are written once for both: docs/decisions.md says what that takes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, Self

Params = Mapping[str, Any] | Sequence[Any]


class TimeOfDay(Protocol):
    """What tells the time of day, in ms since 1970 UTC, and ms by a clock that is never set."""

    def now(self) -> int: ...

    def monotonic(self) -> int: ...


class Row(Protocol):
    """A row that was read: values by the names of their columns."""

    def __getitem__(self, name: Any, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __len__(self) -> int: ...

    def keys(self) -> Iterable[str]: ...


class StoreBase:
    """What both stores have alike; :class:`Store` says what each of it is."""

    journal: Callable[[str], object] = str
    migrated_from: int | None = None
    damaged: bool = False
    clock: TimeOfDay | None = None
    guards: tuple[Callable[[], None], ...] = ()
    after_commit: Callable[[], None] | None = None
    _lines: tuple[str, ...] = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        raise NotImplementedError

    def read(self, sql: str, params: Params | None = None) -> list[Row]:
        raise NotImplementedError

    def one(self, sql: str, params: Params | None = None) -> Row | None:
        rows = self.read(sql, params)
        return rows[0] if rows else None

    def tell(self, line: str) -> None:
        self._lines += (line,)

    def _entered(self) -> None:
        """A transaction has begun."""
        self._lines = ()  # of one that was rolled back
        for guard in self.guards:
            guard()

    def _call_once(self) -> None:
        if self.after_commit is not None:
            self.after_commit()
            self.after_commit = None

    def _committed(self) -> None:
        self._call_once()
        for line in self._lines:
            self.journal(line)


class Store(Protocol):
    """One connection, for one thread. Close it, or use it as a context manager.

    A failure of the database is :class:`~worker.core.errors.StorageFailed`; a lock that another holds, or a server
    that cannot be reached, is :class:`~worker.core.errors.TryLater`.
    """

    path: Path
    """The database file; with a server, the name beside which this host's own files lie."""
    file: Path
    """The same, with links followed."""
    name: str
    """For people: the path, or the server's address without a password."""
    daemon: str
    """The name of this host's daemon in the rows of daemons."""
    shared: bool
    """Whether daemons of other hosts may work on the same database."""
    journal: Callable[[str], object]
    """Where the lines of :meth:`tell` go: nowhere, or for a command to the system's journal."""
    migrated_from: int | None
    """The version of the schema that this connection brought up to date."""
    clock: TimeOfDay | None
    """What tells the time while a step lasts, to renew leases by; ``None``: nothing does."""
    guards: tuple[Callable[[], None], ...]
    """Called at the beginning of each transaction of :meth:`write`. What one raises ends it."""
    after_commit: Callable[[], None] | None
    """Called once, after the commit of the next transaction; with a file still in its turn."""
    damaged: bool
    """Whether a text was read that cannot be decoded."""
    conn: Any
    """The driver's own connection; what one engine alone has goes through it."""

    def __enter__(self) -> "Store": ...

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    def read(self, sql: str, params: Params | None = None) -> list[Row]:
        """All rows of a short query; no cursor stays open."""

    def one(self, sql: str, params: Params | None = None) -> Row | None:
        """The first row, or ``None``."""

    def execute(self, sql: str, params: Params | None = None) -> int:
        """One statement inside :meth:`write`; the number of rows it changed."""

    def many(self, sql: str, rows: Iterable[Params]) -> int:
        """One statement for each of ``rows`` inside :meth:`write`; how many rows were changed in all."""

    def write(self, *, alone: bool = True) -> AbstractContextManager[None]:
        """A write transaction: committed and on the disk when the block ends, rolled back when it raises.

        One at a time: what is read in it no other is about to change. Not ``alone``: rows are added
        that no other waits for. On a server it then takes no turn, and needs no right to the lock.
        """

    def tell(self, line: str) -> None:
        """Inside a transaction: once it is committed, hand this line to :attr:`journal`."""

    def now(self, clock: TimeOfDay) -> int:
        """The time of day (ms) for this database's rows."""

    def version(self) -> int:
        """The version of the schema; 0: there is no schema yet."""

    def set_version(self, version: int) -> None:
        """Inside a transaction."""

    def replaced(self) -> bool:
        """Whether another database lies where this one was opened: what is written now is lost."""

    def use_cache(self, kib: int) -> None:
        """Let this connection keep up to this much of the database in memory, where that is for it to say."""

    def file_bytes(self) -> tuple[int, int]:
        """Of the database: all bytes, and those of pages that hold nothing, where that is known."""

    def rewrite(self) -> None:
        """Leave nothing in the database's files of what was removed, as far as its engine can."""

    def wrong(self) -> list[str]:
        """What is wrong with the database, in words; empty when it is whole."""
