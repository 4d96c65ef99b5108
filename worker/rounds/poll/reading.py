"""What a poll pass reads in its transaction, for worker/core/pacing/decide.py."""

from collections.abc import Sequence
from itertools import chain

from worker.core.instant import FAR
from worker.core.pacing.claim_order import CANDIDATE_ROWS, LATE_MS
from worker.core.pacing.decide import Collected, Withdrawn
from worker.core.pacing.judge import Finished
from worker.core.pacing.policy import Moment, Own
from worker.core.pacing.shared import Shared
from worker.core.task import Task
from worker.core.verification import is_verifying
from worker.store.db.store import Store
from worker.store.tasks import polling as tasks
from worker.store.tasks import verifying

# Of what a step of probes is chosen from. One that was tried in this pause is left out, so it takes more than a step.
NEWEST_ROWS = 32
PROBE_ROWS = 128


def collected(
    store: Store, finished: Sequence[Finished], withdrawn: Sequence[Withdrawn], own: Own, paused_total: int
) -> Collected:
    """What was heard, with its rows; and with those of suspects, about which it may tell more."""
    seqs = dict.fromkeys([*(one.seq for one in finished), *(one.seq for one in withdrawn)])
    if finished:
        seqs |= dict.fromkeys(own.suspicion.seqs)
    rows = tasks.by_seq(store, seqs, paused_total)
    asked = [seq for seq, row in rows.items() if is_verifying(row)]
    return Collected(finished, withdrawn, rows, verifying.delivered(store, asked))


def candidates(
    store: Store, own: Own, shared: Shared, moment: Moment, only: frozenset[int] | None, *, more: bool = False
) -> list[Task]:
    """Tasks that may be claimed: those due longest, some that fell due of late, and enough without a failure.

    ``only``: none but these rows, except to find out about a suspicion. ``more``: twice as many of those due longest.
    """
    if moment.free <= 0:
        return []
    now, paused_total = moment.now, shared.breaker.paused_until_now(moment.now)
    if only is not None and not own.suspicion.open:
        rows = tasks.by_seq(store, sorted(only), paused_total).values()
        found = [task for task in rows if task.state == "pending" and (task.leased_until or 0) <= now]
        return found + verifying.as_due(rows)
    asked = verifying.due(store, paused_total, moment.due_by, moment.free + len(moment.under_way))
    return [*_pending(store, own, shared, moment, paused_total, more=more), *asked]


def _pending(store: Store, own: Own, shared: Shared, moment: Moment, paused_total: int, *, more: bool) -> list[Task]:
    now = moment.now
    limit = max(CANDIDATE_ROWS, moment.free) * (2 if more else 1)
    found = tasks.due(store, paused_total, now, limit, moment.due_by)
    if any(task.seq in moment.under_way for task in found):
        # Their leases have run out: the clock was set forward, or a person wants them now. They take no one's place.
        limit += len(moment.under_way)
        found = tasks.due(store, paused_total, now, limit, moment.due_by)
    if own.suspicion.open or shared.breaker.paused:
        return _distinct(found, _for_probes(store, own, paused_total, now))
    if len(found) == limit:
        if (found[0].due_at or 0) <= now - LATE_MS:
            found = _distinct(found, tasks.due(store, paused_total, now, limit, moment.due_by, after=now - LATE_MS))
        if sum(not task.failures for task in found) < moment.free:
            # Those that fail may take a part of the threads only: they hide no others.
            found = _distinct(found, tasks.due_without_failure(store, paused_total, now, limit, moment.due_by))
    return found


def _for_probes(store: Store, own: Own, paused_total: int, now: int) -> list[Task]:
    """Tasks that may tell whether the API answers us, due or not."""
    answered = tasks.by_seq(store, own.answered, paused_total).values()
    lately = [task for task in answered if task.state == "pending" and (task.leased_until or 0) <= now]
    newest = tasks.newest(store, paused_total, now, NEWEST_ROWS)
    return [*lately, *newest, *tasks.due_without_failure(store, paused_total, now, PROBE_ROWS, FAR)]


def _distinct(*lists: list[Task]) -> list[Task]:
    return list({task.seq: task for task in chain(*lists)}.values())
