"""How seldom Python looks for cycles while a batch file is read."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 10_000
"""So many new objects are there before a look through them. A transaction's answers have some thousands, and are gone
after it; in the usual 700 every one of them would be looked through, which takes a twentieth of the time."""


@contextmanager
def seldom() -> Iterator[None]:
    """Let cycles wait, in all threads, until there are :data:`YOUNG` new objects; reading makes none itself.

    For one reading at a time in a process, as :class:`~worker.store.batch.lock.IngestLock` has it.
    """
    before = gc.get_threshold()
    gc.set_threshold(YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
