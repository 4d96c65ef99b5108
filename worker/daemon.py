"""The daemon: wiring, signals, waiting. What is done in a pass stands in worker/rounds.

One main thread owns the store and every decision; the pool's threads only ask. The loop waits for an event, never
sleeps, and never longer than a minute, so that a jump of the clock does little harm.
"""

import contextlib
import os
import resource
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from worker import __version__
from worker.clock import Clock
from worker.config import Config
from worker.config.terms import limit_of, schedule_of
from worker.core.errors import CdpollError, StorageFailed, TryLater
from worker.core.lane import NO_TASK
from worker.core.reply import Reply
from worker.gateways.api import Api, ApiSettings
from worker.gateways.pool import Job, Pool
from worker.gateways.systemd import Notify, watchdog_interval
from worker.gateways.token import Tokens, TokenSettings
from worker.gateways.wire import Wire, tls_context
from worker.log import make_log
from worker.rounds.poll import Log, PollRound, Terms
from worker.store import lanes, look
from worker.store.db import Store
from worker.store.lock import DaemonLock

Mode = Literal["forever", "once", "until-idle"]

LONGEST_WAIT = 60_000
BEAT_EVERY = 15_000
STORAGE_RETRY = 5_000

# What `--once` says of a pass that a pause ended, by the pause's reason.
PAUSE_EXIT = {"credentials": 77, "unreachable": 69, "rate_limited": 75}


def run(config: Config, mode: Mode, clock: Clock) -> int:
    """Poll until told to stop, or as ``mode`` says; the exit code. Raises CdpollError for what prevents a start."""
    # A core file would hold patient data and the token. (The unit's LimitCORE=0 says so too, and forbids this call.)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    stop = Stop()
    stop.listen()
    log = make_log(config.log.format, config.log.level, clock)
    with Store(config.store.path, config.store.journal, timeout=5.0) as store:
        lock = DaemonLock(store.path)
        try:
            return Daemon(config, mode, clock, stop, store, log).run()
        finally:
            lock.release()


