"""The lane of the spool: it looks at the folder where others leave files, and takes what lies there."""

from functools import partial
from itertools import islice

from worker.config import Config
from worker.config.polling import schedule_of
from worker.core.exit_code import ExitCode
from worker.core.x12.batch import TAKE_ALL, HoldRules
from worker.daemon.lane import LanePlan, Surroundings
from worker.daemon.orders import Orders
from worker.gateways.spool.folder import SpoolFolder, SpoolUnusable
from worker.rounds.spool.looking import Looks
from worker.rounds.spool.round import SpoolWork, step
from worker.rounds.spool.rules import GROUP_FILES, SpoolRules
from worker.store.db.store import Store
from worker.store.state import spool as row

# To list a folder of a million names takes seconds, and the database is waited for at most 5 s, a few times.
LOOK_BOUND_MS = 120_000

# Text and batches are read far faster.
SLOWEST_BYTES_PER_MS = 16

# After the folder could not be used.
RETRY_MS = 5_000


def plan(config: Config, orders: Orders) -> LanePlan | None:
    """The lane, where ``[spool]`` is configured."""
    if config.spool is None or orders.only is not None:
        return None
    sftp, api = config.sftp, config.api
    rules = SpoolRules(
        config.spool.every_ms,
        config.spool.keep_done_ms,
        schedule_of(config),
        "" if api is None else api.origin,
        TAKE_ALL if sftp is None else HoldRules(sftp.hold_test, sftp.receiver or ()),
    )
    folder = partial(SpoolFolder, config.spool.path)
    return LanePlan(
        "spool", "reading the spool failed", lambda store, around: SpoolLane(folder(), rules, store, around)
    )


class SpoolLane:
    """A step is one look at the folder, or some of the files that it has found."""

    def __init__(self, folder: SpoolFolder, rules: SpoolRules, store: Store, around: Surroundings) -> None:
        self.idle = False
        self._work = SpoolWork(store, folder, rules, around.log, around.stop.is_set, around.moves)
        self._looks = Looks(self._work)
        self._unusable = False

    @property
    def bound_ms(self) -> int:
        """Longer for large files."""
        size = sum(one.entry.size for one in islice(self._work.queue, GROUP_FILES) if one.entry.regular)
        return LOOK_BOUND_MS + size // SLOWEST_BYTES_PER_MS

    @property
    def exit_code(self) -> int:
        """1 where a file could not be read, 74 where the folder cannot be used."""
        if self._unusable:
            return ExitCode.STORAGE
        return ExitCode.IN_PART if self._work.put_aside else 0

    def run(self, now: int) -> int:
        try:
            if self._work.queue:
                step(self._work, now)
                next_at = now
            else:
                looked = self._looks.look(now)
                next_at, self.idle = looked.next_at, not looked.waiting
        except SpoolUnusable as trouble:
            self._tell(f"{trouble.words}; {trouble.cure}")
            self._work.queue.clear()
            self._unusable = self.idle = True
            return now + max(RETRY_MS, self._work.rules.every_ms)
        self._unusable = False
        return next_at

    def _tell(self, trouble: str) -> None:
        """Written once; the next good look writes the row anew."""
        store = self._work.store
        if row.get(store).last_error != trouble:
            with store.write():
                row.put(store, row.get(store)._replace(last_error=trouble))

    def close(self) -> None:
        self._work.folder.close()
