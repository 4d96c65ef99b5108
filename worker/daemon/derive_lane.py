"""The lane that reads the 271 texts inside polled results, after the results were kept, and everything anew that an
older reader read."""

from worker.config import Config
from worker.daemon.lane import LanePlan, Surroundings
from worker.daemon.orders import Orders
from worker.rounds.ingest.deriving import STEP_RESULTS, derive_missing
from worker.store.db.store import Store

# The wait when there is nothing to do. Other processes keep results too, and do not call this lane.
WAIT_MS = 15_000


def plan(_config: Config, _orders: Orders) -> LanePlan | None:
    """The lane; every run has it."""
    return LanePlan("derive", "reading the texts of results failed", DeriveLane, after_polls=True)


class DeriveLane:
    """A step derives the rows of some results, in one transaction, or of a large set of a batch in several."""

    # The texts of a result, or a set of a batch, are read within seconds, and the database is waited for at
    # most 5 s.
    bound_ms = STEP_RESULTS * 1_000 + 5_000

    exit_code = 0

    def __init__(self, store: Store, _around: Surroundings) -> None:
        self.idle = False
        self._store = store

    def run(self, now: int) -> int:
        self.idle = derive_missing(self._store, now) == 0
        return now + WAIT_MS if self.idle else now

    def close(self) -> None:
        """Nothing is held."""
