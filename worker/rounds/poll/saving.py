"""From verdicts to rows: what was heard becomes part of tasks and results, inside the round's transaction."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from worker.core.pacing.breaker import Lane
from worker.core.pacing.judge import NO_TASK, Verdict
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.learned import Learned
from worker.core.task import Task, after, excused
from worker.core.vendor.reply import Concluded, Pending, Reply
from worker.rounds.log_edges import Change
from worker.store.conclude import conclude
from worker.store.db.store import Store
from worker.store.tasks import polling as tasks


class Asked(NamedTuple):
    """A task as it was claimed, and the due time that was its lease."""

    task: Task
    leased_until: int


class Saving:
    """Saves looks; ``learned`` is told of them, and says when to look again (``None``: the written cadence does)."""

    def __init__(self, store: Store, schedule: Schedule, learned: Learned | None) -> None:
        self._store = store
        self._schedule = schedule
        self._learned = learned
        self._next_look = None if learned is None else learned.next_look

    def save(self, verdicts: Sequence[Verdict], asked: Mapping[int, Asked], lane: Lane, now: int) -> list[Change]:
        """Save what became of every task; the changes that are worth a line in the log."""
        changes: list[Change] = []
        quick: list[tuple[Verdict, Asked]] = []
        for verdict in verdicts:
            claimed = asked.get(verdict.seq)
            if claimed is not None and self._only_pending(verdict, claimed.task, now):
                quick.append((verdict, claimed))
            else:
                changes += self._one(verdict, claimed, lane, now)
        looks = [(claimed.task, self._after(claimed.task, verdict.reply, now)) for verdict, claimed in quick]
        for place in tasks.still_pending(self._store, looks, [claimed.leased_until for _, claimed in quick]):
            # Somebody changed the row while it was asked about: what they did stands, and the look is added to it.
            changes += self._one(quick[place][0], None, lane, now)
        return changes

    def _only_pending(self, verdict: Verdict, task: Task, now: int) -> bool:
        """Whether this is what most looks bring: still pending, as before, and no end of its life in sight."""
        plain = isinstance(verdict.reply, Pending) and not verdict.excused and not task.failures
        return plain and task.life(now) < self._schedule.give_up_after

    def _after(self, task: Task, reply: Reply, now: int) -> Task:
        if self._learned is not None:
            self._learned.heard(task, reply, now)
        return after(task, reply, now, self._schedule, self._next_look)

    def _one(self, verdict: Verdict, claimed: Asked | None, lane: Lane, now: int) -> list[Change]:
        """Save what became of one task, from the row as it is now; the change, if there was one."""
        if verdict.seq == NO_TASK:
            return []
        old = tasks.get(self._store, verdict.seq, lane.paused_until_now(now))
        if old is None:
            return []  # purged meanwhile
        reply = verdict.reply
        if verdict.excused:
            new = excused(old, now, polled=getattr(reply, "where", "api") == "api")
        else:
            if self._learned is not None and claimed is not None:
                self._learned.heard(old._replace(why=claimed.task.why), reply, now)
            new = after(old, reply, now, self._schedule, self._next_look)
        if isinstance(reply, Concluded):
            kept = conclude(self._store, new, reply.document, "poll", now)
            return [Change(old, new, kept == "revision")] if kept in ("first", "revision") else []
        return [Change(old, new, False)] if tasks.save(self._store, old, new, now) else []
