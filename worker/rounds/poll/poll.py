"""The poll round: what was heard is judged and saved, what is due is claimed and sent off, in one commit.

::

    pool.collect() ──► judge(lane, doubt, …) ──► after(task, reply, …) ──► save, result   ┐
                       is it about us?           what becomes of the task                 │ one transaction
    pool.submit()  ◄── grant(limit, …) ◄── claim(due) ◄──────────────────────────────────┘

Nothing is sent before the lease is on the disk, and nothing heard is forgotten: if the transaction fails, the replies
are kept here and saved by the next round, and nothing new is claimed until then.
"""

from dataclasses import dataclass

from worker.core.errors import CdpollError, place_of
from worker.core.instant import FAR
from worker.core.pacing.breaker import Lane
from worker.core.pacing.judge import CALM, NO_TASK, Doubt, Judgement, Verdict, judge, speaks, too_fast
from worker.core.pacing.limiter import Limit, charge, eased, grant, slowed, spent_today
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.learned import Learned
from worker.core.task import Task
from worker.core.vendor.reply import Unreachable
from worker.gateways.http.pool import Done, Job, Pool
from worker.rounds.log_edges import Change, Log, Pauses, Troubles
from worker.rounds.poll.claiming import Claiming
from worker.rounds.poll.pricing import Pricing
from worker.rounds.poll.saving import Asked, Saving
from worker.store.db.store import Store
from worker.store.state import lanes
from worker.store.state import learned as learning
from worker.store.tasks import polling as tasks

# A job, and the task it is about, if any.
Sent = tuple[Job, Asked | None]

# How soon to look again after a request that has outlived its deadline.
CUT_AGAIN = 200

# How soon to look again while jobs are handed out ahead, and how long a job may lie there: then its slot is lost.
HOT, STALE = 50, 500


@dataclass(frozen=True, slots=True)
class Terms:
    """What the round works by: the schedule, the rate limit, and the total deadline of one request in ms.

    ``price_floor`` (ms of waiting) is that of the learned schedule; ``None``: the written one.
    """

    schedule: Schedule
    limit: Limit
    deadline: int
    price_floor: int | None = None

    @property
    def lease(self) -> int:
        """A little more than a request can take, so that a row is not claimed twice while one is under way."""
        return self.deadline + 5_000


