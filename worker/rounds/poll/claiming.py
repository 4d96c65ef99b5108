"""Claims the looks that are made with the slots there are, in the order of worker/core/pacing/claim_order.py."""

from collections.abc import Iterable

from worker.core.pacing.claim_order import LATE, late_slots
from worker.core.schedule.learned import Learned
from worker.core.task import Look, Task
from worker.store.db.store import Store
from worker.store.tasks import polling as tasks

# Planning one look anew takes a tenth of a millisecond, and the write lock is held meanwhile.
MOST_PLANS = 200


class Claiming:
    """Claims tasks; with ``learned``, looks that were planned when requests were cheaper are put off instead."""

    def __init__(self, store: Store, learned: Learned | None) -> None:
        self._store = store
        self._learned = learned
        self._made = 0  # slots ever, so that late looks and others take turns

    def claim(
        self,
        slots: int,
        paused_total: int,
        now: int,
        *,
        due_by: int,
        leased_until: int,
        not_seqs: frozenset[int],
        probing: bool,
        only: frozenset[int] | None,
    ) -> list[Task]:
        """Up to ``slots`` tasks, leased. In the round's transaction."""
        taken: dict[int, Task] = {}
        plans: list[tuple[Task, Look]] = []

        def due(room: int, *, fresh: bool = False) -> list[Task]:
            return tasks.due(
                self._store, paused_total, due_by=due_by, limit=room, late=now - LATE, fresh=fresh, calm=probing,
                only=only, not_seqs=(*not_seqs, *taken, *(task.seq for task, _ in plans)),
            )  # fmt: skip

        share = slots if probing or only is not None else late_slots(slots, self._made)
        self._made += slots
        while slots > 0 and len(plans) < MOST_PLANS:
            found = due(slots)
            late = [task for task in found if _late(task, now)]
            if len(late) > share:
                fresh = due(slots - share, fresh=True)
                found = late[: slots - len(fresh)] + fresh
            kept = found if probing else self._sort_out(found, plans, now)
            taken.update((task.seq, task) for task in kept)
            if len(found) < slots:
                break
            slots -= len(kept)
            share = max(0, share - sum(_late(task, now) for task in kept))
        tasks.plan_anew(self._store, plans, now)
        tasks.lease(self._store, list(taken), leased_until)
        return list(taken.values())

    def _sort_out(self, found: Iterable[Task], plans: list[tuple[Task, Look]], now: int) -> list[Task]:
        if self._learned is None:
            return list(found)
        kept = []
        for task in found:
            look = self._learned.replanned(task, now)
            if look is None:
                kept.append(task)
            else:
                plans.append((task, look))
        return kept


def _late(task: Task, now: int) -> bool:
    return task.due_at is not None and task.due_at <= now - LATE
