"""The newest polls of a task that failed, for the vendor's support."""

from worker.core.task import Task
from worker.store.db.store import Row, Store

MOST_ROWS = 5


def add(store: Store, task: Task) -> None:
    """Keep the last poll of ``task``, which has failed, inside a transaction; of the earlier ones the newest stay."""
    store.execute(
        """
        INSERT INTO failed_polls (task, at, error, status, trace_id)
        VALUES (:task, :at, :error, :status, :trace_id)
        """,
        {
            "task": task.seq,
            "at": task.last_poll_at,
            "error": task.last_error,
            "status": task.last_status,
            "trace_id": task.last_trace_id,
        },
    )
    store.execute(
        """
        DELETE FROM failed_polls WHERE task = :task AND seq NOT IN (
            SELECT seq FROM failed_polls WHERE task = :task ORDER BY seq DESC LIMIT :rows
        )
        """,
        {"task": task.seq, "rows": MOST_ROWS},
    )


def of_task(store: Store, task: int) -> list[Row]:
    """Those that are kept, oldest first."""
    return store.read(
        "SELECT at, error, status, trace_id FROM failed_polls WHERE task = :task ORDER BY seq", {"task": task}
    )
