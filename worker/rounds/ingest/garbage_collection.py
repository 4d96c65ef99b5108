"""Fewer runs of Python's garbage collector while a batch file is read."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_OBJECTS = 10_000
"""New objects between two runs. The answers of a transaction are some thousands of objects, which are gone after it.
With the usual 700 the collector would visit every one of them, which takes a twentieth of the time."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let cycles wait, in all threads, until there are :data:`YOUNG_OBJECTS` new objects; reading makes none
    itself.

    For one reading at a time in a process, as :class:`~worker.store.batch.lock.IngestLock` has it.
    """
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
