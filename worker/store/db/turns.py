"""One thread of a process at a time asks a server for the lock of writers.

A server takes the lock from a process that is frozen, after some seconds. If other threads of that process had asked
for it as well, each of their connections would get it next, and keep it as long.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from worker.core.errors import TryLater

_turns: dict[str, threading.Lock] = {}


@contextmanager
def turn(server: str, timeout_s: float) -> Iterator[None]:
    """Nothing of this process asks the server of this name for its lock meanwhile. Raises :class:`TryLater`."""
    lock = _turns.setdefault(server, threading.Lock())
    if not lock.acquire(timeout=timeout_s):
        raise TryLater(f"{server}: another thread of this process is writing", "try again")
    try:
        yield
    finally:
        lock.release()
