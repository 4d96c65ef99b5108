"""Tasks in windows of neighbours, for the pages of the vendor's list. All but the reads run inside `Store.write`."""

from collections.abc import Sequence

from worker.core.task import Task
from worker.store.db.store import Store
from worker.store.tasks import polling as tasks

# Pending tasks that are gone through in one transaction, to forget what pages showed of them: tens of milliseconds.
PORTION = 2_000


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


def forget(store: Store, below: int, until: int, now: int) -> int:
    """Forget what pages have shown ``until`` some instant of a portion of the pending tasks, the newest below a row.

    They fall due, and are planned anew before they are looked at: every price makes a plan at the price 0 outdated (a
    look that was not planned at a price stays so). What fails and waits was not put off by pages. Their classes were
    told by a page, too, so they are unseen again. The row below which the next portion begins; 0 where there is none.
    """
    last = store.one(
        "SELECT seq FROM tasks WHERE state = 'pending' AND outcome IS NULL AND seq < :below"
        " ORDER BY seq DESC LIMIT 1 OFFSET :most",
        {"below": below, "most": PORTION - 1},
    )
    first = 0 if last is None else int(last["seq"])
    store.execute(
        "UPDATE tasks SET seen_at = last_poll_at, kind = 'unseen', price = 0 * price,"
        " due_at = CASE WHEN failures = 0 THEN min(due_at, :now) ELSE due_at END"
        " WHERE state = 'pending' AND outcome IS NULL AND seq >= :first AND seq < :below"
        " AND why <> 'lease' AND seen_at > coalesce(last_poll_at, 0) AND seen_at <= :until",
        {"first": first, "below": below, "until": until, "now": now},
    )
    return first
