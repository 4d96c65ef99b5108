"""The few tasks that need a person: which they are, and that none is looked for in the whole table."""

import pytest

from tests.support.database import NOW, record
from worker.store.db.store import Store
from worker.store.views import needing

DAY = 86_400_000


def test_each_list_has_its_tasks_in_its_order_and_no_more_than_asked(store: Store) -> None:
    record(store, *(f"late-{n}" for n in range(3)), *(f"failing-{n}" for n in range(4)), *(f"gone-{n}" for n in "ab"))
    with store.write():
        store.execute("UPDATE tasks SET life_from = :at - seq WHERE id LIKE 'late%'", {"at": NOW - 2 * DAY})
        store.execute("UPDATE tasks SET failures = 3, last_error = 'dns' WHERE id LIKE 'failing%'")
        store.execute("UPDATE tasks SET failures = 2 WHERE id = 'failing-0'")
        store.execute("INSERT INTO failed_polls (task, at, error) SELECT seq, seq, 'dns' FROM tasks")
        store.execute("UPDATE tasks SET state = 'abandoned', due_at = NULL, abandoned_at = 7 WHERE id LIKE 'gone%'")
    assert [row["id"] for row in needing.overdue(store, NOW, DAY, 2)] == ["late-2", "late-1"]
    assert [row["id"] for row in needing.failing(store, 5)] == ["failing-3", "failing-2", "failing-1"]
    assert [tuple(row) for row in needing.abandoned(store, 5)] == [("gone-b", 7), ("gone-a", 7)]


@pytest.mark.sqlite
def test_no_list_reads_or_sorts_all_tasks(store: Store) -> None:
    asked: list[str] = []
    store.conn.set_trace_callback(asked.append)
    needing.overdue(store, NOW, DAY, 5)
    needing.failing(store, 5)
    needing.abandoned(store, 5)
    store.conn.set_trace_callback(None)
    plans = [
        " ".join(row["detail"] for row in store.read(f"EXPLAIN QUERY PLAN {one}")) for one in asked if "LIMIT" in one
    ]
    assert len(plans) == 3
    assert [plan for plan in plans if "SCAN tasks" in plan] == []
    assert [plan for plan in (plans[0], plans[2]) if "TEMP B-TREE" in plan] == []
