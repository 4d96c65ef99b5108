"""The lane that polls. It is the main thread's: its decisions are short, and the waiting is done by the pool."""

from worker.core.callback_lane import DEFAULT_GRACE_MS
from worker.core.exit_code import ExitCode
from worker.core.measures import Measures
from worker.core.poll_errors import cure_of, in_words
from worker.daemon.assembly import Parts
from worker.daemon.lane import Surroundings
from worker.daemon.orders import Orders
from worker.rounds.poll import learning
from worker.rounds.poll.poll import PollRound
from worker.store.db.store import Store
from worker.store.tasks import polling as tasks
from worker.store.tasks import tallies, verifying

# The exit code of `--once` when a pause ended the pass, by the pause's reason.
PAUSE_EXIT = {
    "credentials": ExitCode.CREDENTIALS,
    "unreachable": ExitCode.UNREACHABLE,
    "rate_limited": ExitCode.TRY_LATER,
}

# A request under way may last this much longer than its deadline until its thread notices.
GRACE_MS = 1_000


class PollLane:
    """A step of the lane is a pass of the poll round."""

    # A pass saves and claims at most a few hundred rows, and waits at most 5 s for the database.
    bound_ms = 60_000

    def __init__(
        self, parts: Parts, store: Store, orders: Orders, around: Surroundings, now: int, measures: Measures
    ) -> None:
        """``now`` is ms."""
        self.parts = parts
        self.brought = False
        """Whether the last step heard something of a task."""
        self._store = store
        self._orders = orders
        self._around = around
        self._round = PollRound(store, parts.pool, parts.rules, around.log, now, measures)
        self._round.only = orders.only
        self._now = now
        self._learned_at: int | None = None
        # `--once` polls what was due when it began: other processes may keep recording.
        self._cutoff: int | None = None

    def run(self, now: int) -> int:
        if self._orders.mode == "once" and self._cutoff is None:
            self._cutoff = now
        return self._pass(now, claim=True)

    def collect(self, now: int) -> None:
        """Save the replies that came, and send nothing new."""
        self._pass(now, claim=False)

    def _pass(self, now: int, *, claim: bool) -> int:
        self._now, heard = now, self._round.own.usable
        if claim:
            self._learn(now)
        next_at = self._round.run(now, self._around.clock.monotonic(), due_by=self._cutoff, claim=claim)
        self.brought = self._round.own.usable > heard
        return next_at

    def _learn(self, now: int) -> None:
        """From callbacks, every 15 s, or with each pass until all is learned."""
        if self._learned_at is not None and 0 <= now - self._learned_at < learning.EVERY_MS:
            return
        grace_ms = self._round.rules.schedule.callback_grace or DEFAULT_GRACE_MS
        if not learning.learn_from_callbacks(self._store, self._round.planner, grace_ms):
            self._learned_at = now

    @property
    def busy(self) -> bool:
        """Whether requests are under way, or replies not saved yet."""
        return self._round.busy

    @property
    def paused(self) -> str | None:
        """Why the API is paused, in a word."""
        return self._round.shared.breaker.reason

    @property
    def drain_ms(self) -> int:
        """How long the requests under way may take."""
        return self._round.rules.deadline_ms + GRACE_MS

    def keep_learned(self) -> None:
        """Store what was learned, inside a transaction."""
        self._round.keep_learned()

    def tell_last(self, now: int) -> None:
        """Log what was held back: no step follows."""
        self._round.tell_last(now)

    def summary(self) -> dict[str, object]:
        """What was done, and what remains."""
        paused = self._round.shared.breaker.code
        return {
            "polls": self._round.polls,
            "concluded": self._round.concluded,
            "still_pending": tallies.by_state(self._store)["pending"],
            **({} if paused is None else {"api_paused": paused, "cause": in_words(paused), "cure": cure_of(paused)}),
        }

    @property
    def idle(self) -> bool:
        if self._round.busy:
            return False
        if self._orders.mode != "once":
            return tallies.by_state(self._store)["pending"] == 0
        if self._round.shared.breaker.paused or self._round.out_of_budget(self._now):
            return True
        if self._round.own.suspicion.open:
            return False  # one more request tells whether the refusal was about us
        if self._round.only is not None:
            # Do not wait for tasks that another process has concluded or abandoned.
            self._round.only = tasks.waiting_among(self._store, self._round.only)
            return not self._round.only
        by = self._now if self._cutoff is None else self._cutoff
        verify_at = verifying.next_due(self._store)
        return tallies.due(self._store, by) == 0 and (verify_at is None or verify_at > by)

    @property
    def exit_code(self) -> int:
        waits = self._round.polls or tallies.due(self._store, self._now)
        if self._round.shared.breaker.reason is not None and waits:
            return PAUSE_EXIT[self._round.shared.breaker.reason]
        if self._around.stop.is_set():
            return ExitCode.TRY_LATER
        if self._round.out_of_budget(self._now) and tallies.due(self._store, self._now):
            return ExitCode.TRY_LATER
        return 69 if self._round.own.unreachable and not self._round.own.usable else 0

    def close(self) -> None:
        self.parts.pool.close()
