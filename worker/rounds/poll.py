"""The poll round: what was heard is judged and saved, what is due is claimed and sent off, in one commit.

::

    pool.collect() ──► judge(lane, doubt, …) ──► after(task, reply, …) ──► save, result   ┐
                       is it about us?           what becomes of the task                 │ one transaction
    pool.submit()  ◄── grant(limit, …) ◄── claim(due) ◄──────────────────────────────────┘

Nothing is sent before the lease is on the disk, and nothing heard is forgotten: if the transaction fails, the replies
are kept here and saved by the next round, and nothing new is claimed until then.
"""

from dataclasses import dataclass, replace
from typing import Protocol

from worker.core.errors import CdpollError, place_of
from worker.core.judge import NO_TASK, Doubt, Judgement, Verdict, judge, speaks
from worker.core.lane import Lane
from worker.core.limit import Limit, grant
from worker.core.reply import Concluded, Unreachable
from worker.core.schedule import Schedule
from worker.core.task import after, excused
from worker.gateways.pool import Done, Job, Pool
from worker.rounds.troubles import Change, Pauses, Troubles
from worker.store import lanes, results, tasks
from worker.store.db import Store

# When there is nothing to wait for. The loop waits less than that anyway.
FAR = 10**15

# How soon to look again after a request that has outlived its deadline.
CUT_AGAIN = 200