class Stop:
    """SIGTERM and SIGINT: the first asks the loop to drain and end, the second ends the process at once.

    The signals are blocked in every thread and awaited in one: a handler that sets an Event may run inside that very
    Event's own lock.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.wake = threading.Event()  # something happened: a reply came, or a signal
        self.asked = threading.Event()

    def listen(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def _listen(self) -> None:
        signal.sigwait(self.SIGNALS)
        self.asked.set()
        self.wake.set()
        number = signal.sigwait(self.SIGNALS)
        os._exit(128 + number)  # every lease falls due again by itself; nothing is lost


class Daemon:
    """One run of the loop."""

    def __init__(self, config: Config, mode: Mode, clock: Clock, stop: Stop, store: Store, log: Log) -> None:
        api = config.require_api()
        self._mode = mode
        self._clock = clock
        self._stop = stop
        self._store = store
        self._log = log
        self._notify = Notify()
        self._watchdog = watchdog_interval()
        self._started_at = clock.now()
        self._beat_at = 0
        self._trouble: str | None = None
        lanes.bind_origin(store, api.origin)
        # Resolved here once, so that a missing secret is an error of the start and not of the first look.
        api.client_id.reveal()
        api.client_secret.reveal()
        schedule = schedule_of(config.polling)
        as_form = api.token_body == "form"  # noqa: S105 - the name of a key, no password
        settings = TokenSettings(api.token_url, api.client_id.reveal, api.client_secret.reveal, api.scope, as_form)
        self._tokens = Tokens(settings, stop.asked)
        tls = tls_context(None if api.ca_file is None else str(api.ca_file))
        proxy = None if api.proxy is None else api.proxy.reveal()
        pool = Pool(
            config.polling.max_in_flight,
            lambda: Wire(tls, api.timeout_ms, proxy),
            _asker(Api(ApiSettings(api.base_url, api.tenant_id), self._tokens)),
            stop.wake.set,
        )
        self._pool = pool
        self._round = PollRound(store, pool, Terms(schedule, limit_of(config.polling), api.timeout_ms), log)
        # While nothing is due: how soon a task recorded by another process must be noticed.
        self._idle_wait = min(LONGEST_WAIT, max(50, schedule.cadence.first // 4))
        if self._watchdog is not None:
            self._idle_wait = min(self._idle_wait, self._watchdog // 3)

    def run(self) -> int:
        """The loop, and the way out of it."""
        self._probe_at_once()
        self._log.info("started", version=__version__, mode=self._mode, database=str(self._store.path))
        cutoff = self._clock.now() if self._mode == "once" else None
        try:
            while True:
                self._stop.wake.clear()
                next_at = self._pass(cutoff)
                if self._stop.asked.is_set() or self._finished(cutoff):
                    break
                self._clock.wait(self._stop.wake, min(self._idle_wait, next_at - self._clock.now()))
            return self._leave()
        finally:
            self._pool.close()

    def _probe_at_once(self) -> None:
        """A restart is how people mend credentials and networks: do not sit out the rest of such a pause."""
        with self._store.write():
            lane = lanes.get(self._store)
            if lane.reason in ("credentials", "unreachable"):
                lanes.put(self._store, replace(lane, resumes_at=self._clock.now(), probes=0))

    def _pass(self, cutoff: int | None) -> int:
        now = self._clock.now()
        try:
            next_at = self._round.run(now, self._clock.monotonic(), due_by=cutoff)
            self._beat(now)
        except (StorageFailed, TryLater) as error:
            if self._mode == "once":
                raise
            self._storage_trouble(error)
            next_at = now + STORAGE_RETRY
        else:
            if self._trouble is not None:
                self._log.info("the database can be written again")
                self._trouble = None
        if self._watchdog is not None:
            self._notify.send("WATCHDOG=1")
        return next_at

    def _storage_trouble(self, error: CdpollError) -> None:
        if self._trouble != type(error).__name__:
            self._trouble = type(error).__name__
            self._log.error(
                "the database cannot be written; what was heard is kept and tried again", error=self._trouble
            )
        self._notify.send(f"STATUS=cannot write the database: {error.message}")

    def _beat(self, now: int) -> None:
        if 0 <= now - self._beat_at < BEAT_EVERY:
            return
        with self._store.write():
            lanes.beat(
                self._store,
                pid=os.getpid(),
                version=__version__,
                started_at=self._started_at,
                now=now,
                token_expires_at=self._tokens.expires_at,
            )
        first = self._beat_at == 0
        self._beat_at = now
        self._notify.send(*(["READY=1"] if first else []), f"STATUS={look.one_line(self._store, now)}")

    def _finished(self, cutoff: int | None) -> bool:
        if self._mode == "forever" or self._round.busy:
            return False
        if self._mode == "until-idle":
            return look.pending(self._store) == 0
        return self._round.lane.paused or look.pending(self._store, due_by=cutoff) == 0

    def _leave(self) -> int:
        """Drain: wait for what is in the air, save it, say goodbye."""
        self._notify.send("STOPPING=1")
        until = self._clock.monotonic() + self._round.terms.deadline + 1000
        while self._round.busy and self._clock.monotonic() < until:
            self._stop.wake.clear()
            self._round.run(self._clock.now(), self._clock.monotonic(), claim=False)
            if self._round.busy:
                self._clock.wait(self._stop.wake, 200)
        with self._store.write():
            lanes.stopped(self._store, self._clock.now())
        self._log.info("stopped")
        if self._mode == "once":
            return self._exit_of_once()
        if self._mode == "until-idle" and look.pending(self._store):
            return 75
        return 0

    def _exit_of_once(self) -> int:
        if self._round.lane.reason is not None:
            return PAUSE_EXIT[self._round.lane.reason]
        if self._stop.asked.is_set():
            return 75
        return 69 if self._round.unreachable and not self._round.usable else 0


def _asker(api: Api) -> Callable[[Wire, Job], Reply]:
    def ask(wire: Wire, job: Job) -> Reply:
        return api.health(wire, job.asked_at) if job.seq == NO_TASK else api.look(wire, job.task_id, job.asked_at)

    return ask
