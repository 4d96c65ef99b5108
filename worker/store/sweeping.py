"""Tasks in windows of neighbours, for the pages of the vendor's list. All but the reads run inside `Store.write`."""

from collections.abc import Sequence

from worker.core.task import Task
from worker.store import tasks
from worker.store.db import Store


def newest(store: Store) -> int:
    """The row of the task recorded last; 0 where there is none."""
    row = store.one("SELECT max(seq) AS seq FROM tasks")
    return 0 if row is None or row["seq"] is None else int(row["seq"])


def back_from_newest(store: Store, pending: int) -> int:
    """The row from which on there are so many pending tasks; 0 where there are fewer."""
    row = store.one(
        "SELECT seq FROM tasks WHERE state = 'pending' AND outcome IS NULL ORDER BY seq DESC LIMIT 1 OFFSET :pending",
        {"pending": pending},
    )
    return 0 if row is None else int(row["seq"])


def show_pending(store: Store, seen: Sequence[tuple[int, str, int | None]], at: int) -> None:
    """A page showed these tasks as pending: (row, class, when it began, if that was told)."""
    for start in range(0, len(seen), tasks.MOST):
        rows = tasks.padded([(*one, at) for one in seen[start : start + tasks.MOST]])
        store.execute(
            f"""
            UPDATE tasks SET kind = page.column2, started_at = coalesce(started_at, page.column3),
                seen_at = page.column4
            FROM (VALUES {tasks.values(rows)}) AS page
            WHERE tasks.seq = page.column1 AND state = 'pending' AND why <> 'lease'
                AND (seen_at IS NULL OR seen_at < page.column4)
            """,  # noqa: S608 - question marks
            [value for row in rows for value in row],
        )


def make_due(store: Store, found: Sequence[Task], now: int) -> list[int]:
    """Let these tasks be looked at now, unless they are asked about already, or fail and wait. Their rows."""
    due = []
    for task in found:
        changed = store.execute(
            "UPDATE tasks SET due_at = :now, why = 'hint'"
            " WHERE seq = :seq AND state = 'pending' AND due_at > :now AND why <> 'lease' AND failures = 0",
            {"seq": task.seq, "now": now},
        )
        due += [task.seq] if changed else []
    return due


def forget(store: Store, now: int) -> None:
    """The list is not believed any more: what it showed was not seen, and what it has put off is due."""
    store.execute(
        "UPDATE tasks SET seen_at = last_poll_at, due_at = min(due_at, :now)"
        " WHERE state = 'pending' AND why <> 'lease' AND seen_at > coalesce(last_poll_at, 0)",
        {"now": now},
    )