class PollRound:
    """Holds what is in the air between two passes; everything else is in the database."""

    def __init__(self, store: Store, pool: Pool, terms: Terms, log: Log, now: int) -> None:
        self._store = store
        self._pool = pool
        self.terms = terms
        self._log = log
        self._heard: list[Done] = []  # what is over and not saved
        self._back: list[Job] = []  # taken back from the pool, and not given back in the database
        self._asked: dict[int, Asked] = {}  # what is in the air, by row, as it was claimed
        self._doubt = CALM
        self._monotonic = 0
        self.lane = lanes.get(store)
        self._pauses = Pauses()
        self._troubles = Troubles(tasks.failing(store), now)
        self.learned: Learned | None = None
        if terms.price_floor is not None:
            self.learned = Learned(terms.schedule, terms.price_floor, learning.load(store))
        self._saving = Saving(store, terms.schedule, self.learned)
        self._claiming = Claiming(store, self.learned)
        self._pricing = None if self.learned is None else Pricing(store, self.learned, terms.limit, now)
        self.only: frozenset[int] | None = None  # rows to claim, for a pass over some tasks; claimed ones drop out
        self.usable = 0  # replies since the start that told something of a task
        self.unreachable = 0  # looks since the start that brought no whole answer

    def out_of_budget(self, now: int) -> bool:
        """Whether nothing more is asked before midnight."""
        daily = self.terms.limit.daily
        return daily is not None and spent_today(self.lane.meter, now) >= daily

    @property
    def busy(self) -> bool:
        """Whether anything is in the air, or heard or taken back and not saved."""
        return bool(self._heard or self._back or self._pool.out)

    def run(self, now: int, monotonic: int, *, due_by: int | None = None, claim: bool = True) -> int:
        """One pass; the instant (ms) at which the next is wanted, unless a reply wakes the caller before.

        ``due_by``: claim only what was due then (for one pass over a queue that keeps filling). ``claim=False``: only
        save what was heard, for the way out. Raises StorageFailed or TryLater with nothing lost.
        """
        self._monotonic = monotonic
        self._pool.cut_overdue(monotonic)
        self._heard += self._pool.collect(now - STALE)
        cutoff = FAR if due_by is None else due_by
        due_by = min(cutoff, now)
        if self._pricing is not None:
            self._pricing.float(self.lane, now)
        wanted = self._wanted(now, due_by) if claim else 0
        if self._heard or self._back or wanted or self._pool.waiting:
            self._transact_or_single_out(now, monotonic, due_by, wanted, claim=claim)
        return self._next(now, monotonic, cutoff) if claim else FAR

    def keep_learned(self, now: int) -> bool:
        """Store what was learned, inside a transaction; whether there is a schedule that learns."""
        if self._pricing is not None:
            self._pricing.keep(now)
        return self._pricing is not None

    def _transact_or_single_out(self, now: int, monotonic: int, due_by: int, wanted: int, *, claim: bool) -> None:
        """One transaction for all that was heard. A reply that breaks our own code must not hold up the others."""
        try:
            self._transact(now, monotonic, due_by, wanted, claim=claim)
        except CdpollError:
            raise
        except Exception:
            if not self._heard:
                raise  # no reply is to blame
            waiting, self._heard = self._heard, []
            for n, done in enumerate(waiting):
                self._heard = [done]
                try:
                    self._transact(now, monotonic, due_by, 0, claim=claim)
                except CdpollError:
                    self._heard = waiting[n:]
                    raise
                except Exception as error:
                    self._heard = []  # its lease runs out, and it is asked again
                    place = f"{type(error).__name__} at {place_of(error)}"
                    self._log.error(
                        "a fault in cdpoll itself: a reply was left out", task=done.job.task_id or None, place=place
                    )

    def _wanted(self, now: int, due_by: int) -> int:
        """How many tasks to claim, as far as can be told without the write lock."""
        free = self._pool.free
        # Another process may have used the slots or paused the API: who goes by the old state comes again at once.
        lane = self.lane = lanes.get(self._store)
        if free <= 0 or grant(self.terms.limit, lane.meter, now, 1).slots == 0:
            return 0
        if self._heard:
            return free
        if self._waits(lane, self._doubt, now):
            return 0
        if self._doubt.suspect is not None:
            return 1
        due_at = tasks.next_due(self._store, self._held(self._doubt, now), self.only)
        return free if due_at is not None and due_at <= due_by else 0

    def _waits(self, lane: Lane, doubt: Doubt, now: int) -> bool:
        """Whether nothing may be sent: a pause lasts, or a probe (or what left before it) is still in the air."""
        if lane.resumes_at is not None and now < lane.resumes_at:
            return True
        return (lane.paused or doubt.suspect is not None) and self._pool.in_time(self._monotonic)

    def _held(self, doubt: Doubt, now: int) -> frozenset[int]:
        """Rows not to be claimed, whatever their due time: in the air for longer than their lease, or suspects."""
        out = self._pool.out_since(now - self.terms.lease)
        return out if doubt.suspect is None else out | {doubt.suspect[0]}

    def _transact(self, now: int, monotonic: int, due_by: int, wanted: int, *, claim: bool) -> None:
        known = None if self.learned is None else self.learned.known
        try:
            with self._store.write():
                before = lane = lanes.get(self._store)
                doubt = self._doubt
                verdicts: list[Verdict] = []
                for done in self._heard:
                    judged = self._judge(lane, doubt, done, now)
                    lane, doubt = judged.lane, judged.doubt
                    verdicts += judged.verdicts
                changes = self._saving.save(verdicts, self._asked, lane, now)
                lane = self._take_back(lane, now, everything=lane.paused or doubt.suspect is not None or not claim)
                lane, jobs = self._claim(lane, doubt, now, monotonic, due_by, wanted)
                if self._pricing is not None:
                    self._pricing.keep_now_and_then(now)
                if lane != before:
                    lanes.put(self._store, lane)
        except BaseException:
            if known is not None and self.learned is not None:
                self.learned.go_back(known)
            raise
        self._committed(before, lane, doubt, changes, jobs, now)

    def _committed(
        self, before: Lane, lane: Lane, doubt: Doubt, changes: list[Change], jobs: list[Sent], now: int
    ) -> None:
        """What must not happen before the disk has it."""
        self.usable += sum(speaks(done.reply) for done in self._heard)
        self.unreachable += sum(isinstance(done.reply, Unreachable) for done in self._heard)
        for done in self._heard:
            self._asked.pop(done.job.seq, None)
        for job in self._back:
            self._asked.pop(job.seq, None)
        if self._pricing is not None:
            self._pricing.spent += len(jobs) - len(self._back)
        self._heard.clear()
        self._back.clear()
        self._doubt = doubt
        self.lane = lane
        if self.only is not None:
            self.only -= {job.seq for job, _ in jobs}
        for job, asked in jobs:
            if asked is not None:
                self._asked[job.seq] = asked
            self._pool.submit(job)
        for line in (*self._pauses.lines(before, lane, now), *self._troubles.lines(changes, now)):
            getattr(self._log, line.level)(line.event, **line.fields)

    def _judge(self, lane: Lane, doubt: Doubt, done: Done, now: int) -> Judgement:
        limit, meter = self.terms.limit, lane.meter
        if done.requests > 1:
            # A token or a repeat took requests that no slot was granted for: they are paid for now.
            meter = charge(limit, meter, done.requests - 1, now)
        if speaks(done.reply):
            meter = eased(meter, now)
        elif too_fast(done.reply) and not lane.paused:
            meter = slowed(limit, meter, done.job.asked_at, now)
        lane = lane if meter is lane.meter else lane._replace(meter=meter)
        return judge(lane, doubt, done.job.seq, done.reply, done.job.asked_at, now, self.terms.schedule)

    def _take_back(self, lane: Lane, now: int, *, everything: bool) -> Lane:
        """Jobs handed out ahead that nobody has begun: all of them when the API rests, else those that got stale.

        Their tasks are due again as they were, and no request was made: only the moment of the slot is lost.
        """
        self._back += self._pool.withdraw(FAR if everything else now - STALE)
        if not self._back:
            return lane
        back = [self._asked[job.seq] for job in self._back if job.seq in self._asked]
        tasks.release(self._store, back)
        if self.only is not None:
            self.only |= {asked.task.seq for asked in back}
        meter = lane.meter
        return lane._replace(meter=meter._replace(spent=max(0, meter.spent - len(self._back))))

    def _claim(
        self, lane: Lane, doubt: Doubt, now: int, monotonic: int, due_by: int, wanted: int
    ) -> tuple[Lane, list[Sent]]:
        probing = doubt.suspect is not None or lane.paused
        if self._waits(lane, doubt, now):
            wanted = 0
        elif probing:
            wanted = min(wanted, 1)
        slots = grant(self.terms.limit, lane.meter, now, wanted).slots
        if slots <= 0:
            return lane, []
        claimed: list[Task] = self._claiming.claim(
            slots,
            lane.paused_until_now(now),
            now,
            due_by=FAR if doubt.suspect is not None else due_by,
            leased_until=now + self.terms.lease,
            not_seqs=self._held(doubt, now),
            probing=probing,
            only=None if doubt.suspect is not None else self.only,
        )
        deadline = monotonic + self.terms.deadline
        jobs: list[Sent] = [
            (Job(task.seq, task.id, now, deadline), Asked(task, now + self.terms.lease)) for task in claimed
        ]
        if doubt.suspect is not None and not claimed:
            jobs = [(Job(NO_TASK, "", now, deadline), None)]
        return lane._replace(meter=grant(self.terms.limit, lane.meter, now, len(jobs)).meter), jobs

    def _next(self, now: int, monotonic: int, cutoff: int) -> int:
        times = [FAR]
        deadline = self._pool.next_deadline
        if deadline is not None:
            # A cut takes a moment to be felt, and some waits (for a name server) do not feel it: no reason to spin.
            times.append(now + (deadline - monotonic if deadline > monotonic else CUT_AGAIN))
        if self._pool.waiting:
            times.append(now + HOT)
        probing = self._doubt.suspect is not None or self.lane.paused
        if self._pool.free > 0 and not (probing and self._pool.in_time(monotonic)):
            due_at = tasks.next_due(self._store, self._held(self._doubt, now), self.only)
            if self._doubt.suspect is not None:
                due_at = now
            if due_at is not None and due_at <= cutoff:
                slot_at = grant(self.terms.limit, self.lane.meter, now, 0).next_at
                times.append(max(due_at, slot_at, self.lane.resumes_at or 0))
        return min(times)
