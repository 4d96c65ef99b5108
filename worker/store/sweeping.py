"""Tasks in blocks of neighbours, for the pages of the vendor's list."""

from collections.abc import Collection, Sequence

from worker.core.sweep import Waiting
from worker.core.task import Task
from worker.store import tasks
from worker.store.db import Store


def newest_block(store: Store, rows: int) -> int:
    """The number of the block that the task recorded last is in; -1 where there is none. A block has ``rows`` rows."""
    row = store.one("SELECT max(seq) AS seq FROM tasks")
    return -1 if row is None or row["seq"] is None else int(row["seq"]) // rows


def waiting(store: Store, first: int, rows: int) -> list[Waiting]:
    """The pending tasks among the rows from ``first`` on that nobody is asking about."""
    found = tasks.pending_between(store, first, first + rows - 1)
    return [_waiting(task) for task in found if task.why != "lease"]


def make_due(store: Store, ids: Sequence[str], denied: Collection[int], now: int) -> list[int]:
    """Let those of these ids be looked at now that are pending here, and not asked about already; their rows."""
    seqs = []
    for task_id in ids:
        row = store.one(
            "SELECT seq FROM tasks WHERE id = :id AND state = 'pending' AND due_at > :now AND why <> 'lease'",
            {"id": task_id, "now": now},
        )
        if row is not None and row["seq"] not in denied:
            seqs.append(int(row["seq"]))
    for seq in seqs:
        store.execute("UPDATE tasks SET due_at = :now, why = 'hint' WHERE seq = :seq", {"seq": seq, "now": now})
    return seqs


def _waiting(task: Task) -> Waiting:
    last = task.seen_at if task.seen_at is not None else task.recorded_at
    begin = last - task.age(last)
    return Waiting(task.kind, begin, task.seen_at if task.seen_at is not None else begin)
