"""The lane that purges once a day, rewrites the file of the database once a week, and notes the database's size."""

from collections.abc import Generator
from dataclasses import asdict
from functools import partial

from worker.config import Config, DirectorySection
from worker.config.settings import RetentionSection
from worker.core.errors import StorageFailed, TryLater
from worker.daemon.lane import LanePlan, Surroundings
from worker.daemon.orders import Orders
from worker.gateways.deliver.directory import Folders
from worker.rounds.retention.purge import Purged, Terms, purge, purge_files, rewrite
from worker.store.db.store import Store
from worker.store.retention import growth, noted
from worker.store.retention.undelivered import Limit
from worker.store.state import leases
from worker.store.state.leases import Lease

DAY_MS = 86_400_000
# Between two looks at whether something is to be done.
LOOK_MS = 600_000
# The time of the week begins a window of this length: a daemon that starts later lets the writers work.
WINDOW_MS = 3 * 3_600_000

# Transactions of one step: each takes some 20 ms, and waits for other writers at most 5 s.
STEP_TRANSACTIONS = 5
STEP_BOUND_MS = 60_000

# SQLite writes the file three times over. A slow disk takes this long for a MB of it.
REWRITING_MS_PER_MB = 300


def terms_of(config: Config, before: int, *, thorough: bool = False) -> Terms:
    """What may be removed of what is older than ``before`` (ms)."""
    ways = tuple([way.name for way in config.deliver])
    folders = tuple([Folders(way.path, way.aside) for way in config.deliver if isinstance(way, DirectorySection)])
    return Terms(Limit(before, ways), folders, thorough)


def plan(config: Config, orders: Orders) -> LanePlan | None:
    """The lane; every run has it but one for single tasks. Without `[retention] keep` it purges nothing."""
    if orders.only is not None:
        return None
    return LanePlan("retention", "purging failed", partial(RetentionLane, config))


class RetentionLane:
    """A step is some transactions of a purge, or the rewriting.

    Of the hosts that share a database one does that. Each sees to its own files.
    """

    exit_code = 0

    def __init__(self, config: Config, store: Store, around: Surroundings) -> None:
        self.idle = False
        self._config = config
        self._rules: RetentionSection = config.retention
        self._store = store
        self._around = around
        self._steps: Generator[None] | None = None
        self._purged = Purged()
        self._rewrites = False
        self._lease = Lease(store, leases.RETENTION, STEP_BOUND_MS)
        self._files_at: int | None = None  # when this host's files were last looked at

    @property
    def bound_ms(self) -> int:
        """That of the next step: to rewrite the file takes as long as the disk needs."""
        return self._rewriting_ms() if self._rewrites else STEP_BOUND_MS

    def _rewriting_ms(self) -> int:
        return STEP_BOUND_MS + self._store.file_bytes()[0] // 1_000_000 * REWRITING_MS_PER_MB

    def run(self, now: int) -> int:
        self.idle = False
        if self._rewrites:
            self._rewrites = False
            self._rewrite(now)
        elif self._steps is not None:
            self._go_on()
        elif self._is_to_purge(now):
            self._purged = Purged()
            self._files_at = now
            self._steps = purge(self._store, self._terms(now), now, self._purged)
        elif self._is_to_rewrite(now):
            self._rewrites = True
        elif self._are_files_to_purge(now):
            self._files_at = now
            self._purged = Purged()
            purge_files(self._store, self._terms(now), now, self._purged)
            self._tell()
        else:
            self._lease.let_go()
            growth.note(self._store, now)
            self.idle = True
            return now + LOOK_MS
        return now

    def _is_to_purge(self, now: int) -> bool:
        last = noted.get(self._store).get("purged_at")
        due = self._rules.keep_ms is not None and (last is None or not 0 <= now - last < DAY_MS)
        return due and self._lease.take(now)

    def _are_files_to_purge(self, now: int) -> bool:
        at = self._files_at
        return self._rules.keep_ms is not None and (at is None or not 0 <= now - at < DAY_MS)

    def _terms(self, now: int) -> Terms:
        return terms_of(self._config, now - (self._rules.keep_ms or 0))

    def _is_to_rewrite(self, now: int) -> bool:
        past = noted.get(self._store)
        if self._rules.vacuum is None or not past.get("rows"):
            return False
        begin = self._rules.vacuum.latest(now)
        due = now - begin < WINDOW_MS and not begin <= (past.get("tried_at") or 0) <= now
        return due and self._lease.take(now, self._rewriting_ms())

    def _go_on(self) -> None:
        assert self._steps is not None
        for _ in range(STEP_TRANSACTIONS):
            if self._around.stop.is_set():
                return
            try:
                next(self._steps)
            except StopIteration:
                self._steps = None
                self._tell()
                return

    def _tell(self) -> None:
        removed = self._purged.removed
        if removed.any or self._purged.files.all:
            counts = {name: n for name, n in asdict(removed).items() if n}
            self._around.log.info("purged", **counts, deleted=len(self._purged.files.all))
        if self._purged.failed:
            self._around.log.warning("files could not be purged", files=len(self._purged.failed))

    def _rewrite(self, now: int) -> None:
        """Once in a window: a failure must not keep all writers waiting again and again."""
        try:
            why = rewrite(self._store, now)
        except (StorageFailed, TryLater) as error:
            why = error.message
            with self._store.write():
                noted.hindered(self._store, why, now)
        if why is None:
            self._around.log.info("the file of the database was rewritten")
        else:
            self._around.log.warning("the file of the database could not be rewritten", reason=why)

    def close(self) -> None:
        if self._steps is not None:
            self._steps.close()
        self._lease.let_go()
