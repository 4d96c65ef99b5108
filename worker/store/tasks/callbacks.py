"""What a callback changes of its task beside its end, in the caller's transaction."""

from worker.core.vendor.document import Document
from worker.store.db.store import Store


def note_pending(store: Store, task: int, document: Document) -> None:
    """The vendor says that a task is pending. One that is not pending here stays as it is."""
    store.execute(
        """
        UPDATE tasks SET name = coalesce(:name, name), started_at = coalesce(:started_at, started_at)
        WHERE seq = :seq AND state = 'pending'
        """,
        {"seq": task, "name": document.name, "started_at": document.started_at},
    )


def note_concluded(store: Store, task: int, now: int) -> bool:
    """A callback said how the task ended; whether the id became known here by a callback alone."""
    row = store.one(
        "UPDATE tasks SET callback_at = coalesce(callback_at, :now) WHERE seq = :seq RETURNING source",
        {"seq": task, "now": now},
    )
    return row is not None and row["source"] == "callback"


def verify(store: Store, task: int, now: int) -> None:
    """Have the task polled once more, to hear from the vendor itself what the callback said."""
    store.execute("UPDATE tasks SET verify_at = :now, verified = NULL WHERE seq = :seq", {"seq": task, "now": now})
