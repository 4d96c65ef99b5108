"""The loop: pass, wait, pass. What is done in a pass stands in worker/rounds.

One main thread owns the store and every decision; the pool's threads only ask. The loop waits for an event, never
sleeps, and never longer than a minute, so that a jump of the clock does little harm.
"""

import os
from collections.abc import Callable
from typing import Literal

from worker import __version__
from worker.clock import Clock
from worker.config import Config
from worker.config.polling import schedule_of
from worker.core.errors import BadConfiguration, CdpollError, StorageFailed, TryLater, place_of
from worker.core.instant import words
from worker.core.schedule.cadence import Schedule
from worker.daemon.assembly import Parts, assemble
from worker.daemon.drop import DropLane, rules_of
from worker.gateways.signals import Signals
from worker.gateways.systemd import Notify, watchdog_interval
from worker.log import make_log
from worker.rounds.drop.work import DropRules
from worker.rounds.ingest.deriving import derive_missing
from worker.rounds.log_edges import Log
from worker.rounds.poll.poll import PollRound
from worker.store.db.store import Store
from worker.store.state import lanes, notices
from worker.store.state import learned as learning
from worker.store.tasks import polling as tasks
from worker.store.views import status as look

Mode = Literal["forever", "once", "until-idle"]

LONGEST_WAIT = 60_000
BEAT_EVERY = 15_000
RETRY = 5_000
DAY = 86_400_000
DERIVED_PER_BEAT = 20
STORAGE = "storage"

# The wall clock and the monotonic one drift by less than this between two passes, unless somebody set the clock.
JUMP = 5_000

# What `--once` says of a pass that a pause ended, by the pause's reason.
PAUSE_EXIT = {"credentials": 77, "unreachable": 69, "rate_limited": 75}


