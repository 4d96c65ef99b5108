"""The caller's keys for a task."""

from worker.store import outbox
from worker.store.db.store import Store
from worker.store.tasks import history


def add_ref(store: Store, task: int, ref: str, correlation_id: str | None, now: int, *, new_task: bool = False) -> None:
    """Give a task a ref, inside the caller's transaction; one that it has already changes nothing. What is visible of
    the task goes out for it."""
    added = store.execute(
        """
        INSERT INTO refs (task, ref, correlation_id, added_at) VALUES (:task, :ref, :correlation_id, :now)
        ON CONFLICT (task, ref) DO NOTHING
        """,
        {"task": task, "ref": ref, "correlation_id": correlation_id, "now": now},
    )
    if added and not new_task:
        history.add(store, task, now, "ref_added", None)
        outbox.publish_ref(store, task, ref, now)
