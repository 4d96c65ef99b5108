"""What a poll pass reads in its transaction, for worker/core/pacing/decide.py."""

from collections.abc import Sequence

from worker.core.instant import FAR
from worker.core.pacing.claim_order import CANDIDATE_ROWS, LATE_MS
from worker.core.pacing.decide import Collected, Moment, Own, Withdrawn
from worker.core.pacing.judge import Finished
from worker.core.pacing.shared import Shared
from worker.core.task import Task
from worker.store.db.store import Store
from worker.store.tasks import polling as tasks


def collected(
    store: Store, finished: Sequence[Finished], withdrawn: Sequence[Withdrawn], own: Own, paused_total: int
) -> Collected:
    """What was heard, with its rows; and with those of suspects, about which it may tell more."""
    seqs = dict.fromkeys([*(one.seq for one in finished), *(one.seq for one in withdrawn)])
    if finished:
        seqs |= dict.fromkeys(own.suspicion.seqs)
    return Collected(finished, withdrawn, tasks.by_seq(store, seqs, paused_total))


def candidates(
    store: Store, own: Own, shared: Shared, moment: Moment, only: frozenset[int] | None, *, more: bool = False
) -> list[Task]:
    """Tasks that may be claimed: those due longest, some that fell due of late, and for a probe one without a failure.

    ``only``: none but these rows, except to find out about a suspect. ``more``: twice as many of those due longest.
    """
    if moment.free <= 0:
        return []
    now, paused_total = moment.now, shared.breaker.paused_until_now(moment.now)
    suspected = own.suspicion.suspect is not None
    if only is not None and not suspected:
        rows = tasks.by_seq(store, sorted(only), paused_total)
        return [task for task in rows.values() if task.state == "pending" and (task.leased_until or 0) <= now]
    due_by = FAR if suspected else moment.due_by
    limit = max(CANDIDATE_ROWS, moment.free) * (2 if more else 1)
    found = tasks.due(store, paused_total, now, limit, due_by)
    if any(task.seq in moment.under_way for task in found):
        # Their leases have run out: the clock was set forward, or a person wants them now. They take no one's place.
        limit += len(moment.under_way)
        found = tasks.due(store, paused_total, now, limit, due_by)
    if suspected or shared.breaker.paused:
        if all(task.failures for task in found):
            found += tasks.due_without_failure(store, paused_total, now, limit, due_by)
    elif len(found) == limit and (found[0].due_at or 0) <= now - LATE_MS:
        seqs = {task.seq for task in found}
        fresh = tasks.due(store, paused_total, now, limit, due_by, after=now - LATE_MS)
        found += [task for task in fresh if task.seq not in seqs]
    return found
