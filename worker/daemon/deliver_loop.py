"""The process of `cdpoll deliver`: a lane for each way out, and one for alerts, beside the daemon and apart from it.

A customer's program cannot live under the daemon's sandboxing, and a receiver that hangs must delay no poll. This loop
does signals, beats, notices and the watchdog; it sends nothing itself.

Of the hosts that share a database one delivers: it holds the lease ``deliver``, and renews it with each beat. The
others stand by, with no lanes, and one of them takes over when it ends, or when its lease has expired.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from worker.build import VERSION
from worker.clock import Clock
from worker.config import Config
from worker.core.errors import BadConfiguration, ServerLost, StorageFailed, TryLater
from worker.core.exit_code import ExitCode
from worker.daemon import hook_lane
from worker.daemon.deliver_lane import WayOut, plan
from worker.daemon.lane import Lane, LanePlan, Surroundings
from worker.daemon.main_thread import MainThread
from worker.daemon.notices import Notices
from worker.gateways.signals import Signals
from worker.log import make_log
from worker.rounds.log_lines import Log
from worker.store.db.lock import DeliverLock
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import delivering, leases
from worker.store.state.leases import Lease, LeaseLost

BEAT_EVERY_MS = 15_000

# How often the threads are looked after, and whether another host still delivers, at least.
LOOK_MS = 5_000

# Three beats. After a death another host delivers within this time and one look.
LEASE_MS = 3 * BEAT_EVERY_MS

# The end: an attempt under way may last as long as its timeout, and is noted. systemd waits for 150 s.
ENDING_MS = 130_000

# Problems of the daemon have the same names, and it withdraws its own.
_NOTICES = {
    "internal_fault": "deliver_fault",
    "lane_stuck": "deliver_stuck",
    "reload_refused": "deliver_reload_refused",
}

Ways = Callable[[Config], list[WayOut]]


class DeliverNotices(Notices):
    """What this process has to tell, under names of its own."""

    def put(self, code: str, detail: str | None) -> None:
        super().put(_NOTICES.get(code, code), detail)


def deliver(config: Config, ways: Ways, clock: Clock, *, once: bool, reload: Callable[[], Config]) -> int:
    """Deliver until told to stop, or ``once`` what there is; the exit code. ``ways`` makes the ways of a configuration.

    Raises CdpollError for what prevents a start.
    """
    signals = Signals()
    signals.listen()
    os.chdir("/")  # programs are started here
    log = make_log(config.log.format, config.log.level, clock)
    found = ways(config)
    place = config.store.place
    with open_store(place, timeout=2.0) as store:
        lock = DeliverLock(store.path)
        try:
            return DeliverLoop(config, found, clock, signals, store, log).run(ways, reload, once=once)
        finally:
            lock.release()


def _opened(of: LanePlan, store: Store, around: Surroundings) -> Lane:
    """The lane, each of whose transactions is rolled back where another host delivers by then."""
    Lease(store, leases.DELIVER, LEASE_MS).guard()
    return of.open(store, around)


class DeliverLoop:
    """One run; :meth:`run` gives its exit code."""

    def __init__(
        self, config: Config, ways: list[WayOut], clock: Clock, signals: Signals, store: Store, log: Log
    ) -> None:
        self._config = config
        self._ways = ways
        self._store = store
        store.clock = clock
        self._lease = Lease(store, leases.DELIVER, LEASE_MS)
        self._delivers = False
        self._stands_by = False
        self._main = MainThread(clock, signals, store, log, DeliverNotices())
        now = store.now(clock)
        self._beat = delivering.DeliverBeat(os.getpid(), VERSION, now, now, daemon=store.daemon)
        self._beat_at: int | None = None
        self._once = False

    def run(self, ways: Ways, reload: Callable[[], Config], *, once: bool) -> int:
        """The loop, and the way out of it."""
        self._once = once
        for code in _NOTICES:
            self._main.notices.put(code, None)
        try:
            self._take_over(self._store.now(self._main.clock))
            if once and not self._delivers:
                raise TryLater(self._busy(), "leave the work to it")
            self._main.notify.send("READY=1")
            rest = partial(self._main.clock.wait, self._main.signals.wake)
            if not self._main.run(self._step, rest, partial(self._reload, ways, reload), self._all_idle):
                return ExitCode.STORAGE
            self._main.stop_threads()  # first, so that nothing is begun after the word
            self._main.notify.send("STOPPING=1")
            self._main.end_threads(ENDING_MS)
            self._say(self._beat._replace(stopped_at=self._store.now(self._main.clock)))
            self._lease.let_go()
            return self._exit_code()
        finally:
            self._main.end_threads(ENDING_MS)

    def _take_over(self, now: int) -> None:
        """Begin to deliver, if no other host does."""
        self._delivers = self._lease.take(now)
        if self._delivers:
            self._start()
            self._main.log.info("delivering", version=VERSION, ways=len(self._ways), database=self._store.name)
        elif not self._stands_by:
            self._main.log.info("standing by", version=VERSION, because=self._busy())
        self._stands_by = not self._delivers

    def _busy(self) -> str:
        holder = self._lease.holder(self._store.now(self._main.clock))
        return f"another cdpoll{'' if holder is None else f' of {holder.daemon}'} already delivers from this database"

    def _start(self) -> None:
        hook = hook_lane.plan(self._config)
        plans = [*map(plan, self._ways), *([] if hook is None else [hook])]
        leased = [replace(one, open=partial(_opened, one)) for one in plans]
        self._main.make_threads(leased, self._config, once=self._once)
        self._main.start_threads()

    def _step(self) -> int:
        """See that one host delivers, and look after the threads. ms to rest."""
        if not self._delivers:
            with suppress(StorageFailed, TryLater):  # it is asked again soon
                self._take_over(self._store.now(self._main.clock))
        return self._look()

    def _look(self) -> int:
        """Say that the process lives, where that is due, and feed the watchdog while no lane is stuck. ms to rest."""
        watchdog = self._main.watchdog
        watchdog.check([thread.timer for thread in self._main.threads], self._main.clock.monotonic())
        now = self._store.now(self._main.clock)
        due = self._beat_at is None or not 0 <= now - self._beat_at < BEAT_EVERY_MS
        if due or self._main.notices.waiting:
            self._say(self._beat._replace(beat_at=now))
        watchdog.feed()
        return LOOK_MS if watchdog.interval is None else min(LOOK_MS, watchdog.interval // 3)

    def _all_idle(self) -> bool:
        return self._once and all(thread.idle for thread in self._main.threads)

    def _say(self, beat: delivering.DeliverBeat) -> None:
        """Write the beat and the notices. Where they cannot be written, the lanes meet the same, and tell of it."""
        now = beat.stopped_at or beat.beat_at
        try:
            with self._store.write():
                if self._delivers:
                    delivering.put(self._store, beat)
                self._main.notices.write(self._store, now)
        except ServerLost as error:
            self._main.faults.server_lost(error)
            return
        except LeaseLost:
            self._lose()
            return
        except (StorageFailed, TryLater):
            return
        self._main.faults.server_back()
        self._main.notices.written()
        self._beat_at = now

    def _lose(self) -> None:
        """This process was frozen, or cut off, for longer than its lease: another host delivers by now."""
        self._lease.forget()
        self._delivers = False
        self._main.log.warning("another host delivers now, so this one ends its attempts and stands by")
        self._let_threads_end()
        self._main.threads = []

    def _reload(self, ways: Ways, reload: Callable[[], Config]) -> None:
        self._main.reload(lambda: self._change(ways, reload()))
        self._main.notify.send("READY=1")

    def _change(self, ways: Ways, config: Config) -> None:
        if config.store != self._config.store:
            raise BadConfiguration("[store] cannot change while this process runs", "restart it instead")
        found = ways(config)
        self._let_threads_end()
        if self._main.signals.stop.is_set():
            return
        self._main.take_log(config, self._config)
        self._config, self._ways = config, found
        if self._delivers:
            self._start()
        self._main.log.info("reloaded", ways=len(found))

    def _let_threads_end(self) -> None:
        """However long the attempts under way last: with two threads, a way would send letters twice at one time."""
        self._main.end_threads(0)
        for thread in self._main.threads:
            while not thread.ended and not self._main.signals.stop.is_set():
                thread.join(LOOK_MS / 1000)
                self._look()

    def _exit_code(self) -> int:
        if self._main.signals.interrupted:
            return ExitCode.INTERRUPTED
        if not self._once:
            return 0
        codes = {thread.exit_code for thread in self._main.threads} - {0}
        if codes:
            # A fault comes before a receiver that is down, and that before letters that have failed.
            return max(codes)
        return ExitCode.TRY_LATER if self._main.signals.stop.is_set() else 0