class Log(Protocol):
    """The part of a structlog logger that a round uses."""

    def debug(self, event: str, **fields: object) -> object: ...
    def info(self, event: str, **fields: object) -> object: ...
    def warning(self, event: str, **fields: object) -> object: ...
    def error(self, event: str, **fields: object) -> object: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What the round works by: the schedule, the rate limit, and the total deadline of one request in ms."""

    schedule: Schedule
    limit: Limit
    deadline: int

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
        self._heard: list[Done] = []
        self._doubt = Doubt()
        self._monotonic = 0
        self.lane = lanes.get(store)
        self._pauses = Pauses()
        self._troubles = Troubles(tasks.failing(store), now)
        self.only: frozenset[int] | None = None  # rows to claim, for a pass over some tasks; claimed ones drop out
        self.usable = 0  # replies since the start that told something of a task
        self.unreachable = 0  # looks since the start that brought no whole answer

    @property
    def busy(self) -> bool:
        """Whether anything is in the air, or heard and not saved."""
        return bool(self._heard) or bool(self._pool.out)

    def run(self, now: int, monotonic: int, *, due_by: int | None = None, claim: bool = True) -> int:
        """One pass; the instant (ms) at which the next is wanted, unless a reply wakes the caller before.

        ``due_by``: claim only what was due then (for one pass over a queue that keeps filling). ``claim=False``: only
        save what was heard, for the way out. Raises StorageFailed or TryLater with nothing lost.
        """
        self._monotonic = monotonic
        self._pool.cut_overdue(monotonic)
        self._heard += self._pool.collect()
        cutoff = FAR if due_by is None else due_by
        due_by = min(cutoff, now)
        wanted = self._wanted(now, due_by) if claim else 0
        if self._heard or wanted:
            self._transact_or_single_out(now, monotonic, due_by, wanted)
        return self._next(now, monotonic, cutoff) if claim else FAR

    def _transact_or_single_out(self, now: int, monotonic: int, due_by: int, wanted: int) -> None:
        """One transaction for all that was heard. A reply that breaks our own code must not hold up the others."""
        try:
            self._transact(now, monotonic, due_by, wanted)
        except CdpollError:
            raise
        except Exception:
            if not self._heard:
                raise  # no reply is to blame
            waiting, self._heard = self._heard, []
            for n, done in enumerate(waiting):
                self._heard = [done]
                try:
                    self._transact(now, monotonic, due_by, 0)
                except CdpollError:
                    self._heard = waiting[n:]
                    raise
                except Exception as error:
                    self._heard = []  # its lease runs out, and it is asked again
                    place = f"{type(error).__name__} at {place_of(error)}"
                    self._log.error(
                        "a fault in cdpoll itself: a reply was left out", task=done.job.task_id, place=place
                    )

    def _wanted(self, now: int, due_by: int) -> int:
        """How many tasks to claim, as far as can be told without the write lock."""
        free = self._pool.free
        lane = lanes.get(self._store)
        if free <= 0 or grant(self.terms.limit, lane.tat, now, 1).slots == 0:
            return 0
        if self._heard:
            return free
        if self._waits(lane, self._doubt, now):
            return 0
        if self._doubt.suspect is not None:
            return 1
        due_at = tasks.next_due(self._store, self._held(self._doubt), self.only)
        return free if due_at is not None and due_at <= due_by else 0

    def _waits(self, lane: Lane, doubt: Doubt, now: int) -> bool:
        """Whether nothing may be sent: a pause lasts, or a probe (or what left before it) is still in the air."""
        if lane.resumes_at is not None and now < lane.resumes_at:
            return True
        return (lane.paused or doubt.suspect is not None) and self._pool.in_time(self._monotonic)

    def _held(self, doubt: Doubt) -> frozenset[int]:
        """Rows not to be claimed, whatever their due time: in the air, or held back as a suspect."""
        return self._pool.out if doubt.suspect is None else self._pool.out | {doubt.suspect[0]}

    def _transact(self, now: int, monotonic: int, due_by: int, wanted: int) -> None:
        changes: list[Change] = []
        with self._store.write():
            before = lane = lanes.get(self._store)
            doubt = self._doubt
            for done in self._heard:
                judged = self._judge(lane, doubt, done, now)
                lane, doubt = judged.lane, judged.doubt
                for verdict in judged.verdicts:
                    changes += self._apply(verdict, lane, now)
            lane, jobs = self._claim(lane, doubt, now, monotonic, due_by, wanted)
            if lane != before:
                lanes.put(self._store, lane)
        self.usable += sum(speaks(done.reply) for done in self._heard)
        self.unreachable += sum(isinstance(done.reply, Unreachable) for done in self._heard)
        self._heard.clear()
        self._doubt = doubt
        self.lane = lane
        if self.only is not None:
            self.only -= {job.seq for job in jobs}
        for job in jobs:
            self._pool.submit(job)
        for line in (*self._pauses.lines(before, lane, now), *self._troubles.lines(changes, now)):
            getattr(self._log, line.level)(line.event, **line.fields)

    def _judge(self, lane: Lane, doubt: Doubt, done: Done, now: int) -> Judgement:
        # A token or a repeat took requests that no slot was granted for: they are paid for now.
        extra = max(0, done.requests - 1) * self.terms.limit.spacing
        lane = replace(lane, tat=lane.tat + extra)
        return judge(lane, doubt, done.job.seq, done.reply, done.job.asked_at, now, self.terms.schedule)

    def _apply(self, verdict: Verdict, lane: Lane, now: int) -> list[Change]:
        """Save what became of one task; the change, if there was one."""
        if verdict.seq == NO_TASK:
            return []
        old = tasks.get(self._store, verdict.seq, lane.paused_until_now(now))
        if old is None:
            return []  # purged meanwhile
        reply = verdict.reply
        if verdict.excused:
            new = excused(old, now, polled=getattr(reply, "where", "api") == "api")
        else:
            new = after(old, reply, now, self.terms.schedule)
        won = tasks.save(self._store, old, new, now, concluded_by="poll")
        kept = results.add(self._store, old.seq, reply, "poll", now) if isinstance(reply, Concluded) else None
        return [Change(old, new, kept == "revision")] if won or kept == "revision" else []

    def _claim(
        self, lane: Lane, doubt: Doubt, now: int, monotonic: int, due_by: int, wanted: int
    ) -> tuple[Lane, list[Job]]:
        probing = doubt.suspect is not None or lane.paused
        if self._waits(lane, doubt, now):
            wanted = 0
        elif probing:
            wanted = min(wanted, 1)
        slots = grant(self.terms.limit, lane.tat, now, wanted).slots
        if slots <= 0:
            return lane, []
        claimed = tasks.claim(
            self._store,
            due_by=FAR if doubt.suspect is not None else due_by,
            leased_until=now + self.terms.lease,
            limit=slots,
            not_seqs=self._held(doubt),
            calm=probing,
            only=None if doubt.suspect is not None else self.only,
        )
        if doubt.suspect is not None and not claimed:
            claimed = [(NO_TASK, "")]
        lane = replace(lane, tat=grant(self.terms.limit, lane.tat, now, len(claimed)).tat)
        deadline = monotonic + self.terms.deadline
        return lane, [Job(seq, task_id, now, deadline) for seq, task_id in claimed]

    def _next(self, now: int, monotonic: int, cutoff: int) -> int:
        times = [FAR]
        deadline = self._pool.next_deadline
        if deadline is not None:
            # A cut takes a moment to be felt, and some waits (for a name server) do not feel it: no reason to spin.
            times.append(now + (deadline - monotonic if deadline > monotonic else CUT_AGAIN))
        probing = self._doubt.suspect is not None or self.lane.paused
        if self._pool.free > 0 and not (probing and self._pool.in_time(monotonic)):
            due_at = tasks.next_due(self._store, self._held(self._doubt), self.only)
            if self._doubt.suspect is not None:
                due_at = now
            if due_at is not None and due_at <= cutoff:
                slot_at = grant(self.terms.limit, self.lane.tat, now, 0).next_at
                times.append(max(due_at, slot_at, self.lane.resumes_at or 0))
        return min(times)
