"""A few of the tasks that need a person, for the status page: ids and times, in a moment also among a million tasks."""

from worker.store.db.store import Row, Store
from worker.store.state import api
from worker.store.views.overdue import OVERDUE

# As many failed polls are looked through, the newest first. Tasks that keep failing are among them.
LOOKED_THROUGH_ROWS = 200

# In a row, as the problem `failing` counts them.
LASTING_FAILURES = 3


def overdue(store: Store, now: int, after_ms: int, most: int) -> list[Row]:
    """``id`` and ``since`` (ms), the oldest first; pending for longer than ``after_ms``."""
    paused = api.get(store).breaker.paused_until_now(now)
    return store.read(
        f"SELECT id, recorded_at AS since FROM tasks WHERE {OVERDUE} ORDER BY life_base LIMIT :most",  # noqa: S608
        {"now": now, "paused": paused, "after": after_ms, "most": most},
    )


def failing(store: Store, most: int) -> list[Row]:
    """``id``, ``failures`` in a row and ``last_error``; those that failed last come first."""
    return store.read(
        """
        SELECT tasks.id, tasks.failures, tasks.last_error FROM tasks JOIN (
            SELECT task, max(at) AS newest FROM (
                SELECT task, at FROM failed_polls ORDER BY seq DESC LIMIT :rows
            ) AS lately GROUP BY task
        ) AS failed ON failed.task = tasks.seq
        WHERE tasks.state = 'pending' AND tasks.last_error IS NOT NULL AND tasks.failures >= :lasting
        ORDER BY failed.newest DESC LIMIT :most
        """,
        {"rows": LOOKED_THROUGH_ROWS, "lasting": LASTING_FAILURES, "most": most},
    )


def abandoned(store: Store, most: int) -> list[Row]:
    """``id`` and ``since`` (ms), the newest rows first."""
    return store.read(
        """
        SELECT id, abandoned_at AS since FROM tasks WHERE state = 'abandoned' AND due_at IS NULL
        ORDER BY seq DESC LIMIT :most
        """,
        {"most": most},
    )
