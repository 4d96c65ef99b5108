"""One delivery of the vendor's: read before the transaction, written in one, and answered behind its commit."""

from dataclasses import replace
from typing import Literal, NamedTuple

from worker.core.intake.intake import Recording
from worker.core.task import Task
from worker.core.vendor.callback import CallbackRules, Delivery, Quarantined, read_callback
from worker.core.vendor.document import Document
from worker.core.vendor.rehearsal import is_rehearsal
from worker.core.x12.embedded import Derived, derive
from worker.store.conclude import conclude
from worker.store.db.store import Store
from worker.store.state import api, callback_lane
from worker.store.tasks import bodies, callbacks, held_callbacks, lookups
from worker.store.tasks import polling as tasks
from worker.store.tasks.recording import record_one

# Of larger bodies the 271s are read later, by the daemon: the vendor waits.
READ_AT_ONCE_BYTES = 128 * 1024

Fate = Literal["first", "same", "fuller", "revision", "pending", "quarantined", "rehearsal"]
"""What became of a delivery: of a body with an outcome as :data:`worker.store.conclude.Kept` says. ``pending``: it says
nothing new of a task. ``rehearsal``: `cdpoll callback-check` sent it, and nothing was kept."""


class Received(NamedTuple):
    """What became of it. ``task``: the task as it was before, where there is one. ``code``: why it is in quarantine."""

    fate: Fate
    task: Task | None = None
    outcome: str | None = None
    code: str | None = None


class Incoming(NamedTuple):
    """A delivery that was read; ``derived``: what the 271s in its body say, where they were read, too."""

    delivery: Delivery
    document: Document | Quarantined
    derived: Derived | None = None


def read(delivery: Delivery, rules: CallbackRules) -> Incoming:
    """Read a delivery, before the transaction that writes it."""
    document = read_callback(delivery.body, delivery.tenant, rules.tenant_id)
    if isinstance(document, Quarantined):
        return Incoming(delivery, document)
    document = replace(
        document,
        correlation_id=document.correlation_id or delivery.correlation_id,
        trace_id=delivery.trace_id or document.trace_id,  # of this very request
    )
    return Incoming(delivery, document, _derived(document))


def write(store: Store, incoming: Incoming, rules: CallbackRules, now: int) -> Received:
    """Write what a delivery brings, inside the caller's transaction."""
    document = incoming.document
    if isinstance(document, Quarantined):
        return quarantine(store, incoming.delivery, document.code, now)
    return _written(store, document, rules, now, incoming.derived)


def quarantine(store: Store, delivery: Delivery, code: str, now: int) -> Received:
    """Keep a delivery that cannot be used, whole, inside the caller's transaction; an equal one is kept once."""
    bodies.keep_callback(store, code, delivery, now)
    return Received("quarantined", code=code)


def receive(store: Store, delivery: Delivery, rules: CallbackRules, now: int) -> Received:
    """Read and write one delivery; when this returns, it is on the disk."""
    incoming = read(delivery, rules)
    with store.write():
        return write(store, incoming, rules, now)


def retry(store: Store, seq: int, rules: CallbackRules, now: int) -> str | None:
    """Read a callback in quarantine again; ``None`` if it has left the quarantine, else a word for why it has not."""
    delivery = held_callbacks.delivery(store, seq)
    if delivery is None:
        return "is not in quarantine"
    incoming = read(delivery, rules)
    if isinstance(incoming.document, Quarantined):
        return incoming.document.code
    with store.write():
        write(store, incoming, rules, now)
        bodies.forget_callback(store, seq)
    return None


def _derived(document: Document) -> Derived | None:
    if document.outcome is None or len(document.body) > READ_AT_ONCE_BYTES:
        return None
    return derive(document.body)


def _written(store: Store, document: Document, rules: CallbackRules, now: int, derived: Derived | None) -> Received:
    if is_rehearsal(document.id):
        return Received("rehearsal")
    shared = api.get(store)
    # It is recorded even where it says that all is over: there is one way to conclude, and it has a task.
    recording = Recording(document.id, "callback", correlation_id=document.correlation_id, trace_id=document.trace_id)
    origin = rules.origin or api.origin_of(store) or ""
    seq, _ = record_one(store, recording, origin, now, rules.schedule, shared)
    if document.correlation_id:
        lookups.satisfy(store, [document.correlation_id], now)
    task = tasks.by_seq(store, [seq], shared.breaker.paused_until_now(now))[seq]
    if document.outcome is None:
        callbacks.note_pending(store, seq, document)
        return Received("pending", task)
    kept = conclude(store, task, document, "callback", now, derived)
    unknown = callbacks.note_concluded(store, seq, now)
    callback_lane.heard(store, fresh=_is_fresh(task, document, rules, now), now=now)
    if (
        rules.origin
        and kept in ("first", "revision")
        and (rules.verify == "all" or (rules.verify == "unknown" and unknown))
    ):
        callbacks.verify(store, seq, now)
    return Received(kept, task, document.outcome)


def _is_fresh(task: Task, document: Document, rules: CallbackRules, now: int) -> bool:
    """Whether it shows that callbacks arrive by themselves. One that is replayed on demand, by a range of time, comes
    long after its discovery ended."""
    if document.ended_at is None:
        return task.state == "pending"
    return now - document.ended_at <= rules.grace_ms
