"""What the tests of the store share: recording, concluding, and the eyes of a second connection."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from worker.core.document import fingerprint, read_paths
from worker.core.intake import Recording
from worker.core.reply import Concluded
from worker.core.schedule import Schedule
from worker.core.task import Task, after
from worker.store import results, tasks
from worker.store.db import Store
from worker.store.recording import Recorded
from worker.store.recording import record as record_ids

NOW = 1_800_000_000_000
SCHEDULE = Schedule()
ORIGIN = "https://api.example"

DONE: dict[str, Any] = {
    "id": "a",
    "status": "success",
    "discoveryPaths": {
        "successful": [{"id": "p", "name": "Medicare", "transaction": {"status": "eligible", "chcPayerId": "PAY"}}],
        "unsuccessful": [{"name": "HMO", "transaction": {"status": "payer_unavailable"}}],
    },
}


def record(store: Store, *ids: str, now: int = NOW, **about: Any) -> Recorded:
    recordings = [Recording(task_id, "id", **about) for task_id in ids]
    return record_ids(store, recordings, (), origin=ORIGIN, now=now, schedule=SCHEDULE)


def elsewhere(path: Path, sql: str, *params: object) -> list[tuple[Any, ...]]:
    """What a second connection sees, waiting for nobody."""
    with closing(sqlite3.connect(path, timeout=0)) as conn:
        return conn.execute(sql, params).fetchall()


def concluded(document: dict[str, Any]) -> Concluded:
    body = json.dumps(document).encode()
    return Concluded(document["status"], body, fingerprint(document), read_paths(document), ended_at=NOW - 1)


def conclude(store: Store, document: dict[str, Any], seq: int = 1, now: int = NOW + 60_000) -> results.Kept:
    reply = concluded(document)
    with store.write():
        old = task_of(store, seq)
        tasks.save(store, old, after(old, reply, now, SCHEDULE), now, concluded_by="poll")
        return results.add(store, seq, reply, "poll", now)


def task_of(store: Store, seq: int, paused_total: int = 0) -> Task:
    """The task of a row as it stands now."""
    found = tasks.get(store, seq, paused_total)
    assert found is not None
    return found
