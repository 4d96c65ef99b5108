"""The loop: pass, wait, pass. It runs a list of lanes: one in this thread, the others in threads of their own.

The main thread does signals, beats, notices and the poll lane. It waits for an event, never sleeps, and never longer
than a minute, so that a jump of the clock does little harm. The work of a pass stands in worker/rounds.
"""

from worker.build import VERSION
from worker.clock import Clock
from worker.config import Config
from worker.config.polling import grace_of, schedule_of
from worker.core.errors import MovedAway, NewerSchema, StorageFailed, TryLater
from worker.core.exit_code import ExitCode
from worker.core.instant import words
from worker.core.problems import problem
from worker.core.schedule.cadence import Schedule
from worker.daemon.beats import EVERY_MS as BEAT_EVERY_MS
from worker.daemon.beats import SHOWN_EVERY_MS, Beats
from worker.daemon.callback_watch import Awaited, CallbackWatch
from worker.daemon.clock_jumps import LEEWAY_MS, ClockJumps
from worker.daemon.lane import Lane, Surroundings
from worker.daemon.lane_thread import LONGEST_WAIT_MS, RETRY_MS, LaneThread
from worker.daemon.main_thread import MainThread
from worker.daemon.notices import Notices
from worker.daemon.orders import Orders
from worker.daemon.poll_lane import PollLane
from worker.daemon.problem_watch import ProblemWatch
from worker.daemon.reload import Assembled, put_together, read_anew
from worker.daemon.summary import SummaryWriter
from worker.daemon.watchdog import StepTimer
from worker.gateways.signals import Signals
from worker.rounds.log_lines import Log
from worker.store.db.store import Store
from worker.store.state import api, daemon, logins, notices
from worker.store.tasks import mending, tallies, verifying
from worker.store.tasks import polling as tasks

SHORTEST_IDLE_WAIT_MS = 50
DRAIN_WAIT_MS = 200

# How long no daemon may have run: what is older than this (and the longest wait) at a start has a wrong clock.
LONGEST_REST_MS = 7 * 86_400_000

MAIN = "poll"

# What this daemon tells of itself; what an earlier run has told is over.
OWN_NOTICES = ("reload_refused", "clock_jumped", "internal_fault", "lane_stuck", "damaged_text", "daemon_name_taken")

# How long the threads of the lanes have to end. A connection is cut at once; reading a file takes longer.
ENDING_MS = 40_000


