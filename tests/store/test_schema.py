"""The schema: strict, legible for others, and brought up to date with everything kept."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from tests.support.database import DONE, NOW, SCHEDULE, conclude, elsewhere, record
from worker.core.errors import StorageFailed
from worker.core.pacing.limiter import Meter
from worker.core.schedule.learned import Knowledge, Learned
from worker.core.vendor.reply import Pending
from worker.store.db.store import SCHEMA_VERSION, Store
from worker.store.state import lanes
from worker.store.state import learned as learning
from worker.store.tasks import polling as tasks
from worker.store.views import tasks as story


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdpoll.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


def test_tables_are_strict(store: Store) -> None:
    tables = store.read("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    ours = {row["name"]: row["sql"] for row in tables if not row["name"].startswith("_sqlite_migrations")}
    assert {"tasks", "refs", "results", "paths", "history", "unreadable", "lane", "daemon", "meta"} <= ours.keys()
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
        "INSERT INTO lane (id, probes, paused_total, tat) VALUES (2, 0, 0, 0)",
    ],
)
def test_the_schema_refuses_nonsense(store: Store, path: Path, wrong: str) -> None:
    record(store, "a")
    with pytest.raises(StorageFailed), store.write():
        store.execute(wrong)
    assert elsewhere(path, "SELECT state, polls FROM tasks") == [("pending", 0)]


def test_people_can_read_it_with_plain_sqlite_and_with_sqlite_utils(store: Store, path: Path) -> None:
    record(store, "a", ref="r1")
    record(store, "a", ref="r2")
    conclude(store, DONE)
    iso = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
    with closing(sqlite3.connect(path)) as conn:
        conn.row_factory = sqlite3.Row
        (task,) = conn.execute("SELECT * FROM tasks_overview").fetchall()
        (found,) = conn.execute("SELECT * FROM found_coverage").fetchall()
    assert (task["id"], task["state"], task["outcome"], task["revisions"]) == ("a", "concluded", "success", 1)
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


# --- brought up to date


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as conn:
        conn.row_factory = sqlite3.Row
        found = conn.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        return {name: [dict(row) for row in conn.execute(f'SELECT * FROM "{name}"')] for (name,) in found}


def columns(path: Path) -> dict[str, set[tuple[Any, ...]]]:
    """Name, type, default and the rest of every column, by table or view; and every index."""
    with closing(sqlite3.connect(path)) as conn:
        names = [n for (n,) in conn.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")]
        found = {name: {row[1:] for row in conn.execute(f'PRAGMA table_info("{name}")')} for name in names}
        found["indices"] = set(conn.execute("SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index'"))
        return found


@pytest.fixture
def old(path: Path) -> Path:
    """A database of schema 2, with something of everything in it."""
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(Path(__file__).with_name("schema_2.sql").read_text())
    return path


def test_an_older_database_is_brought_up_to_date_with_everything_kept(old: Path, tmp_path: Path) -> None:
    before = contents(old)
    assert {len(before[name]) for name in ("tasks", "refs", "results", "history", "lane", "daemon")} == {5, 2, 1}
    for _ in range(2):
        with Store(old) as store:
            assert store.read("PRAGMA user_version")[0][0] == SCHEMA_VERSION
            assert store.wrong() == []
    after = contents(old)
    assert len(after.pop("_sqlite_migrations")) == SCHEMA_VERSION
    del before["_sqlite_migrations"]
    for name, rows in before.items():
        assert [{key: row[key] for key in was} for row, was in zip(after[name], rows, strict=True)] == rows, name
    Store(tmp_path / "new.db").close()
    assert columns(old) == columns(tmp_path / "new.db"), "what older databases have changes by a migration alone"


def test_what_an_older_database_did_not_know_starts_from_nothing(old: Path) -> None:
    with Store(old) as store:
        for row in store.read("SELECT kind, seen_at, price FROM tasks"):
            assert tuple(row) == ("unseen", None, None)
        lane = lanes.get(store)
        assert (lane.reason, lane.paused_total, lane.meter) == ("rate_limited", 12, Meter(tat=1_800_000_000_000_000))
        assert learning.load(store) == Knowledge({}, 0.0, 0)
        assert lanes.first_look(store) == (None, None)


def test_an_older_database_goes_on_where_it_was(old: Path) -> None:
    with Store(old) as store:
        with store.write():
            found = tasks.due(store, 12, due_by=NOW + 500_000, limit=9)
        assert [(task.id, task.why, task.failures) for task in found] == [
            ("new", "first", 0),
            ("seen", "cadence", 0),
            ("troubled", "backoff", 2),
        ]
        way = Learned(SCHEDULE, 20_000, learning.load(store))
        for task in found:
            way.heard(task, Pending(), NOW + 500_000)
            assert way.next_look(task._replace(seen_at=NOW + 500_000), NOW + 500_000).wait >= SCHEDULE.min_interval
        told = story.show(store, "seen", schedule=SCHEDULE, price_floor=20_000)
        assert told is not None
        assert (told["class"], told["refs"]) == ("unseen", ["ACCT-1"])
        assert "the cadence goes by its age" in told["why"] or "paused" in told["why"]
        assert record(store, "seen", "another").new == ["another"]


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("SELECT * FROM tasks WHERE state = 'pending' AND due_at <= 5 ORDER BY due_at LIMIT 5", "tasks_due"),
        ("SELECT * FROM tasks WHERE state = 'pending' AND due_at <= 5 ORDER BY due_at DESC LIMIT 5", "tasks_due"),
        ("SELECT min(due_at) FROM tasks WHERE state = 'pending'", "tasks_due"),
        ("SELECT count(*) FROM tasks WHERE state = 'pending' AND due_at <= 5", "tasks_due"),
        (
            "SELECT * FROM tasks WHERE state = 'pending' AND outcome IS NULL AND seq >= 5 ORDER BY seq LIMIT 9",
            "tasks_state",
        ),
    ],
)
def test_what_every_pass_asks_is_read_in_the_order_of_an_index(tmp_path: Path, statement: str, index: str) -> None:
    """With a million pending tasks, sorting them takes a second."""
    with Store(tmp_path / "c.db") as store:
        plan = " ".join(row["detail"] for row in store.read(f"EXPLAIN QUERY PLAN {statement}"))
    assert index in plan
    assert "TEMP B-TREE" not in plan
