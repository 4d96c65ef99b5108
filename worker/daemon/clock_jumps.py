"""Stored times that were not by the clock of now.

When the clock is set or the machine sleeps, stored times are by the old clock: they are shifted. And what was recorded
since the last look was recorded since then, whatever the clock of the process that did it has said.

Where several daemons share a server, its clock is the one that counts. All of them see it jump, and the first one that
does shifts what is stored. A host that slept sees the same as if that clock had been set forward, and alone: where
another daemon has beaten meanwhile, nothing was set.
"""

from typing import NamedTuple

from worker.core.instant import words
from worker.store.db.store import Store
from worker.store.state import api, callback_lane, daemon, leases, meta
from worker.store.tasks import polling as tasks
from worker.store.tasks import searches, verifying

# The wall clock and the monotonic one drift by less than this between two passes, unless the clock was set.
JUMP_MS = 5_000

# The last shift: how far, when by the clock of afterwards, and by which daemon.
_DONE = "clock_shift"

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
        passed = monotonic - self._before[1]
        jumped = now - self._before[0] - passed
        slept = jumped > JUMP_MS and self._another_beat(self._before[0] + passed, now - passed)
        if abs(jumped) > JUMP_MS and not slept:
            self._shift(jumped, now, passed)
            self._looked_at += jumped
        self._before = (now, monotonic)
        self._look(now)
        if abs(jumped) <= JUMP_MS or slept:
            return None
        return Jump("forward" if jumped > 0 else "back", words(round(abs(jumped), -3)))

    def _another_beat(self, after: int, before: int) -> bool:
        """Whether another daemon has beaten at a time that the clock would have left out."""
        others = [one.beat.beat_at for one in daemon.listed(self._store) if one.name != self._store.daemon]
        return any(after + JUMP_MS < at < before - JUMP_MS for at in others)

    def _shift(self, jumped: int, now: int, passed: int) -> None:
        """Shift what is stored, unless another daemon has since the jump, which was at most ``passed`` ms ago."""
        with self._store.write():
            done = meta.get(self._store, _DONE)
            by, at = done.get("by", 0), done.get("at", 0)
            recent = abs(now - at) <= passed + JUMP_MS and abs(by - jumped) <= JUMP_MS
            if recent and done.get("daemon") != self._store.daemon:
                return
            meta.put(self._store, _DONE, {"daemon": self._store.daemon, "by": jumped, "at": now})
            tasks.shift(self._store, jumped)
            searches.shift(self._store, jumped)
            if jumped < 0:
                api.shift(self._store, jumped)
                verifying.shift(self._store, jumped)
                callback_lane.shift(self._store, jumped)
                leases.shift(self._store, jumped)
                daemon.shift(self._store, jumped, now)
            else:
                api.shift_pause(self._store, jumped)

    def _look(self, now: int) -> None:
        """Give the tasks that were recorded since the last look an age that fits."""
        last_seq = tasks.newest_seq(self._store)
        if last_seq > self._last_seq:
            strange = tasks.Strange(self._looked_at - LEEWAY_MS, now + LEEWAY_MS, self._last_seq)
            tasks.begin_strange(self._store, strange, now)
        self._looked_at, self._last_seq = now, last_seq
