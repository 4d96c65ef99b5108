"""One task as the status page shows it: its life, and how many paths were searched, without anything of the patient."""

from collections import Counter
from typing import Any

from worker.core.schedule.cadence import Schedule
from worker.core.vendor.findings import STATUSES, TRIED, normal_status, status_words
from worker.store.db.store import Store
from worker.store.views.life import life

Json = dict[str, Any]


def task_for_all(store: Store, task_id: str, schedule: Schedule, least_delay_ms: int | None) -> Json | None:
    """What :func:`life` tells, with ``paths``; ``None`` for an unknown id."""
    task = store.one("SELECT * FROM tasks WHERE id = :id", {"id": task_id})
    if task is None:
        return None
    return life(store, task, schedule, least_delay_ms) | {"paths": _paths(store, task["seq"])}


def _paths(store: Store, task: int) -> list[Json]:
    """Of the latest body: ``list``, ``status`` in words where one was tried, and how many (``n``). Names and other
    texts are left out, and so is a status that the contract does not name: it is the vendor's text."""
    rows = store.read(
        """
        SELECT list, status FROM paths WHERE result = (
            SELECT seq FROM results WHERE task = :task AND source <> 'batch' ORDER BY revision DESC LIMIT 1
        )
        """,
        {"task": task},
    )
    found = Counter((row["list"], _status(row["list"], row["status"])) for row in rows)
    return [{"list": name, "status": status, "n": n} for (name, status), n in sorted(found.items())]


def _status(listed: str, status: str | None) -> str:
    if listed not in TRIED:
        return ""
    return "another status" if status and normal_status(status) not in STATUSES else status_words(status)
