"""The process of `cdpoll deliver`: a lane for each way out, beside the daemon and apart from it.

A customer's program cannot live under the daemon's sandboxing, and a receiver that hangs must delay no poll. This loop
does signals, beats, notices and the watchdog; it sends nothing itself.
"""

import os
import threading
from collections.abc import Callable

from worker import __version__
from worker.clock import Clock
from worker.config import Config
from worker.core.errors import BadConfiguration, StorageFailed, TryLater
from worker.daemon.deliver_lane import WayOut, plan
from worker.daemon.faults import Faults
from worker.daemon.lane import Surroundings
from worker.daemon.lane_thread import LaneThread
from worker.daemon.loop import INTERRUPTED_EXIT
from worker.daemon.notices import Notices
from worker.daemon.poll_lane import WORK_REMAINS_EXIT
from worker.daemon.watchdog import Watchdog
from worker.gateways.signals import Signals
from worker.gateways.systemd import Notify
from worker.log import make_log
from worker.rounds.log_lines import Log
from worker.store.db.lock import DeliverLock
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import delivering

BEAT_EVERY_MS = 15_000

# How often the threads are looked after, at least.
LOOK_MS = 5_000

# The end: an attempt under way may last as long as its timeout, and systemd waits for 150 s.
ENDING_MS = 130_000

# Problems of the daemon have the same names, and it withdraws its own.
_NOTICES = {"internal_fault": "deliver_fault", "lane_stuck": "deliver_stuck"}

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
    place = config.store
    with open_store(place.path, place.journal, timeout=2.0) as store:
        lock = DeliverLock(store.path)
        try:
            return DeliverLoop(config, found, clock, signals, store, log).run(ways, reload, once=once)
        finally:
            lock.release()


class DeliverLoop:
    """One run; :meth:`run` gives its exit code."""

    def __init__(
        self, config: Config, ways: list[WayOut], clock: Clock, signals: Signals, store: Store, log: Log
    ) -> None:
        self._config = config
        self._ways = ways
        self._clock = clock
        self._signals = signals
        self._store = store
        self._log = log
        self._notify = Notify()
        self._notices = DeliverNotices()
        self._faults = Faults(self._notify, self._notices, log)
        self._watchdog = Watchdog(self._notify, self._notices, log)
        now = store.now(clock)
        self._beat = delivering.DeliverBeat(os.getpid(), __version__, now, now)
        self._beat_at: int | None = None
        self._threads: list[LaneThread] = []
        self._once = False

    def run(self, ways: Ways, reload: Callable[[], Config], *, once: bool) -> int:
        """The loop, and the way out of it."""
        self._once = once
        for code in (*_NOTICES, "deliver_reload_refused"):
            self._notices.put(code, None)
        try:
            self._start()
            self._log.info("delivering", version=__version__, ways=len(self._ways), database=str(self._store.path))
            self._notify.send("READY=1")
            while True:
                self._signals.wake.clear()
                self._step()
                if self._store.replaced():
                    self._log.error("the database was replaced or removed; a restart opens what is there now")
                    return 74
                if self._signals.stop.is_set() or (once and all(thread.idle for thread in self._threads)):
                    break
                if self._signals.reload.is_set():
                    self._reload(ways, reload)
                    continue
                self._clock.wait(self._signals.wake, self._wait_ms)
            self._notify.send("STOPPING=1")
            self._end()
            self._say(self._beat._replace(stopped_at=self._store.now(self._clock)))
            return self._exit_code()
        finally:
            self._end()

    @property
    def _wait_ms(self) -> int:
        return LOOK_MS if self._watchdog.interval is None else min(LOOK_MS, self._watchdog.interval // 3)

    def _start(self) -> None:
        around = Surroundings(self._clock, self._log, threading.Event(), self._once)
        place = (self._config.store.path, self._config.store.journal)
        wake = self._signals.wake.set
        self._threads = [LaneThread(plan(way), place, around, self._faults, wake) for way in self._ways]
        for thread in self._threads:
            thread.start()

    def _step(self) -> None:
        """Say that the process lives, where that is due, and feed the watchdog while no lane is stuck."""
        self._watchdog.check([thread.timer for thread in self._threads], self._clock.monotonic())
        now = self._store.now(self._clock)
        due = self._beat_at is None or not 0 <= now - self._beat_at < BEAT_EVERY_MS
        if due or self._notices.waiting:
            self._say(self._beat._replace(beat_at=now))
        self._watchdog.feed()

    def _say(self, beat: delivering.DeliverBeat) -> None:
        """Write the beat and the notices. Where they cannot be written, the lanes meet the same, and tell of it."""
        now = beat.stopped_at or beat.beat_at
        try:
            with self._store.write():
                delivering.put(self._store, beat)
                self._notices.write(self._store, now)
        except (StorageFailed, TryLater):
            return
        self._notices.written()
        self._beat_at = now

    def _reload(self, ways: Ways, reload: Callable[[], Config]) -> None:
        """SIGHUP. If the new configuration cannot be used, the old one stays, and a notice says so."""
        self._signals.reload.clear()
        self._notify.send("RELOADING=1", f"MONOTONIC_USEC={self._clock.monotonic() * 1000}")
        try:
            config = reload()
            if config.store != self._config.store:
                raise BadConfiguration("[store] cannot change while this process runs", "restart it instead")
            found = ways(config)
        except BadConfiguration as error:
            first = error.message.splitlines()[0]
            self._log.error("reload refused; the configuration in force stays", mistake=first)
            self._notices.put("deliver_reload_refused", f"the old configuration stays in force: {first}")
        else:
            self._let_threads_end()
            if self._signals.stop.is_set():
                return
            if config.log != self._config.log:
                self._log = make_log(config.log.format, config.log.level, self._clock)
                self._faults.log = self._watchdog.log = self._log
            self._config, self._ways = config, found
            self._start()
            self._log.info("reloaded", ways=len(found))
            self._notices.put("deliver_reload_refused", None)
        self._notify.send("READY=1")

    def _let_threads_end(self) -> None:
        """However long the attempts under way last: with two threads, a way would send letters twice at one time."""
        for thread in self._threads:
            thread.stop()
        for thread in self._threads:
            while not thread.ended and not self._signals.stop.is_set():
                thread.join(LOOK_MS / 1000)
                self._step()

    def _end(self) -> None:
        """Let the threads end, all by one instant. An attempt under way lasts as long as it may, and what came of it is
        written."""
        for thread in self._threads:
            thread.stop()
        ends_at = self._clock.monotonic() + ENDING_MS
        for thread in self._threads:
            thread.join(max(0, ends_at - self._clock.monotonic()) / 1000)

    def _exit_code(self) -> int:
        if self._signals.interrupted:
            return INTERRUPTED_EXIT
        if not self._once:
            return 0
        codes = {thread.exit_code for thread in self._threads} - {0}
        if codes:
            # A fault comes before a receiver that is down, and that before letters that have failed.
            return max(codes)
        return WORK_REMAINS_EXIT if self._signals.stop.is_set() else 0
