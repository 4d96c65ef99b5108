"""When the clock is set or the machine sleeps, stored times are by the old clock; this shifts them."""

from typing import NamedTuple

from worker.core.instant import words
from worker.store.db.store import Store
from worker.store.state import api
from worker.store.tasks import polling as tasks

# The wall clock and the monotonic one drift by less than this between two passes, unless the clock was set.
JUMP_MS = 5_000


class Jump(NamedTuple):
    """``way`` is forward or back, ``by`` is in words."""

    way: str
    by: str


class ClockJumps:
    """Compares the two clocks from pass to pass; ms."""

    def __init__(self, store: Store, now: int, monotonic: int) -> None:
        self._store = store
        self._before = (now, monotonic)

    def watch(self, now: int, monotonic: int) -> Jump | None:
        """Shift what is stored, if the wall clock has jumped since the last call. Raises StorageFailed and TryLater."""
        jumped = (now - self._before[0]) - (monotonic - self._before[1])
        if abs(jumped) > JUMP_MS:
            with self._store.write():
                tasks.shift(self._store, jumped)
                if jumped < 0:
                    api.shift(self._store, jumped)
                else:
                    api.shift_pause(self._store, jumped)
        self._before = (now, monotonic)
        if abs(jumped) <= JUMP_MS:
            return None
        return Jump("forward" if jumped > 0 else "back", words(round(abs(jumped), -3)))
