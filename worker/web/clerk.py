"""The one thread of the serving process that uses the database.

Threads that write to one SQLite file, each through a connection of its own, wait for each other's file lock by polling
it, and each of their commits waits for the disk. Here they queue in memory, in the order in which they came. What waits
when a commit is done goes into the next one together, so that 32 requests at once cost one or two commits.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from worker.config import Config
from worker.core.errors import BadConfiguration, TryLater
from worker.store.db.store import Store
from worker.store.opening import open_store, refuse_other_schema

Done = TypeVar("Done")

# Jobs of one transaction, and the rows that they write, but for those of the last one: the write lock is held for as
# long as they take.
MOST_JOBS, MOST_ROWS = 64, 500

# Of the database, for another process's lock, and of a request, for its turn: both shorter than its deadline.
STORE_TIMEOUT_S = 10.0
TURN_TIMEOUT_S = 20.0


class Job(NamedTuple):
    """What is done with the database, inside a transaction, and where the one who waits learns what came of it.
    ``rows``: how many it writes, roughly."""

    work: Callable[[Store], Any]
    outcome: Future[Any]
    rows: int


class Clerk:
    """``open_store`` opens the database, and may raise :class:`CdpollError`."""

    def __init__(self, open_store: Callable[[], Store], patience_s: float) -> None:
        self._open = open_store
        self._patience_s = patience_s
        self._store: Store | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[Store], Done], rows: int = 1) -> Done:
        """What ``work`` returns: it is called inside a transaction, which is on the disk when this returns.

        It may be called twice, after a rollback. Raises what it raises, what the store raises, and :class:`TryLater`
        where its turn did not come in time: it may still be done then, and does no harm by that.
        """
        job = Job(work, Future(), rows)
        self._jobs.put(job)
        try:
            return job.outcome.result(self._patience_s)  # type: ignore[no-any-return]
        except FutureTimeoutError:
            job.outcome.cancel()
            raise TryLater("the database is busy", "what keeps it busy? `cdpoll status` says who writes") from None

    def close(self) -> None:
        """Do what waits, and end."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            jobs = [self._jobs.get()]
            with suppress(Empty):
                while len(jobs) < MOST_JOBS and sum(job.rows for job in jobs if job is not None) < MOST_ROWS:
                    jobs.append(self._jobs.get_nowait())
            ended = None in jobs
            self._do([job for job in jobs if job is not None and job.outcome.set_running_or_notify_cancel()])
        self._forget()

    def _do(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        try:
            store = self._opened()
            with store.write():
                refuse_other_schema(store)
                done = [job.work(store) for job in jobs]
        except Exception as error:
            if not isinstance(error, TryLater | BadConfiguration):
                self._forget()  # opened anew, it may do
                if len(jobs) > 1:
                    # One of them is the cause, and must not hold up the others.
                    for job in jobs:
                        self._do([job])
                    return
            for job in jobs:
                job.outcome.set_exception(error)
        else:
            for job, result in zip(jobs, done, strict=True):
                job.outcome.set_result(result)

    def _opened(self) -> Store:
        if self._store is None or self._store.replaced():
            self._forget()
            self._store = self._open()
        return self._store

    def _forget(self) -> None:
        if self._store is not None:
            with suppress(Exception):
                self._store.close()
        self._store = None


def clerk_of(config: Config) -> Clerk:
    """It opens the database when it is first needed, makes none, and brings none up to date."""
    place = config.store.place
    return Clerk(lambda: open_store(place, timeout=STORE_TIMEOUT_S), TURN_TIMEOUT_S)
