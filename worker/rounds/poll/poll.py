"""The poll pass: what was heard is judged and saved, what is due is claimed and sent off, in one commit.

::

    pool.collect() ──► rows, candidates ──► decide ──► write     one transaction
    pool.submit(), planner.learn(), log  ◄── committed ──┘

The pass decides (worker/core/pacing/decide.py), then writes. Nothing is sent before the lease is on the disk, and
nothing heard is lost: if the transaction fails, what was heard is kept here and tried again by the next pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.core.errors import CdpollError, DamagedRow, place_of
from worker.core.instant import FAR
from worker.core.measures import Measures
from worker.core.pacing.claiming import early_probe_at, may_send, recorded_in_pause
from worker.core.pacing.decide import Decision, Withdrawn, decide, floats
from worker.core.pacing.judge import NO_TASK, Finished
from worker.core.pacing.limiter import RateLimit, grant, spent_today
from worker.core.pacing.policy import Moment, Own, Planner, Policy
from worker.core.schedule.cadence import SLOW_MS, Schedule
from worker.core.schedule.fixed import FixedPlanner
from worker.core.schedule.learned import LearnedPlanner
from worker.core.vendor.reply import Concluded, Garbled
from worker.core.x12.embedded import Derived, derive
from worker.gateways.http.pool import Done, Job, Pool
from worker.rounds.conclusions import Conclusions
from worker.rounds.log_lines import Change, Log, LogLine, lines
from worker.rounds.poll import measuring, reading, writing
from worker.store.db.store import Store
from worker.store.state import api, curves
from worker.store.tasks import mending, tallies, verifying
from worker.store.tasks import polling as tasks

# How soon to come again after a request that has outlived its deadline.
CUT_AGAIN_MS = 200

# How soon to come again while jobs are handed out ahead, and how long a job may lie there: then its slot is lost.
AHEAD_AGAIN_MS = 50
STALE_JOB_MS = 500

# A lease is a little longer than a request can take, so that a row is not claimed twice while one is under way.
LEASE_MARGIN_MS = 5_000

# Of the concluded bodies of one pass, at most: their 271s are read in some 20 ms. Those of the others are read later.
READ_AT_ONCE_BYTES = 128 * 1024

# What is heard of a task whose reply breaks our own code.
BROKEN = Garbled("internal")


@dataclass(frozen=True, slots=True)
class PollRules:
    """What the pass works by: the schedule, the rate limit, and the total deadline of one request.

    ``delay_per_request_ms`` is the least one of the learned schedule; ``None``: the fixed one.
    """

    schedule: Schedule
    limit: RateLimit
    deadline_ms: int
    delay_per_request_ms: int | None = None

    @property
    def lease_ms(self) -> int:
        return self.deadline_ms + LEASE_MARGIN_MS

    def planner(self, store: Store) -> Planner:
        """The schedule, with the curves that are stored."""
        if self.delay_per_request_ms is None:
            return FixedPlanner(self.schedule)
        return LearnedPlanner(self.schedule, self.delay_per_request_ms, curves.load(store))


class PollRound:
    """Holds what is under way between two passes; everything else is in the database."""

    def __init__(
        self, store: Store, pool: Pool, rules: PollRules, log: Log, now: int, measures: Measures | None = None
    ) -> None:
        self._store = store
        self._pool = pool
        self.rules = rules
        self._measures = Measures() if measures is None else measures
        self._log = log
        self.planner = rules.planner(store)
        self._policy = Policy(rules.schedule, rules.limit, rules.lease_ms, self.planner)
        self._heard: list[Done] = []  # over, and not saved
        self._back: list[Job] = []  # taken back from the pool, and not released in the database
        self._failing: frozenset[int] = frozenset()  # rows under way whose last poll had failed
        self._conclusions = Conclusions()
        self.polls = self.concluded = 0  # so far
        self.own = Own(kept_at=now)
        self.shared = api.get(store)
        self.only: frozenset[int] | None = None  # rows to claim, for a pass over some tasks; claimed ones drop out

    def out_of_budget(self, now: int) -> bool:
        """Whether nothing more is asked before midnight."""
        daily = self.rules.limit.daily
        return daily is not None and spent_today(self.shared.limiter, now) >= daily

    @property
    def busy(self) -> bool:
        """Whether anything is under way, or heard or taken back and not saved."""
        return bool(self._heard or self._back or self._pool.out)

    def run(self, now: int, monotonic: int, *, due_by: int | None = None, claim: bool = True) -> int:
        """One pass; the instant (ms) at which the next is wanted, unless a reply wakes the caller before.

        ``due_by``: claim only what was due then (for one pass over a queue that keeps filling). ``claim=False``: only
        save what was heard, for the way out. Raises StorageFailed or TryLater with nothing lost.
        """
        try:
            return self._run(now, monotonic, due_by, claim=claim)
        except Exception as error:
            if not self._mended(error, now):
                raise
            return self._run(now, monotonic, due_by, claim=claim)

    def _run(self, now: int, monotonic: int, due_by: int | None, *, claim: bool) -> int:
        self._say(self._conclusions.lines((), now))
        self._pool.cut_overdue(monotonic)
        done = self._pool.collect(now - STALE_JOB_MS)
        measuring.came(self._measures, done, monotonic, self.rules.deadline_ms)
        self._heard += done
        probing = self._probing
        if not self._heard:  # else the transaction reads it
            # Other processes may have used the slots or paused the API: by the old state, one would come again at once.
            self.shared = api.get(self._store)
        rests = not claim or (self._probing and not probing)
        self._back += self._pool.withdraw(FAR if rests else now - STALE_JOB_MS)
        moment = self._moment(now, monotonic, due_by, claim=claim)
        if self._heard or self._back or moment.backlog is not None or self._can_claim(moment):
            self._pass_or_single_out(moment, monotonic)
        if self._back:
            # A pause has begun, and what no thread had begun was taken back.
            self._pass(self._moment(now, monotonic, due_by, claim=False), monotonic)
        return self._next(moment, monotonic, FAR if due_by is None else due_by) if claim else FAR

    def keep_learned(self) -> None:
        """Store what was learned, inside a transaction. Before the first pass, or after the last: nothing is told of
        the end of the transaction, and what was learned before it must not be stored twice."""
        curves.add(self._store, self.planner.since())
        shared = api.get(self._store)
        api.put(self._store, shared._replace(schedule=self.planner.refresh(shared.schedule)))

    @property
    def _probing(self) -> bool:
        return self.own.suspicion.open or self.shared.breaker.paused

    @property
    def _for_failing(self) -> int:
        """How many more tasks whose last poll failed may be polled: they take half of the threads, and one at least."""
        return max(1, self._pool.size // 2) - len(self._failing & self._pool.out)

    def _moment(self, now: int, monotonic: int, due_by: int | None, *, claim: bool) -> Moment:
        return Moment(
            now=now,
            due_by=now if due_by is None else min(due_by, now),
            free=max(0, self._pool.free) if claim else 0,
            under_way=self._pool.out,
            awaited=self._pool.in_time(monotonic),
            backlog=tallies.due_unfailed(self._store, now) if floats(self.shared.schedule, now) else None,
            for_failing=self._for_failing,
        )

    def _can_claim(self, moment: Moment) -> bool:
        """Whether anything would be claimed, as far as can be told without the write lock."""
        breaker, limiter, suspicion = self.shared.breaker, self.shared.limiter, self.own.suspicion
        if moment.free <= 0 or grant(self.rules.limit, limiter, moment.now, 1).slots == 0:
            return False
        if not may_send(breaker, suspicion, moment):
            early_at = self._early_at(moment.now)
            return early_at is not None and early_at <= moment.due_by and not moment.awaited
        if suspicion.open:
            return True
        due_at = self._next_due()
        return due_at is not None and due_at <= moment.due_by

    def _pass_or_single_out(self, moment: Moment, monotonic: int) -> None:
        """One pass over all that was heard. A reply that breaks our own code must not hold up the others."""
        try:
            self._pass(moment, monotonic)
        except CdpollError:
            raise
        except Exception:
            if not self._heard:
                raise  # no reply is to blame
            waiting, self._heard = self._heard, []
            for n, done in enumerate(waiting):
                try:
                    self._pass_alone(done, moment._replace(free=0, backlog=None), monotonic)
                except CdpollError:
                    self._heard = waiting[n:]
                    raise

    def _pass_alone(self, done: Done, moment: Moment, monotonic: int) -> None:
        """A pass over one reply. If it breaks our own code, that is a failure of its task, with the backoff of one."""
        self._heard = [done]
        try:
            self._pass(moment, monotonic)
        except CdpollError:
            raise
        except Exception as error:
            place = f"{type(error).__name__} at {place_of(error)}"
            self._log.error(
                "a fault in cdpoll itself: a reply was left out", task=done.job.task_id or None, place=place
            )
            self._heard = [done._replace(reply=BROKEN)]
            try:
                self._pass(moment, monotonic)
            except CdpollError:
                raise
            except Exception:
                self._heard = []  # its row breaks our code, too
                mending.put_off(self._store, done.job.seq, moment.now, SLOW_MS)

    def _pass(self, moment: Moment, monotonic: int) -> None:
        try:
            self._pass_once(moment, monotonic)
        except Exception as error:
            if not self._mended(error, moment.now):
                raise
            self._pass_once(moment, monotonic)

    def _mended(self, error: Exception, now: int) -> bool:
        """Whether damaged rows may have been the cause of ``error``, and are none any more."""
        if isinstance(error, CdpollError) and not isinstance(error, DamagedRow):
            return False
        mended = mending.mend(self._store, now)
        if mended:
            self._log.error(mending.MENDED, tasks=mended)
        return mended > 0

    def _pass_once(self, moment: Moment, monotonic: int) -> None:
        finished = [_finished(done) for done in self._heard]
        derived = _derived(self._heard)
        withdrawn = [Withdrawn(job.seq, job.asked_at) for job in self._back]
        with self._store.write():
            before = api.get(self._store)
            paused_total = before.breaker.paused_until_now(moment.now)
            heard = reading.collected(self._store, finished, withdrawn, self.own, paused_total)
            due = reading.candidates(self._store, self.own, before, moment, self.only)
            decision = decide(self._policy, self.own, before, heard, due, moment)
            if decision.wants_more:
                due = reading.candidates(self._store, self.own, before, moment, self.only, more=True)
                decision = decide(self._policy, self.own, before, heard, due, moment)
            leased_until = moment.now + self.rules.lease_ms
            changes = writing.write(self._store, decision.intents, moment.now, leased_until, derived)
            learned = None if decision.intents.since is None else curves.add(self._store, decision.intents.since)
            if decision.shared != before:
                api.put(self._store, decision.shared)
            if before.breaker.paused and not decision.shared.breaker.paused:
                api.note_pause(self._store, before.breaker, moment.now)
        if learned is not None:
            self.planner.kept(learned)
        self._committed(decision, changes, moment.now, monotonic)

    def _committed(self, decision: Decision, changes: Sequence[Change], now: int, monotonic: int) -> None:
        """What must not happen before the disk has it."""
        intents, probing = decision.intents, self._probing
        self.own, self.shared = decision.own, decision.shared
        if self.only is not None:
            self.only = (self.only | {job.seq for job in self._back}) - {task.seq for task in intents.claims}
        self._failing = (self._failing & self._pool.out) | {task.seq for task in intents.claims if task.failures}
        heard, self._heard = self._heard, []
        self.polls += sum(done.job.seq != NO_TASK for done in heard)
        self._back = self._pool.withdraw(FAR) if self._probing and not probing else []
        deadline = monotonic + self.rules.deadline_ms
        for task in intents.claims:
            self._pool.submit(Job(task.seq, task.id, now, deadline))
        if intents.health_check:
            self._pool.submit(Job(NO_TASK, "", now, deadline))
        self.planner.learn(intents.observations)
        ended = [one.new for one in changes if one.new.state == "concluded" and not one.revision]
        self.concluded += len(ended)
        measuring.saved(self._measures, heard, intents, {one.seq for one in ended}, now)
        self._say([*lines(changes), *self._conclusions.lines(ended, now)])

    def tell_last(self, now: int) -> None:
        """Log what was held back: no pass follows."""
        self._say(self._conclusions.lines((), now, last=True))

    def _say(self, lines: Sequence[LogLine]) -> None:
        for line in lines:
            getattr(self._log, line.level)(line.event, **line.fields)

    def _next_due(self) -> int | None:
        # While the API is probed, one that fails may be the only one there is.
        with_failures = self._probing or self._for_failing > 0
        found = [
            asked.next_due(self._store, self._pool.out, self.only, with_failures=with_failures)
            for asked in (tasks, verifying)
        ]
        return min((due_at for due_at in found if due_at is not None), default=None)

    def _early_at(self, now: int) -> int | None:
        """When a task that was recorded in the pause may be asked before the pause is over."""
        early_at = early_probe_at(self.shared.breaker, self.own)
        if early_at is None or self.only is not None:
            return None
        newest = tasks.newest(self._store, 0, now, reading.NEWEST_ROWS)
        due = [task.due_at for task in recorded_in_pause(self.shared.breaker, newest) if task.due_at is not None]
        return max(early_at, min(due)) if due else None

    def _next(self, moment: Moment, monotonic: int, cutoff: int) -> int:
        now, times = moment.now, [FAR]
        if self._conclusions.tells_at is not None:
            times.append(self._conclusions.tells_at)
        deadline = self._pool.next_deadline
        if deadline is not None:
            # A cut takes a moment to be felt, and some waits (for a name server) do not feel it: no reason to spin.
            times.append(now + (deadline - monotonic if deadline > monotonic else CUT_AGAIN_MS))
        if self._pool.waiting:
            times.append(now + AHEAD_AGAIN_MS)
        if self._pool.free > 0 and not (self._probing and self._pool.in_time(monotonic)):
            slot_at = grant(self.rules.limit, self.shared.limiter, now, 0).next_at
            due_at = now if self.own.suspicion.open else self._next_due()
            if due_at is not None and due_at <= cutoff:
                times.append(max(due_at, slot_at, self.shared.breaker.resumes_at or 0))
            early_at = self._early_at(now)
            if early_at is not None and early_at <= cutoff:
                times.append(max(early_at, slot_at))
        return min(times)


def _derived(heard: Sequence[Done]) -> dict[int, Derived]:
    """By row, what the 271s in concluded bodies say, as far as it is read before the transaction of the pass."""
    found: dict[int, Derived] = {}
    left = READ_AT_ONCE_BYTES
    for done in heard:
        if isinstance(done.reply, Concluded) and len(body := done.reply.document.body) <= left:
            found[done.job.seq] = derive(body)
            left -= len(body)
    return found


def _finished(done: Done) -> Finished:
    return Finished(done.job.seq, done.reply, done.job.asked_at, done.requests, done.status, done.trace_id)
