"""Databases with very many pending tasks, made in seconds: rows as the daemon leaves them, in one transaction."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

from worker.core.schedule.cadence import Schedule
from worker.store.opening import open_store

HOUR_MS = 3_600_000
DELAY_PER_REQUEST_MS = 20_000


def fill(path: Path, count: int, now: int, due: Callable[[int], int], *, seen: bool = True) -> None:
    """``count`` pending tasks, the n-th of which is due at ``due(n)`` (ms).

    They were recorded in the two days before ``now``, and seen pending a few times unless ``seen`` is false. Their ids
    are random, so neighbours in the table are none in the index.
    """
    with open_store(path, create=True):
        pass  # the schema
    dice = random.Random(count)  # noqa: S311
    database = sqlite3.connect(path, isolation_level=None)
    # No process reads it yet, and what is cut short is made again: no journal, and room for the whole index.
    database.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; PRAGMA cache_size = -600000; BEGIN")
    database.executemany(
        "INSERT INTO tasks (id, origin, state, name, source, recorded_at, started_at, life_from, paused_base, due_at,"
        " reason, polls, last_poll_at, task_class, pending_at, delay_per_request_ms)"
        " VALUES (?, '', 'pending', 'Default Discovery Task', 'link', ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?)",
        (_row(n, count, now, due(n), dice, seen=seen) for n in range(count)),
    )
    database.execute("COMMIT")
    database.close()


def _row(n: int, count: int, now: int, due_at: int, dice: random.Random, *, seen: bool) -> tuple[object, ...]:
    task_id = f"{dice.getrandbits(128):032x}"
    recorded_at = now - 48 * HOUR_MS + 47 * HOUR_MS * n // count
    recorded = (task_id, recorded_at, recorded_at, recorded_at, due_at)
    if not seen:
        return *recorded, "first", 0, None, "unseen", None, DELAY_PER_REQUEST_MS
    seen_at = now - dice.randrange(HOUR_MS // 2)
    return *recorded, "learned", 20, seen_at, "insight", seen_at, DELAY_PER_REQUEST_MS


def far(now: int) -> int:
    """A due time that no measurement reaches, and that the daemon does not draw in."""
    return now + Schedule().max_interval
