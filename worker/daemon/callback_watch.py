"""Whether callbacks arrive, looked at with the passes of the daemon; and what waits for them in vain."""

from dataclasses import dataclass

from worker.core.callback_lane import MISSING_TASKS, CallbackLane, looked_at
from worker.rounds.log_lines import Log
from worker.store.db.store import Store
from worker.store.state import api, callback_lane

EVERY_MS = 1_000

# That are brought forward in one transaction.
PORTION_TASKS = 500


@dataclass(frozen=True, slots=True)
class Awaited:
    """Whether callbacks are configured, how late they may come, and the first wait of the cadence; ms."""

    configured: bool
    grace_ms: int
    first_wait_ms: int


class CallbackWatch:
    """Looks once a second. That callbacks are down, and arrive again, is a problem, and the log tells of it as such."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looked_at: int | None = None

    def look(self, awaited: Awaited, now: int, log: Log) -> bool:
        """Whether more is to be done at once. Raises StorageFailed and TryLater."""
        if self._looked_at is not None and 0 <= now - self._looked_at < EVERY_MS:
            return False
        lane = callback_lane.get(self._store)
        if self._after(lane, awaited, now) != lane:
            lane = self._written(awaited, now, log)
        if lane.waits or not self._bring_forward(awaited):
            self._looked_at = now
            return False
        return True

    def _after(self, lane: CallbackLane, awaited: Awaited, now: int) -> CallbackLane:
        missing = callback_lane.missing(self._store, lane, awaited.grace_ms, now, MISSING_TASKS)
        return looked_at(lane, missing, now, configured=awaited.configured)

    def _written(self, awaited: Awaited, now: int, log: Log) -> CallbackLane:
        with self._store.write():
            before = callback_lane.get(self._store)  # a callback may have come since
            lane = self._after(before, awaited, now)
            callback_lane.put(self._store, lane)
        if lane.on_since is not None and before.on_since is None:
            log.info("callbacks are configured: polls of new tasks wait for them")
        elif before.on_since is not None and lane.on_since is None:
            log.info("callbacks were taken out of the configuration: what waited for them is polled")
        return lane

    def _bring_forward(self, awaited: Awaited) -> bool:
        """Whether a portion of tasks was brought forward; there may be more."""
        if not callback_lane.any_waiting(self._store):
            return False
        with self._store.write():
            planned = api.get(self._store).schedule.first_wait_ms
            wait = awaited.first_wait_ms if planned is None else planned
            return callback_lane.bring_forward(self._store, wait, PORTION_TASKS) > 0
