"""The main thread of the daemon, and of `cdpoll deliver`: what it does in both, around the lanes."""

import threading
from collections.abc import Callable, Iterable

from worker.clock import Clock
from worker.config import Config
from worker.core.errors import BadConfiguration
from worker.daemon.faults import Faults
from worker.daemon.lane import LanePlan, Surroundings
from worker.daemon.lane_thread import LaneThread
from worker.daemon.notices import Notices
from worker.daemon.watchdog import Watchdog
from worker.gateways.signals import Signals
from worker.gateways.systemd import Notify
from worker.log import make_log
from worker.rounds.log_lines import Log
from worker.store.db.store import Store


class MainThread:
    """Steps, rests, reloads and ends, and has the threads of the lanes begin and end."""

    def __init__(self, clock: Clock, signals: Signals, store: Store, log: Log, notices: Notices) -> None:
        self.clock = clock
        self.signals = signals
        self.store = store
        self.log = log
        self.notify = Notify()
        self.notices = notices
        self.faults = Faults(self.notify, notices, log)
        self.watchdog = Watchdog(self.notify, notices, log)
        self.threads: list[LaneThread] = []

    def run(
        self,
        step: Callable[[], int],
        rest: Callable[[int], object],
        reload: Callable[[], None],
        idle: Callable[[], bool],
    ) -> bool:
        """Step and ``rest`` for what the step returned, until a signal asks to end or all is ``idle``.

        False: the database was replaced.
        """
        while True:
            self.signals.wake.clear()
            found = step()
            if self.store.replaced():
                event = "the database was replaced or removed under the process; a restart opens what is there now"
                self.log.error(event, database=self.store.name)
                return False
            if self.signals.stop.is_set() or idle():
                return True
            if self.signals.reload.is_set():
                reload()
            else:
                rest(found)

    def reload(self, change: Callable[[], None]) -> None:
        """SIGHUP. If the new configuration cannot be used, the old one stays, and a notice says so.

        ``change`` raises BadConfiguration before it changes anything. The caller sends READY=1.
        """
        self.signals.reload.clear()
        self.notify.send("RELOADING=1", f"MONOTONIC_USEC={self.clock.monotonic() * 1000}")
        try:
            change()
        except BadConfiguration as error:
            first = error.message.splitlines()[0]
            self.log.error("reload refused; the configuration in force stays", mistake=first)
            self.notices.put(
                "reload_refused", f"the old configuration stays in force: {first}; mend it, and reload again"
            )
        else:
            self.notices.put("reload_refused", None)

    def take_log(self, config: Config, before: Config) -> None:
        """Write the log as the new configuration says."""
        if config.log != before.log:
            self.log = make_log(config.log.format, config.log.level, self.clock)
            self.faults.log = self.watchdog.log = self.log

    def make_threads(self, plans: Iterable[LanePlan], config: Config, *, once: bool) -> None:
        """Make the threads of the lanes; they are not started yet."""
        around = Surroundings(self.clock, self.log, threading.Event(), once)
        place, wake = config.store.place, self.signals.wake.set
        self.threads = [LaneThread(plan, place, around, self.faults, wake) for plan in plans]

    def start_threads(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop_threads(self) -> None:
        """Have none of them begin anything more."""
        for thread in self.threads:
            thread.stop()

    def end_threads(self, within_ms: int) -> None:
        """Have the threads end, all by one instant: one that is slow to end must not delay the others."""
        self.stop_threads()
        ends_at = self.clock.monotonic() + within_ms
        for thread in self.threads:
            thread.join(max(0, ends_at - self.clock.monotonic()) / 1000)
