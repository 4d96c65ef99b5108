"""The one thread of the serving process that uses the database.

Threads that write to one SQLite file each through a connection of their own wait for each other's file lock by polling
it. Here they queue in memory, in the order in which they came, and only this thread competes with the daemon.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import TypeVar

from worker.core.errors import CdpollError, TryLater
from worker.store.db.store import Store

Done = TypeVar("Done")


class Clerk:
    """``open_store`` opens the database, and may raise :class:`CdpollError`."""

    def __init__(self, open_store: Callable[[], Store], patience_s: float) -> None:
        self._open = open_store
        self._patience_s = patience_s
        self._store: Store | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="clerk")

    def do(self, work: Callable[[Store], Done]) -> Done:
        """What ``work`` returns. Raises what it raises, and :class:`TryLater` where its turn did not come in time:
        it may still be done then, and does no harm by that."""
        future = self._pool.submit(self._work, work)
        try:
            return future.result(self._patience_s)
        except FutureTimeoutError:
            future.cancel()
            raise TryLater("the database is busy") from None

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._forget()

    def _work(self, work: Callable[[Store], Done]) -> Done:
        if self._store is None or self._store.replaced():
            self._forget()
            self._store = self._open()
        try:
            return work(self._store)
        except CdpollError as error:
            if not isinstance(error, TryLater):
                self._forget()  # opened anew, it may do
            raise

    def _forget(self) -> None:
        if self._store is not None:
            with suppress(Exception):
                self._store.close()
        self._store = None
