"""The schema: strict, legible for others, and brought up to date with everything kept."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from tests.support.database import DONE, conclude, record
from tests.support.engine import elsewhere
from worker.core.errors import StorageFailed
from worker.store.db.store import Store
from worker.store.opening import open_store


@pytest.mark.sqlite
def test_tables_are_strict(store: Store) -> None:
    tables = store.read("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    ours = {row["name"]: row["sql"] for row in tables}
    assert {"tasks", "refs", "results", "paths", "history", "unreadable", "api", "daemons", "meta"} <= ours.keys()
    assert [name for name, sql in ours.items() if not re.search(r"\)\s*STRICT\s*$", sql)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE tasks SET polls = 'many'",
        "UPDATE tasks SET state = 'lost'",
        "UPDATE tasks SET state = 'concluded'",
        "UPDATE tasks SET due_at = NULL",
        "UPDATE tasks SET outcome = 'success'",
        "INSERT INTO tasks SELECT * FROM tasks",
        "INSERT INTO refs VALUES (77, 'r', NULL, 0)",
        "UPDATE api SET id = 2",
    ],
)
def test_the_schema_refuses_nonsense(store: Store, path: Path, wrong: str) -> None:
    record(store, "a")
    with pytest.raises(StorageFailed), store.write():
        store.execute(wrong)
    assert elsewhere(path, "SELECT state, polls FROM tasks") == [("pending", 0)]


@pytest.mark.sqlite
def test_people_can_read_it_with_plain_sqlite_and_with_sqlite_utils(store: Store, path: Path) -> None:
    record(store, "a", ref="r1")
    record(store, "a", ref="r2")
    conclude(store, DONE)
    iso = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    with closing(sqlite3.connect(path)) as conn:
        conn.row_factory = sqlite3.Row
        (task,) = conn.execute("SELECT * FROM tasks_overview").fetchall()
        (found,) = conn.execute("SELECT * FROM found_coverage").fetchall()
    assert (task["id"], task["state"], task["outcome"], task["revisions"]) == ("a", "concluded", "success", 0)
    assert iso.fullmatch(task["recorded_at"])
    assert iso.fullmatch(task["concluded_at"])
    assert task["due_at"] is None
    assert (found["id"], found["path"], found["payer_id"]) == ("a", "Medicare", "PAY")
    assert sorted(found["refs"].split(", ")) == ["r1", "r2"]
    assert iso.fullmatch(found["received_at"])
    db = Database(path)
    try:
        assert {"tasks", "results", "paths"} <= set(db.table_names())
        assert [row["id"] for row in db["tasks_overview"].rows] == ["a"]
        assert [row["path"] for row in db["found_coverage"].rows] == ["Medicare"]
    finally:
        db.conn.close()


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT * FROM tasks WHERE state = 'pending' AND due_at <= 5 ORDER BY due_at LIMIT 5", "tasks_due"),
        ("SELECT * FROM tasks WHERE state = 'pending' AND due_at <= 5 ORDER BY due_at DESC LIMIT 5", "tasks_due"),
        ("SELECT min(due_at) FROM tasks WHERE state = 'pending'", "tasks_due"),
        ("SELECT count(*) FROM tasks WHERE state = 'pending' AND due_at <= 5", "tasks_due"),
    ],
)
def test_what_every_pass_asks_is_read_in_the_order_of_an_index(tmp_path: Path, statement: str, index: str) -> None:
    """With a million pending tasks, sorting them takes a second."""
    with open_store(tmp_path / "c.db", create=True) as store:
        plan = " ".join(row["detail"] for row in store.read(f"EXPLAIN QUERY PLAN {statement}"))
    assert index in plan
    assert "TEMP B-TREE" not in plan
