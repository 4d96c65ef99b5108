"""Lets the price of a request float with what is due and what the limiter allows, and stores what was learned."""

from worker.core.pacing.breaker import Lane
from worker.core.pacing.limiter import Limit, sustained
from worker.core.schedule.delay_per_request import Load
from worker.core.schedule.learned import Learned
from worker.store.db.store import Store
from worker.store.state import learned as learning
from worker.store.tasks import polling as tasks

# How often the price floats, and how often what was learned is stored (losing some of it costs nothing); ms.
PRICED_EVERY, KEPT_EVERY = 10_000, 15_000


class Pricing:
    """For one learned schedule; ``spent`` counts the requests that were granted since the price last floated."""

    def __init__(self, store: Store, learned: Learned, limit: Limit, now: int) -> None:
        self._store = store
        self._learned = learned
        self._limit = limit
        self._backlog = 0
        self._priced_at = self._kept_at = now
        self.spent = 0

    def float(self, lane: Lane, now: int) -> None:
        """Every ten seconds or so: raise or lower the price. Time in a pause does not count."""
        elapsed = now - self._priced_at
        if 0 <= elapsed < PRICED_EVERY:
            return
        rate = sustained(self._limit, lane.meter, now)
        spent, before = self.spent, self._backlog
        self._backlog = tasks.backlog(self._store, now)
        self._priced_at, self.spent = now, 0
        if elapsed > 0 and not lane.paused:
            self._learned.load(Load(elapsed, spent, before, self._backlog), rate)

    def keep_now_and_then(self, now: int) -> None:
        """Store what was learned, if that is some time ago. Inside a transaction."""
        if not 0 <= now - self._kept_at < KEPT_EVERY:
            self.keep(now)

    def keep(self, now: int) -> None:
        """Store what was learned. Inside a transaction."""
        learning.keep(self._store, self._learned.known, self._learned.changed, self._learned.first_wait())
        self._learned.changed.clear()
        self._kept_at = now
