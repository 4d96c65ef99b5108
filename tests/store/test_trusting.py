"""No connection trusts the schema of the file: somebody may have changed it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.database import DONE, conclude, record
from worker.core.errors import StorageFailed
from worker.store.db.store import Store
from worker.store.tasks import tallies

pytestmark = pytest.mark.sqlite


def test_every_connection_says_so(store: Store) -> None:
    assert store.read("PRAGMA trusted_schema")[0]["trusted_schema"] == 0


def test_a_view_that_calls_what_may_do_harm_is_refused(path: Path, store: Store) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE VIEW theirs AS SELECT load_extension('evil')")
    with pytest.raises(StorageFailed, match="unsafe use of load_extension"):
        store.read("SELECT * FROM theirs")


def test_our_own_views_and_triggers_work(store: Store) -> None:
    record(store, "a", "b", ref="r")
    conclude(store, DONE)
    assert tallies.by_state(store) == {"pending": 1, "concluded": 1, "abandoned": 0}
    views = [row["name"] for row in store.read("SELECT name FROM sqlite_master WHERE type = 'view'")]
    assert {"tasks_overview", "found_coverage", "batch_answers", "kept_results", "published"} <= set(views)
    for view in views:
        store.read(f"SELECT * FROM {view}")
    assert len(store.read("SELECT * FROM tasks_overview")) == 2
