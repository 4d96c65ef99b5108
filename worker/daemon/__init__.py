"""The daemon: what is built from a configuration (assembly), and the loop that runs it."""

import gc
from collections.abc import Callable

from worker.clock import Clock
from worker.config import Config
from worker.core.exit_code import ExitCode
from worker.daemon.loop import Loop
from worker.daemon.orders import Mode, Orders
from worker.daemon.starting import wait_for_storage
from worker.gateways.machine import process_exists
from worker.gateways.signals import Signals
from worker.gateways.systemd import Notify
from worker.log import make_log
from worker.store.db.lock import DaemonLock
from worker.store.opening import open_store
from worker.store.state import daemon

# How much longer systemd waits for the start each time that a migration says that it goes on.
MIGRATING_US = 300_000_000

# How long the main thread waits for another's lock. A server takes it from one that is frozen after 3 s
# (worker/store/db/postgres.py).
LOCK_TIMEOUT_S, SERVER_LOCK_TIMEOUT_S = 2.0, 5.0


def run(
    config: Config,
    mode: Mode,
    clock: Clock,
    *,
    reload: Callable[[], Config] | None = None,
    only: frozenset[int] | None = None,
) -> int:
    """Poll until told to stop, or as ``mode`` says; the exit code. Raises CdpollError for what prevents a start.

    ``reload`` reads the configuration anew on SIGHUP; ``only`` are the rows that a pass of mode ``once`` is about.
    """
    signals = Signals()
    signals.listen()
    log = make_log(config.log.format, config.log.level, clock)
    notify = Notify()

    def migrating() -> None:
        notify.send(f"EXTEND_TIMEOUT_USEC={MIGRATING_US}", "STATUS=bringing the database up to date")

    place = config.store.place
    timeout = LOCK_TIMEOUT_S if place.server is None else SERVER_LOCK_TIMEOUT_S

    def start() -> int:
        if signals.stop.is_set():
            log.info("stopped before the start")
            return ExitCode.INTERRUPTED if signals.interrupted else 0 if mode == "forever" else ExitCode.TRY_LATER
        with open_store(place, timeout=timeout, create=True, migrate=migrating) as store:
            lock = DaemonLock(store.path)
            # What is loaded stays. The collector would take a tenth of the CPU and more to examine it each time.
            gc.collect()
            gc.freeze()
            try:
                row = daemon.own(store)
                exists = row is not None and process_exists(row.beat.pid)
                daemon.refuse_second(store, store.now(clock), exists)
                return Loop(config, Orders(mode, only, reload), clock, signals, store, log).run()
            finally:
                lock.release()

    if mode != "forever":
        return start()
    return wait_for_storage(start, place.path.parent, clock, signals.stop, notify, log)