class Loop:
    """One run of the daemon; :meth:`run` gives its exit code."""

    def __init__(self, config: Config, orders: Orders, clock: Clock, signals: Signals, store: Store, log: Log) -> None:
        self._orders = orders
        self._clock = clock
        self._signals = signals
        self._store = store
        now = self._began_at = store.now(clock)
        self._notices = Notices()
        self._main = MainThread(clock, signals, store, log, self._notices)
        self._notify, self._faults, self._watchdog = self._main.notify, self._main.faults, self._main.watchdog
        self._beats = Beats(store, self._notify, self._notices, now)
        self._problems = ProblemWatch(store, log, once=orders.once)
        self._for_all = SummaryWriter(store, now)
        self._paused: str | None = None
        self._stepped_at = (now, clock.monotonic())
        self._jumps = ClockJumps(store, now, clock.monotonic())
        self._callbacks = CallbackWatch(store)
        self._timer = StepTimer(MAIN)
        self._poll: PollLane | None = None
        self._adopt(put_together(config, orders, signals, store, clock))

    @property
    def schedule(self) -> Schedule:
        """The one in force."""
        return schedule_of(self._config)

    @property
    def _awaited(self) -> Awaited:
        configured = self._config.callback is not None
        return Awaited(configured, grace_of(self._config), self.schedule.cadence.first)

    @property
    def _lanes(self) -> list[Lane | LaneThread]:
        return [*([] if self._poll is None else [self._poll]), *self._main.threads]

    def _adopt(self, found: Assembled) -> None:
        """Make the lanes. Their threads are not started yet."""
        self._config = found.config
        self._poll = None
        if found.parts is not None:
            around = Surroundings(self._clock, self._main.log, self._signals.stop, self._orders.once)
            now = self._store.now(self._clock)
            self._poll = PollLane(found.parts, self._store, self._orders, around, now, self._for_all.measures)
        # While nothing is due: how soon a task recorded by another process must be noticed, and the next beat is due.
        self._idle_wait_ms = min(BEAT_EVERY_MS, max(SHORTEST_IDLE_WAIT_MS, self.schedule.cadence.first // 4))
        if self._watchdog.interval is not None:
            self._idle_wait_ms = min(self._idle_wait_ms, self._watchdog.interval // 3)
        self._main.make_threads(found.plans, found.config, once=self._orders.once)

    def run(self) -> int:
        """The loop, and the way out of it."""
        try:
            self._put_in_order()
            self._main.log.info("started", version=VERSION, mode=self._orders.mode, database=self._store.name)
            self._main.start_threads()
            if not self._main.run(self._turn, self._rest, self._reload, self._all_idle):
                return ExitCode.STORAGE
            return self._leave()
        finally:
            self.close()

    def _turn(self) -> int:
        next_at = self.step()
        now, monotonic = self._stepped_at  # to ask a server for the time takes a round trip
        return min(self._idle_wait_ms, next_at - now - (self._clock.monotonic() - monotonic))

    def _all_idle(self) -> bool:
        return self._orders.once and all(lane.idle for lane in self._lanes)

    def _rest(self, wait_ms: int) -> None:
        """Wait for that long, or until something wakes the loop; the beat file says meanwhile that the daemon lives."""
        while wait_ms > SHOWN_EVERY_MS and not self._clock.wait(self._signals.wake, SHOWN_EVERY_MS):
            wait_ms -= SHOWN_EVERY_MS
            self._beats.show(self._store.now(self._clock))
        self._clock.wait(self._signals.wake, wait_ms)

    def step(self) -> int:
        """One pass; the instant (ms) at which the next is wanted."""
        now, monotonic = self._stepped_at = self._store.now(self._clock), self._clock.monotonic()
        next_at, new = now + LONGEST_WAIT_MS, False
        self._beats.well = False
        self._watchdog.check([thread.timer for thread in self._main.threads], monotonic)
        try:
            self._watch_clock(now, monotonic)
            # Of several daemons one does it: where they are configured differently, two would contradict each other.
            more = self._problems.leads and self._callbacks.look(self._awaited, now, self._main.log)
            if self._poll is not None:
                self._timer.begin(monotonic, self._poll.bound_ms)
                next_at = self._poll.run(now)
                if self._poll.brought:
                    self._call_after_polls()
            next_at = now if more else next_at
            self._faults.tell_damage(self._store)
            new = self._notices.waiting
            self._beat(now)
        except Exception as error:
            if self._orders.mode == "once" or isinstance(error, NewerSchema | MovedAway):
                raise
            next_at = now + RETRY_MS
            if isinstance(error, StorageFailed | TryLater):
                self._faults.storage_fails(error, now)
            else:
                # The other lanes go on, and a person is told once. What is written now shows whether it can be.
                self._faults.storage_well()
                self._faults.caught(MAIN, "a fault in cdpoll itself", error)
                self._tell_at_once(now)
        else:
            self._faults.well(MAIN)
            self._faults.storage_well()
        self._look_for_problems(now, at_once=new)
        self._watchdog.check([self._timer, *(thread.timer for thread in self._main.threads)], self._clock.monotonic())
        self._timer.end()
        self._watchdog.feed()
        return next_at

    def _storage_fails(self, error: StorageFailed | TryLater) -> None:
        self._faults.storage_fails(error, self._store.now(self._clock))

    def close(self) -> None:
        """Let the threads end."""
        self._main.end_threads(ENDING_MS)
        if self._poll is not None:
            self._poll.close()

    def _call_after_polls(self) -> None:
        for thread in self._main.threads:
            if thread.plan.after_polls:
                thread.call()

    def _put_in_order(self) -> None:
        """At the start: end old pauses, mend due times that a set clock has left, and clear old notices."""
        now = self._store.now(self._clock)
        mended = mending.mend(self._store, now)
        if mended:
            self._main.log.error(mending.MENDED, tasks=mended)
        earliest = now - LONGEST_REST_MS - 2 * self.schedule.max_interval
        tasks.begin_strange(self._store, tasks.Strange(earliest, now + LEEWAY_MS), now)
        with self._store.write():
            shared = api.get(self._store)
            if shared.breaker.reason in ("credentials", "unreachable"):
                # People restart the daemon after they have mended credentials or the network: test the API at once.
                probes = shared.breaker.probes if daemon.others_live(self._store, now) else 0
                breaker = shared.breaker._replace(resumes_at=now, probes=probes)
                api.put(self._store, shared._replace(breaker=breaker))
            latest = now + 2 * self.schedule.max_interval
            tasks.draw_in(self._store, now, latest + self.schedule.callback_grace)
            verifying.draw_in(self._store, now, latest)
            for code in OWN_NOTICES:
                notices.put(self._store, code, None, now, own=True)
            self._keep_learned()
        self._problems.lead(now)

    def _keep_learned(self) -> None:
        """Store what a later start needs; inside a transaction."""
        if self._poll is None:
            if not daemon.others_live(self._store, self._store.now(self._clock)):
                api.forget_first_wait(self._store)
        else:
            self._poll.keep_learned()

    def _store_learned(self, *, log_in: bool = False) -> None:
        """``log_in``: after a refused login at the SFTP server a person may have mended what was wrong: try at once."""
        try:
            with self._store.write():
                self._keep_learned()
                if log_in:
                    logins.at_once(self._store)
        except (StorageFailed, TryLater) as error:
            self._storage_fails(error)

    def _watch_clock(self, now: int, monotonic: int) -> None:
        jump = self._jumps.watch(now, monotonic)
        if jump is not None:
            self._main.log.warning("the clock jumped", way=jump.way, by=jump.by)
            self._notices.put("clock_jumped", problem("clock_jumped", way=jump.way, by=jump.by).hint)

    def _beat(self, now: int) -> None:
        self._beats.beat(now, None if self._poll is None else self._poll.parts.tokens.expires_at)

    def _look_for_problems(self, now: int, *, at_once: bool) -> None:
        """A pause that begins or ends is told at once, anything else with the next beat."""
        before, self._paused = self._paused, None if self._poll is None else self._poll.paused
        failed, at_once = self._faults.unwritable, at_once or before != self._paused
        try:
            if self._problems.look(self._config, now, failed, at_once=at_once):
                self._for_all.write(self._config, now, self._problems.shown)
        except Exception as error:
            if self._orders.mode == "once":
                raise
            # Who looks must not end who polls.
            self._faults.caught("problems", "looking for problems failed", error)
        else:
            self._faults.well("problems")
        self._beats.worst, self._beats.unwritable = self._problems.worst, failed
        self._beats.show(now)

    def _tell_at_once(self, now: int) -> None:
        """Write the notices now, if the database can be written; else the next pass does it."""
        try:
            self._beat(now)
        except (StorageFailed, TryLater) as error:
            self._storage_fails(error)

    def _reload(self) -> None:
        self._main.reload(self._change)
        self._tell_at_once(self._store.now(self._clock))
        self._notify.send("READY=1")

    def _change(self) -> None:
        found = read_anew(self._config, self._orders, self._signals, self._store, self._clock)
        self._drain()
        self._store_learned()
        self.close()
        self._main.take_log(found.config, self._config)
        self._problems.log = self._main.log
        self._adopt(found)
        self._store_learned(log_in=True)
        self._main.start_threads()
        self._main.log.info("reloaded")

    def _drain(self) -> None:
        """Wait for the requests under way, and save their replies. Send nothing new."""
        if self._poll is None:
            return
        until = self._clock.monotonic() + self._poll.drain_ms
        while self._poll.busy and self._clock.monotonic() < until:
            self._watchdog.feed()
            self._signals.wake.clear()
            try:
                self._poll.collect(self._store.now(self._clock))
            except (StorageFailed, TryLater) as error:
                self._storage_fails(error)  # the replies are kept, and saved later while there is time
            if self._poll.busy:
                self._clock.wait(self._signals.wake, DRAIN_WAIT_MS)
        self._poll.tell_last(self._store.now(self._clock))

    def _leave(self) -> int:
        self._notify.send("STOPPING=1")
        self._drain()
        if self._orders.once:
            self._look_for_problems(self._store.now(self._clock), at_once=True)  # what this run has met
        try:
            with self._store.write():
                now = self._store.now(self._clock)
                self._keep_learned()
                self._problems.let_go()
                self._beats.stopped(now)
        except (StorageFailed, TryLater) as error:
            event = "the end could not be saved; what was heard and not saved is asked for again after the next start"
            self._main.log.error(event, error=error.message, hint=error.hint)
        self._for_all.write(self._config, self._store.now(self._clock), self._problems.shown, stopped=True)
        exit_code = self._exit_code()
        self._main.log.info("stopped", **(self._summary() if self._orders.once else {}))
        return exit_code

    def _summary(self) -> dict[str, object]:
        """Of a run that ends by itself: what it did, and what remains."""
        done = {} if self._poll is None else self._poll.summary()
        return {**done, "took": words(max(0, self._store.now(self._clock) - self._began_at))}

    def _exit_code(self) -> int:
        if self._signals.interrupted:
            return ExitCode.INTERRUPTED
        if self._orders.mode == "once":
            stopped = ExitCode.TRY_LATER if self._signals.stop.is_set() else 0
            return next((code for lane in self._lanes if (code := lane.exit_code)), stopped)
        if self._orders.mode == "until-idle" and tallies.by_state(self._store)["pending"]:
            return ExitCode.TRY_LATER
        return 0
