"""The lane that asks the vendor's list: for discoveries that were not recorded, and for those that are looked for."""

import threading
from collections.abc import Callable
from functools import partial

from worker.config import Config
from worker.core.exit_code import ExitCode
from worker.core.instant import FAR
from worker.core.listed_rows import Narrowing
from worker.core.vendor.reply import RateLimited, Refused
from worker.daemon.lane import LanePlan, Surroundings
from worker.daemon.orders import Orders
from worker.daemon.vendor_list import lister_of, owner_of, taker_of
from worker.rounds.backfill.lister import DEADLINE_MS, Listed, Lister
from worker.rounds.backfill.searching import SearchRound, SearchRules
from worker.rounds.backfill.sweeping import SweepRound, SweepRules
from worker.store.db.store import Store
from worker.store.state import leases
from worker.store.state.leases import Lease
from worker.store.tasks import searches

# The wait when nothing is due. Other processes hand in what is looked for, and do not call this lane.
LOOK_MS = 15_000


def plan(config: Config, orders: Orders) -> LanePlan | None:
    """The lane, where there is an API. Raises BadConfiguration for a secret that cannot be read."""
    if config.api is None or orders.only is not None:
        return None
    return LanePlan("backfill", "asking the vendor's list failed", partial(BackfillLane, config, lister_of(config)))


class BackfillLane:
    """A step is one request to the list at most. Without ``[backfill]`` it looks for single requests alone.

    Hosts that share a database make one sweep. Each looks for single requests, which are leased one by one.
    """

    # A request, and the waits for the database before and behind it.
    bound_ms = DEADLINE_MS + 60_000

    def __init__(
        self, config: Config, make_lister: Callable[[threading.Event], Lister], store: Store, around: Surroundings
    ) -> None:
        self.idle = False
        self.exit_code = 0
        self._store = store
        self._once = around.once
        self._lister = make_lister(around.stop)
        taker, owner = taker_of(config), owner_of(config)
        rules = SearchRules(config.polling.lookup_for_ms, owner)
        self._search = SearchRound(store, self._lister, taker, rules)
        self._sweep: SweepRound | None = None
        if config.backfill is not None:
            section = config.backfill
            narrowing = Narrowing(section.names, section.correlation_ids)
            sweeps = SweepRules(section.every_ms, section.overlap_ms, owner, narrowing)
            self._sweep = SweepRound(store, self._lister, taker, sweeps, around.log)
        self._lease = Lease(store, leases.BACKFILL, self.bound_ms)
        self._searched_last = False
        self._failures = 0  # requests in a row without a page
        self._rests_until = 0

    def run(self, now: int) -> int:
        if self._sweep is not None and self._sweep.next_at(now) > now:
            self._lease.let_go()
        work = self._due(now)
        self.idle = work is None
        if work is None:
            return self._next(now)
        if now < self._rests_until <= now + LOOK_MS * 1_000:
            self.idle = self._once
            return self._rests_until
        slot = self._lister.slot(self._store, now)
        if not slot.given:
            self.idle = self._once and slot.why != "slot"
            return slot.again_at
        work.ask(now)
        self._searched_last = work is self._search
        self._note(work.failed, now)
        return now

    def _due(self, now: int) -> SearchRound | SweepRound | None:
        """What is to be asked for. Neither keeps the other waiting: they take turns."""
        sweep = self._sweep if self._sweep is not None and self._sweep.next_at(now) <= now else None
        if self._search.is_due(now) and (sweep is None or not self._searched_last):
            return self._search
        # Another host goes on with the sweep, or does when the lease of one that died has expired.
        return sweep if sweep is not None and self._lease.take(now) else None

    def _note(self, failed: Listed | None, now: int) -> None:
        """After a failure nothing else is asked for either: it is most likely not about what was asked for."""
        if failed is None:
            self._failures = 0
            return
        self._failures += 1
        self._rests_until = now + self._lister.backoff(failed.said, self._failures)
        if isinstance(failed.said, RateLimited):
            self.exit_code = ExitCode.TRY_LATER
        else:
            refused = isinstance(failed.said, Refused)
            self.exit_code = ExitCode.CREDENTIALS if refused else ExitCode.UNREACHABLE

    def _next(self, now: int) -> int:
        """When something may be due, as far as it is known: soon, for what other processes hand in."""
        sweep_at = FAR if self._sweep is None else self._sweep.next_at(now)
        search_at = searches.next_due(self._store)
        known = [at for at in (sweep_at, search_at) if at is not None and at > now]
        return min([now + LOOK_MS, *known])

    def close(self) -> None:
        self._lease.let_go()
        self._lister.close()
