"""The thread of one lane: step, wait, step. An error of a step does not end it, and a set clock does not stop it."""

import threading
from collections.abc import Callable
from dataclasses import replace

from worker.core.errors import TryLater
from worker.daemon.faults import Faults
from worker.daemon.lane import Lane, LanePlan, Surroundings
from worker.daemon.watchdog import StepTimer
from worker.place import DatabasePlace
from worker.store.db.store import Store
from worker.store.opening import open_store

# After a step that raised.
RETRY_MS = 5_000

LONGEST_WAIT_MS = 60_000

# To open the store, which may wait for another process that migrates it.
OPENING_BOUND_MS = 300_000

LOCK_TIMEOUT_S = 5.0


class LaneThread:
    """Runs one lane with a store of its own; it never delays polling."""

    def __init__(
        self,
        plan: LanePlan,
        place: DatabasePlace,
        around: Surroundings,
        faults: Faults,
        wake: Callable[[], None],
    ) -> None:
        """``place`` is where the database is; ``wake`` wakes the main thread."""
        self.plan = plan
        self.timer = StepTimer(plan.name)
        self.exit_code = 0
        self._place = place
        self._around = replace(around, moves=lambda: self.timer.moves(around.clock.monotonic()))
        self._faults = faults
        self._wake = wake
        self._store: Store | None = None
        self._lane: Lane | None = None
        self._called = threading.Event()
        self._calls = 0  # how often a step was asked for
        self._idle_since: int | None = None  # the number of calls before the step that found nothing to do
        self._failed = False
        self._thread = threading.Thread(target=self._work, name=plan.name, daemon=True)

    @property
    def idle(self) -> bool:
        """Whether the lane has nothing to do, after a step that began since the last call."""
        return self._failed or self._idle_since == self._calls

    def start(self) -> None:
        self._thread.start()

    def call(self) -> None:
        """Have a step taken now. Only the main thread calls."""
        self._calls += 1
        self._called.set()

    def stop(self) -> None:
        """Have the thread end. The next start continues from the rows of the database."""
        self._around.stop.set()
        self._called.set()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def join(self, patience_s: float) -> None:
        """Wait until the thread has ended, for so long at most."""
        if self._thread.is_alive():
            self._thread.join(patience_s)

    def turn(self) -> int:
        """Take one step, or make the lane anew after a fault; how long (ms) to wait for the next."""
        clock = self._around.clock
        calls = self._calls
        try:
            self.timer.begin(clock.monotonic(), OPENING_BOUND_MS)
            store = self._store = self._store or open_store(self._place, timeout=LOCK_TIMEOUT_S)
            store.clock = clock
            lane = self._lane = self._lane or self.plan.open(store, self._around)
            self.timer.begin(clock.monotonic(), lane.bound_ms)
            next_at = lane.run(store.now(clock))
            self._faults.tell_damage(store)
            self.exit_code = lane.exit_code
            self._idle_since = calls if lane.idle else None
            wait_ms = next_at - store.now(clock)
        except Exception as error:
            # Any error: it must not end this thread unseen.
            self.exit_code = self._faults.caught(self.plan.name, self.plan.failed, error)
            self._failed = self._around.once
            if self._failed and isinstance(error, TryLater):  # nothing tries again, so a person must hear of it
                self._around.log.error(self.plan.failed, error=error.message, hint=error.hint)
            self._let_go()
            self._wake()  # to write the notice
            return RETRY_MS
        finally:
            self.timer.end()
        self._faults.well(self.plan.name)
        if self._around.once and self.idle:
            self._wake()
        return max(0, wait_ms)

    def _work(self) -> None:
        while not self._around.stop.is_set() and not self._failed:
            self._called.clear()
            wait_ms = self.turn()
            if not self._failed:
                self._wait(wait_ms)
        self._let_go()

    def _wait(self, wait_ms: int) -> None:
        # By the monotonic clock: if the wall clock is set back, the lane must not wait longer.
        clock = self._around.clock
        until = clock.monotonic() + wait_ms
        while (left := until - clock.monotonic()) > 0:
            if self._around.stop.is_set() or clock.wait(self._called, min(LONGEST_WAIT_MS, left)):
                return

    def _let_go(self) -> None:
        lane, store = self._lane, self._store
        self._lane, self._store = None, None
        try:
            if lane is not None:
                lane.close()
        except Exception as error:
            # As with a step: it must not end this thread unseen.
            self._faults.caught(f"{self.plan.name} (closing)", self.plan.failed, error)
        finally:
            if store is not None:
                store.close()
