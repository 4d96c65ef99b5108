"""A request that ends in time whatever the peer does, and at once where the process is to end.

httpx's own timeout is for one read each, so that a slow drip outlives it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from worker.gateways.http.client import HttpClient

_CHECK_S = 0.25


@contextmanager
def bounded(client: HttpClient, ms: int, stop: threading.Event) -> Iterator[None]:
    """Cut what ``client`` asks for in the block once it has lasted for ``ms``, or when ``stop`` is set."""
    client.begin()
    over = threading.Event()
    checks = max(1, round(ms / 1000 / _CHECK_S))
    watching = threading.Thread(target=_watch, args=(client, over, stop, checks), name="deadline", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()  # it must not cut the next request


def _watch(client: HttpClient, over: threading.Event, stop: threading.Event, checks: int) -> None:
    for _ in range(checks):
        if over.wait(_CHECK_S):
            return
        if stop.is_set():
            break
    client.cut()