class Loop:
    """One run of the daemon; :meth:`run` gives its exit code."""

    def __init__(
        self,
        config: Config,
        mode: Mode,
        clock: Clock,
        signals: Signals,
        store: Store,
        log: Log,
        reload: Callable[[], Config] | None,
        only: frozenset[int] | None,
    ) -> None:
        self._config = config
        self._mode = mode
        self._clock = clock
        self._signals = signals
        self._store = store
        self._log = log
        self._reload = reload
        self._notify = Notify()
        self._watchdog = watchdog_interval()
        self._started_at = clock.now()
        self._beat_at: int | None = None
        self._clocks = (clock.now(), clock.monotonic())
        self._trouble: str | None = None  # what is wrong now and has been said: STORAGE, or the place of a fault
        self._notices: dict[str, str | None] = {}  # to be written with the next beat
        self._only = only
        self._drop: DropLane | None = None
        drop = None if config.sftp is None or only is not None else rules_of(config.sftp)
        self._adopt(assemble(config, signals))
        if self._parts is not None:
            lanes.bind_origin(store, self._parts.origin)
        self._start_drop(drop)

    def _adopt(self, parts: Parts | None) -> None:
        self._parts = parts
        self._round: PollRound | None = None
        # While nothing is due: how soon a task recorded by another process must be noticed.
        self._idle_wait = min(LONGEST_WAIT, max(50, self.schedule.cadence.first // 4))
        if parts is not None:
            self._round = PollRound(self._store, parts.pool, parts.terms, self._log, self._clock.now())
            self._round.only = self._only
        if self._watchdog is not None:
            self._idle_wait = min(self._idle_wait, self._watchdog // 3)

    def _start_drop(self, rules: DropRules | None) -> None:
        if rules is not None:
            store = (self._config.store.path, self._config.store.journal)
            self._drop = DropLane(store, rules, self._clock, self._log, once=self._mode != "forever")

    def run(self) -> int:
        """The loop, and the way out of it."""
        self._put_in_order()
        self._log.info("started", version=__version__, mode=self._mode, database=str(self._store.path))
        cutoff = self._clock.now() if self._mode == "once" else None
        try:
            while True:
                self._signals.wake.clear()
                next_at = self._pass(cutoff)
                if self._store.replaced():
                    self._log.error(
                        "the database was replaced or removed under the daemon; a restart opens the new one"
                    )
                    return 74
                if self._signals.stop.is_set() or self._finished(cutoff):
                    break
                if self._signals.reload.is_set():
                    self._reload_configuration()
                    continue
                self._clock.wait(self._signals.wake, min(self._idle_wait, next_at - self._clock.now()))
            return self._leave()
        finally:
            self.close()

    @property
    def schedule(self) -> Schedule:
        """The one in force."""
        return schedule_of(self._config.polling)

    def step(self) -> int:
        """One pass; the instant (ms) at which the next is wanted."""
        return self._pass(None)

    def close(self) -> None:
        """Let the threads end."""
        if self._parts is not None:
            self._parts.pool.close()
        if self._drop is not None:
            self._drop.stop()

    def _put_in_order(self) -> None:
        """What a restart is for, and what may have happened while nobody was looking."""
        now = self._clock.now()
        with self._store.write():
            lane = lanes.get(self._store)
            if lane.reason in ("credentials", "unreachable"):
                # A restart is how people mend credentials and networks: do not sit out the rest of such a pause.
                lanes.put(self._store, lane._replace(resumes_at=now, probes=0))
            tasks.draw_in(self._store, now, now + 2 * self.schedule.max_interval)
            for code in ("reload_refused", "clock_jumped", "internal_fault"):
                notices.put(self._store, code, None, now)
            self._keep_learned(now)

    def _keep_learned(self, now: int) -> None:
        """What a later start is to know; inside a transaction."""
        if self._round is None or not self._round.keep_learned(now):
            learning.forget_first_wait(self._store)

    def _store_learned(self) -> None:
        try:
            with self._store.write():
                self._keep_learned(self._clock.now())
        except (StorageFailed, TryLater) as error:
            self._storage_fails(error)

    def _pass(self, cutoff: int | None) -> int:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        try:
            self._watch_clock(now, monotonic)
            next_at = now + LONGEST_WAIT if self._round is None else self._round.run(now, monotonic, due_by=cutoff)
            self._beat(now)
        except (StorageFailed, TryLater) as error:
            if self._mode == "once":
                raise
            self._storage_fails(error)
            next_at = now + RETRY
        except Exception as error:
            if self._mode == "once":
                raise
            self._fault(error, now)
            next_at = now + RETRY
        else:
            self._recovered()
        if self._watchdog is not None:
            self._notify.send("WATCHDOG=1")
        return next_at

    def _fault(self, error: Exception, now: int) -> None:
        """Something of ours is broken. Whatever else works goes on, and a person is told once."""
        place = f"{type(error).__name__} at {place_of(error)}"
        if self._trouble != place:
            self._trouble = place
            self._log.error("a fault in cdpoll itself", place=place)
        self._raise_notice("internal_fault", f"a fault in cdpoll itself, {place}: please report that line", now)

    def _recovered(self) -> None:
        if self._trouble == STORAGE:
            self._log.info("the database can be written again")
        self._trouble = None

    def _raise_notice(self, code: str, detail: str | None, now: int) -> None:
        """Have `status` say it (``None``: no longer), as soon as the database can be written."""
        self._notices[code] = detail
        try:
            self._beat(now, at_once=True)
        except (StorageFailed, TryLater) as error:
            self._storage_fails(error)

    def _watch_clock(self, now: int, monotonic: int) -> None:
        """Somebody set the clock, or the machine slept: due times and lives are on the old one."""
        jumped = (now - self._clocks[0]) - (monotonic - self._clocks[1])
        if abs(jumped) > JUMP:
            by = words(round(abs(jumped), -3))
            way = "forward" if jumped > 0 else "back"
            with self._store.write():
                tasks.shift(self._store, jumped)
                if jumped < 0:
                    lanes.shift(self._store, jumped)
            self._log.warning("the clock jumped", way=way, by=by)
            self._notices["clock_jumped"] = f"the clock was set {way} by {by}: is time kept by NTP? (said for a day)"
        self._clocks = (now, monotonic)

    def _storage_fails(self, error: CdpollError) -> None:
        if self._trouble != STORAGE:
            self._trouble = STORAGE
            self._log.error("the database cannot be written; what was heard is kept and tried again", hint=error.hint)
        self._notify.send(f"STATUS=cannot write the database: {error.message}")

    def _beat(self, now: int, *, at_once: bool = False) -> None:
        if self._beat_at is not None and 0 <= now - self._beat_at < BEAT_EVERY and not (at_once or self._notices):
            return
        with self._store.write():
            lanes.beat(
                self._store,
                pid=os.getpid(),
                version=__version__,
                started_at=self._started_at,
                now=now,
                token_expires_at=None if self._parts is None else self._parts.tokens.expires_at,
            )
            for code, detail in self._notices.items():
                notices.put(self._store, code, detail, now)
            notices.clear_older(self._store, "clock_jumped", now - DAY)
            notices.clear_older(self._store, "files_lost", now - 7 * DAY)
        self._notices.clear()
        if self._drop is None:
            derive_missing(self._store, DERIVED_PER_BEAT)  # else the drop's thread does it
        ready = ["READY=1"] if self._beat_at is None else []
        self._beat_at = now
        self._notify.send(*ready, f"STATUS={look.one_line(self._store, now)}")

    def _reload_configuration(self) -> None:
        """SIGHUP. A configuration that cannot be used changes nothing, and is said."""
        self._signals.reload.clear()
        self._notify.send("RELOADING=1", f"MONOTONIC_USEC={self._clock.monotonic() * 1000}")
        now = self._clock.now()
        try:
            if self._reload is None:
                raise BadConfiguration("this run does not reload")
            config = self._reload()
            if config.store != self._config.store:
                raise BadConfiguration("[store] cannot change while the daemon runs", "restart it instead")
            if config.api is None and config.sftp is None:
                config.require_api()
            drop = None if config.sftp is None else rules_of(config.sftp)
            parts = assemble(config, self._signals)
            if parts is not None:
                self._check_origin(parts)
        except BadConfiguration as error:
            first = error.message.splitlines()[0]
            self._log.error("reload refused; the configuration in force stays", mistake=first)
            self._raise_notice("reload_refused", f"the old configuration stays in force: {first}", now)
        else:
            self._drain()
            self._store_learned()
            self.close()
            if config.log != self._config.log:
                self._log = make_log(config.log.format, config.log.level, self._clock)
            self._config = config
            self._adopt(parts)
            self._store_learned()
            self._start_drop(drop)
            self._log.info("reloaded")
            self._raise_notice("reload_refused", None, now)
        self._notify.send("READY=1")

    def _check_origin(self, parts: Parts) -> None:
        try:
            lanes.bind_origin(self._store, parts.origin)
        except BadConfiguration:
            parts.pool.close()
            raise

    def _finished(self, cutoff: int | None) -> bool:
        if self._mode == "forever" or (self._drop is not None and not self._drop.over):
            return False
        if self._round is None:
            return True
        if self._round.busy:
            return False
        if self._mode == "until-idle":
            return look.pending(self._store) == 0
        if self._round.lane.paused or self._round.out_of_budget(self._clock.now()):
            return True
        if self._round.only is not None:
            # What somebody else has concluded or abandoned meanwhile is not waited for.
            self._round.only = tasks.pending_among(self._store, self._round.only)
            return not self._round.only
        return look.pending(self._store, cutoff) == 0

    def _drain(self) -> None:
        """Wait for what is in the air, and save it. Nothing new is sent."""
        if self._round is None:
            return
        until = self._clock.monotonic() + self._round.terms.deadline + 1000
        while self._round.busy and self._clock.monotonic() < until:
            self._signals.wake.clear()
            try:
                self._round.run(self._clock.now(), self._clock.monotonic(), claim=False)
            except (StorageFailed, TryLater) as error:
                self._storage_fails(error)  # what was heard is kept, and tried again while there is time
            if self._round.busy:
                self._clock.wait(self._signals.wake, 200)

    def _leave(self) -> int:
        self._notify.send("STOPPING=1")
        self._drain()
        try:
            with self._store.write():
                self._keep_learned(self._clock.now())
                lanes.stopped(self._store, self._clock.now())
        except (StorageFailed, TryLater) as error:
            self._storage_fails(error)
        self._log.info("stopped")
        if self._mode == "once":
            return self._exit_of_once()
        if self._mode == "until-idle" and look.pending(self._store):
            return 75
        return 0

    def _exit_of_once(self) -> int:
        if self._round is not None and self._round.lane.reason is not None:
            return PAUSE_EXIT[self._round.lane.reason]
        if self._signals.stop.is_set():
            return 75
        now = self._clock.now()
        if self._round is not None and self._round.out_of_budget(now) and look.pending(self._store, now):
            return 75
        if self._round is not None and self._round.unreachable and not self._round.usable:
            return 69
        return 0 if self._drop is None else self._drop.exit_code
