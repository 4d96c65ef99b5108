"""Stored times that were not by the clock of now.

When the clock is set or the machine sleeps, stored times are by the old clock: they are shifted. And what was recorded
since the last look was recorded since then, whatever the clock of the process that did it has said.
"""

from typing import NamedTuple

from worker.core.instant import words
from worker.store.db.store import Store
from worker.store.state import api, callback_lane
from worker.store.tasks import polling as tasks
from worker.store.tasks import searches, verifying

# The wall clock and the monotonic one drift by less than this between two passes, unless the clock was set.
JUMP_MS = 5_000

# Two clocks of one installation differ by less than this, or one of them is wrong.
LEEWAY_MS = 600_000


class Jump(NamedTuple):
    """``way`` is forward or back, ``by`` is in words."""

    way: str
    by: str


class ClockJumps:
    """Compares the two clocks from pass to pass; ms."""

    def __init__(self, store: Store, now: int, monotonic: int) -> None:
        self._store = store
        self._before = (now, monotonic)
        self._looked_at = now
        self._last_seq = tasks.newest_seq(store)

    def watch(self, now: int, monotonic: int) -> Jump | None:
        """Shift what is stored, if the wall clock has jumped since the last call. Raises StorageFailed and TryLater."""
        jumped = (now - self._before[0]) - (monotonic - self._before[1])
        if abs(jumped) > JUMP_MS:
            with self._store.write():
                tasks.shift(self._store, jumped)
                searches.shift(self._store, jumped)
                if jumped < 0:
                    api.shift(self._store, jumped)
                    verifying.shift(self._store, jumped)
                    callback_lane.shift(self._store, jumped)
                else:
                    api.shift_pause(self._store, jumped)
            self._looked_at += jumped
        self._before = (now, monotonic)
        self._look(now)
        if abs(jumped) <= JUMP_MS:
            return None
        return Jump("forward" if jumped > 0 else "back", words(round(abs(jumped), -3)))

    def _look(self, now: int) -> None:
        """Give the tasks that were recorded since the last look an age that fits."""
        last_seq = tasks.newest_seq(self._store)
        if last_seq > self._last_seq:
            strange = tasks.Strange(self._looked_at - LEEWAY_MS, now + LEEWAY_MS, self._last_seq)
            tasks.begin_strange(self._store, strange, now)
        self._looked_at, self._last_seq = now, last_seq
