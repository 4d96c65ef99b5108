"""The list of tasks, page by page."""

import pytest

from tests.support.database import NOW, record
from worker.store.db.store import Store
from worker.store.views.tasks import Wanted, task_pages


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(state="pending"),
        Wanted(failing=""),
        Wanted(failing="timeout"),
        Wanted(subtenant="north"),
    ],
)
def test_no_page_is_sorted_out_of_all_tasks(store: Store, plans: list[str], wanted: Wanted) -> None:
    record(store, "a", subtenant="north")
    with store.write():
        store.execute("UPDATE tasks SET last_error = 'timeout'")
    plans.clear()
    assert sum(len(page) for page in task_pages(store, NOW, wanted)) == 1
    assert "SEARCH tasks USING INTEGER PRIMARY KEY (rowid>?)" in plans
    assert not [line for line in plans if "tasks USING INDEX" in line]
