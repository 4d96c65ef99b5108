"""What came in and what was concluded lately, for `status`. Reads only: counts over indexes, and few rows of files."""

from typing import Any

from worker.core.instant import DAY_MS, HOUR_MS
from worker.store.db.store import Store


def traffic(store: Store, now: int) -> dict[str, Any]:
    """Of the last hour and of the last 24: tasks recorded and concluded, batch files read in, and their answers."""
    return {"hour": _since(store, now - HOUR_MS), "day": _since(store, now - DAY_MS)}


def _since(store: Store, since: int) -> dict[str, int]:
    (row,) = store.read(
        """
        SELECT
            (SELECT count(*) FROM tasks WHERE state = 'pending' AND recorded_at >= :since)
                + (SELECT count(*) FROM tasks WHERE state = 'concluded' AND recorded_at >= :since)
                + (SELECT count(*) FROM tasks WHERE state = 'abandoned' AND recorded_at >= :since) AS recorded,
            (SELECT count(*) FROM results WHERE source = 'poll' AND revision = 1 AND received_at >= :since)
                + (SELECT count(*) FROM results WHERE source = 'callback' AND revision = 1 AND received_at >= :since)
                AS concluded,
            (SELECT count(*) FROM files WHERE state = 'ingested' AND done_at >= :since) AS files,
            (SELECT CAST(coalesce(sum(matched + candidates + unmatched), 0) AS BIGINT) FROM files
                WHERE state = 'ingested' AND done_at >= :since) AS answers
        """,
        {"since": since},
    )
    return {key: row[key] for key in ("recorded", "concluded", "files", "answers")}


def oldest_due(store: Store, now: int) -> int | None:
    """When the poll that waits for longest was due (ms); ``None``: none waits. What is being polled does not wait."""
    row = store.one(
        """
        SELECT due_at AS at FROM tasks
        WHERE state = 'pending' AND due_at <= :now AND (leased_until IS NULL OR leased_until <= :now)
        ORDER BY due_at LIMIT 1
        """,
        {"now": now},
    )
    return None if row is None else int(row["at"])
