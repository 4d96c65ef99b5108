"""Writes what worker/core/pacing/decide.py has decided, in the transaction of the pass."""

from collections.abc import Mapping

from worker.core.pacing.decide import Conclusion, Intents, Save
from worker.core.task import Task
from worker.core.x12.embedded import Derived
from worker.rounds.log_lines import Change
from worker.store.conclude import conclude, keep_provisional
from worker.store.db.store import Store
from worker.store.state import callback_lane
from worker.store.tasks import bodies, verifying
from worker.store.tasks import polling as tasks

_NONE: Mapping[int, Derived] = {}


def write(
    store: Store, intents: Intents, now: int, leased_until: int, derived: Mapping[int, Derived] = _NONE
) -> list[Change]:
    """Write all of it; return the changes that the log may tell of. ``derived``: by the row of a task that concludes,
    what the 271s in its body say, where they were read before."""
    pending = [save for save in intents.saves if _still_pending(*save)]
    tasks.save_pending(store, pending)
    changes = [_saved(store, save, now) for save in intents.saves if not _still_pending(*save)]
    changes += [
        _concluded(store, conclusion, now, derived.get(conclusion.new.seq)) for conclusion in intents.conclusions
    ]
    callback_lane.await_callbacks(store, [one.new.seq for one in intents.conclusions if one.old.state != "concluded"])
    for old, new in intents.verifications:
        verifying.save(store, old, new, now)
    for seq, reason, body in intents.bodies:
        bodies.keep_polled(store, seq, reason, body, now)
    keep_provisional(store, intents.finished, "poll", now)
    tasks.release(store, intents.released)
    verifying.release(store, intents.verify_again, now)
    tasks.replan(store, intents.replanned, now)
    tasks.lease(store, [task.seq for task in intents.claims if task.state == "pending"], leased_until)
    verifying.claim(store, [task.seq for task in intents.claims if task.state == "concluded"], leased_until)
    return [change for change in changes if change is not None]


def _still_pending(old: Task, new: Task) -> bool:
    """Whether this is what most polls bring: still pending, and without a failure, as before."""
    shown = new.pending_at is not None and new.pending_at == new.last_poll_at and new.leased_until is None
    return shown and old.state == new.state == "pending" and not old.failures and not new.failures


def _saved(store: Store, save: Save, now: int) -> Change | None:
    return Change(*save) if tasks.save(store, *save, now) else None


def _concluded(store: Store, conclusion: Conclusion, now: int, derived: Derived | None) -> Change | None:
    old, new, document = conclusion
    kept = conclude(store, new, document, "poll", now, derived)
    return Change(old, new, kept == "revision") if kept in ("first", "revision") else None
