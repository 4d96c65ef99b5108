"""Writers of one database take turns: two locks on files beside it.

SQLite lets a writer that finds another one at work sleep and ask again, ever more seldom. Two processes that write
without pause starve each other so: one waited 14 s. Here a writer takes the queue's lock, then the writer's, and lets
the next one into the queue; then it writes. Four processes that write without pause wait for at most 0.1 s.

The locks are for fairness alone. SQLite's own lock decides who writes, also beside a program that takes no turns.
Readers take none.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import TracebackType

from worker.core.errors import TryLater
from worker.store.db.failures import holder_hint

# How often a lock is asked for. flock(2) has no timeout, and a writer that was stopped may hold it for ever.
ASK_AGAIN_S = 0.001


class WriterTurn:
    """A context manager, for one thread: the turn lasts as long as the block. Raises :class:`TryLater`."""

    def __init__(self, database: Path, timeout_s: float) -> None:
        """``database`` is the file itself, no link to it."""
        self._database = database
        self._attempts = max(1, round(timeout_s / ASK_AGAIN_S))
        self._files: list[int] = []

    def __enter__(self) -> None:
        queue, writer = self._files or self._open()
        left = self._take(queue, self._attempts)
        try:
            self._take(writer, left)
        finally:
            _let_go(queue)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _let_go(self._files[1])

    def close(self) -> None:
        files, self._files = self._files, []
        for file in files:
            if file >= 0:
                os.close(file)

    def _open(self) -> list[int]:
        for name in ("queue", "writer"):
            path = self._database.with_name(f"{self._database.name}.{name}")
            # A lock that cannot be opened is left out: without it the writers are served less evenly, and that is all.
            self._files.append(-1)
            with suppress(OSError):
                self._files[-1] = os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
        return self._files

    def _take(self, file: int, attempts: int) -> int:
        """Wait for one lock; how many attempts are left."""
        for attempt in range(attempts):
            try:
                if file >= 0:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                Event().wait(ASK_AGAIN_S)
            except OSError:  # this file system has no such locks
                return attempts
            else:
                return attempts - attempt
        raise TryLater(f"{self._database} is busy: another process writes to it", holder_hint(self._database))


def _let_go(file: int) -> None:
    if file >= 0:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
