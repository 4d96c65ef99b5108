"""A process that dies at a chosen statement of its own, as by ``kill -9``: the moment is chosen, never hoped for.

The process calls :func:`die_at` before it opens a database. At the moment it sends itself SIGKILL. A moment *within* a
COMMIT is brought about by the kernel instead: no file may grow past a limit that SQLite reaches while it writes.
"""

import os
import resource
import signal
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

PAGE_BYTES = 4096

# The exit codes of a process that has died so.
KILLED = (-signal.SIGKILL, -signal.SIGXFSZ)


class Moment(NamedTuple):
    """The ``number``-th statement of the process that begins with ``start``, counted from 1, and a side of it.

    ``within`` is for a COMMIT: a part of it is in the file (where SQLite writes less than that part, all of it is).
    """

    start: str
    number: int = 1
    where: Literal["before", "within", "after"] = "before"


def died(moment: Moment, work: Callable[[], object]) -> int:
    """How a process ended that does ``work`` and dies at the moment; it is a copy of this one."""
    pid = os.fork()
    if not pid:
        try:
            die_at(moment)
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die_at(moment: Moment) -> None:
    """Let this process die at the moment, whichever engine runs the statement. Call it in the main thread."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    numbers = count(1)

    class Mortal(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            return self._perhaps_last(super().execute, sql, parameters)

        def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
            return self._perhaps_last(super().executemany, sql, parameters)

        def _perhaps_last(self, run: Any, sql: str, parameters: Any) -> sqlite3.Cursor:
            if not sql.lstrip().startswith(moment.start) or next(numbers) != moment.number:
                return run(sql, parameters)  # type: ignore[no-any-return]
            if moment.where == "before":
                _die()
            if moment.where == "within":
                _limit_writes(Path(self.execute("PRAGMA database_list").fetchone()[2]))
            run(sql, parameters)
            _die()

    _watch_server(moment, numbers)
    sqlite3.connect = partial(sqlite3.connect, factory=Mortal)  # type: ignore[assignment]


def _watch_server(moment: Moment, numbers: Iterator[int]) -> None:
    try:
        import psycopg
    except ImportError:
        return

    def watched(run: Any) -> Any:
        def perhaps_last(self: Any, query: str, *args: Any, **more: Any) -> Any:
            last = query.lstrip().startswith(moment.start) and next(numbers) == moment.number
            if last and moment.where == "before":
                _die()
            found = run(self, query, *args, **more)
            if last:
                _die()
            return found

        return perhaps_last

    psycopg.Connection.execute = watched(psycopg.Connection.execute)  # type: ignore[method-assign]
    psycopg.Cursor.executemany = watched(psycopg.Cursor.executemany)  # type: ignore[method-assign]


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("it lives")


def _limit_writes(database: Path) -> None:
    """Let the kernel kill the process in the middle of a page: the WAL's next one, or the database's second."""
    wal = database.with_name(database.name + "-wal")
    written = wal.stat().st_size if wal.exists() else PAGE_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (written + PAGE_BYTES // 2, hard))
