"""Databases of earlier schemas are brought up to date with every row kept, and end up like new ones."""

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from tests.support.cdpoll_process import ROOT, House, small_files
from worker.core.errors import StorageFailed
from worker.store.db.store import SCHEMA_VERSION, Store
from worker.store.schema.migrations import schema

# Of what each migration leaves, comments included. One that differs means that a migration was changed in place, and
# that databases made before keep the old schema for ever: add a migration instead.
LEFT_BY = {
    "m0001_tasks_and_results": "3d7e2dd02a57365584b9c98b13c1b96af0609fe02fa732896c72a8867fe5c669",
    "m0002_batches": "eba6c4e920bd0b019df801d79e9c6afcee7651eaeabd0dcac111e1ad36e525bb",
    "m0003_learned_schedule": "8e46de4d80af656032010d6635032ee3589bf7b812dda774bd567cabab2796a2",
    "m0004_tests_and_what_is_gone": "2e71c2f06269d1a264b18800a749d1127e584abe8fcb7b95db9caec12e6a2ea7",
    "m0005_due_tasks_first": "fd3635776171b64b8e294f1b39b2f7c042f21a2af23d91b19fcf9309388651c2",
    "m0006_checks_at_less_cost": "74ab89b8ad6a8e24e12d7e44277a48fb56021ae87541df0510a1e326149e8c1d",
}
MIGRATIONS = tuple(LEFT_BY)

TABLES = ["tasks", "refs", "results", "paths", "history", "files", "envelopes", "sets", "answers", "candidates"]
TABLES += ["texts", "remote_files", "unreadable", "notices", "meta", "lane", "daemon"]


def made(path: Path, last: str) -> None:
    """A database as a build left it whose last migration was ``last``."""
    number = MIGRATIONS.index(last) + 1
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.row_factory = sqlite3.Row
        conn.execute("PRAGMA legacy_alter_table = ON")
        schema.apply(Database(conn, execute_plugins=False, strict=True), stop_before=MIGRATIONS[number:])
        conn.execute(f"PRAGMA user_version = {number}")


def described(path: Path) -> dict[tuple[str, str], str]:
    """Every table, index, view and trigger, with its statement on one line."""
    with closing(sqlite3.connect(path)) as conn:
        rows = conn.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    return {(kind, name): " ".join((sql or "").replace('"', "").split()) for kind, name, sql in rows}


def every_row(path: Path) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(path)) as conn:
        conn.row_factory = sqlite3.Row
        return {name: [dict(row) for row in conn.execute(f"SELECT * FROM {name}")] for name in TABLES}


def insert(conn: sqlite3.Connection, table: str, **values: Any) -> None:
    names = ", ".join(values)
    conn.execute(f"INSERT INTO {table} ({names}) VALUES (:{', :'.join(values)})", values)


SAID = ["level", "coverage", "payer", "payer_id", "member_id", "last_name", "first_name", "birth_date", "plan"]
SAID += ["group_number", "group_name", "other_payers", "rejections", "reference", "trace_number", "originator_id"]


def fill(path: Path) -> None:
    """What a house has after a while: every state and every word of schema 2, with gaps between the numbers."""
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("PRAGMA foreign_keys = ON")
        insert(conn, "meta", key="k", value="v")
        insert(conn, "notices", code="unreadable", at=1, detail="one")
        insert(conn, "unreadable", raw="<x>", reason="no id", ref="", first_at=1, last_at=2)
        insert(conn, "daemon", id=1, pid=7, version="0.1", started_at=1, beat_at=2)
        conn.execute("UPDATE lane SET paused_total = 5, tat = 6")
        for seq, state, outcome, due in ((3, "pending", None, 9), (5, "concluded", "success", None)):
            about = {"state": state, "outcome": outcome, "due_at": due, "trace_number": f"t{seq}"}
            common = {"origin": "https://api.example", "source": "id", "recorded_at": 1}
            insert(conn, "tasks", seq=seq, id=f"task{seq}", life_from=1, paused_base=0, **about, **common)
            insert(conn, "refs", task=seq, ref=f"ref{seq}", added_at=1)
            insert(conn, "history", task=seq, at=1, event="recorded")
        insert(conn, "results", seq=2, task=5, source="poll", revision=1, received_at=1, body=b"{}", derived=1)
        insert(conn, "paths", result=2, list="successful", position=0, name="Payer", status="active")
        insert(conn, "texts", sha256="aa", result=2)
        insert(conn, "answers", seq=1, result=2, list="successful", position=0, **dict.fromkeys(SAID, "polled"))
        states = ("staging", "ingested", "quarantined", "incomplete", "skipped")
        for seq, state in enumerate(states, 4):
            about = {"source": "sftp", "sha256": f"f{seq}", "size": seq, "reason": "why", "first_at": 1, "done_at": 2}
            counts = {"interchanges": 1, "transaction_sets": 4, "matched": seq, "warnings": '["w"]'}
            insert(conn, "files", seq=seq, name=f"{seq}.edi", state=state, **about, **counts)
        interchange = json.dumps({"number": "000000001", "test": False})
        insert(conn, "envelopes", seq=6, file=5, interchange=interchange, grouped="{}")
        for seq, state in ((11, "accepted"), (13, "quarantined"), (14, "other"), (17, "dropped")):
            about = {"file": 5, "envelope": 6, "code": "271", "control": "0001", "version": "005010X279A1"}
            place = {"byte_offset": seq, "byte_length": 3, "segments": 2, "sha256": f"s{seq}", "raw": b"ST\x00\xff~"}
            insert(conn, "sets", seq=seq, state=state, issues='["i"]', **about, **place)
        for seq, word, task in ((21, "matched", 3), (22, "candidate", None), (24, "unmatched", None)):
            insert(conn, "results", seq=seq, task=task, source="batch", revision=1, received_at=1, body=b"{}")
            said = {**dict.fromkeys(SAID, "batch"), "coverage": "active"}
            insert(conn, "answers", seq=seq + 10, result=seq, from_set=11, match=word, **said)
        insert(conn, "candidates", answer=32, task=3, reason="name and birth date")
        for name, state in ((b"a\xff", "seen"), (b"b", "fetching"), (b"c", "fetched"), (b"d", "done")):
            values = {"shown": name.decode("latin-1"), "size": 1, "mtime": 2, "seen_at": 3, "attempts": 4, "tidy": 1}
            insert(conn, "remote_files", name=name, state=state, **values)
        # The last file and the last result ever were purged: their numbers are not for others.
        conn.execute("UPDATE sqlite_sequence SET seq = 40 WHERE name = 'files'")
        conn.execute("UPDATE sqlite_sequence SET seq = 50 WHERE name = 'results'")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of schema 2 that was in use."""
    found = tmp_path / "cdpoll.db"
    made(found, "m0002_batches")
    fill(found)
    return found


@pytest.mark.parametrize("last", MIGRATIONS)
def test_a_migration_is_never_changed_in_place(tmp_path: Path, last: str) -> None:
    made(tmp_path / "cdpoll.db", last)
    ours = (text for (_, name), text in described(tmp_path / "cdpoll.db").items() if text and "sqlite_" not in name)
    assert hashlib.sha256("\n".join(ours).encode()).hexdigest() == LEFT_BY[last]


def test_every_migration_counts() -> None:
    assert len(MIGRATIONS) == SCHEMA_VERSION


def test_every_row_stays_as_it_was(path: Path) -> None:
    before = every_row(path)
    assert [name for name, rows in before.items() if not rows] == []
    Store(path).close()
    after = every_row(path)
    for name, rows in before.items():
        assert [{key: row[key] for key in rows[0]} for row in after[name]] == rows
    assert {row["test_answers"] for row in after["files"]} == {0}


def test_numbers_that_were_used_are_not_used_again(path: Path) -> None:
    with Store(path) as store, store.write():
        values = "('new.edi', 'path', 'new', 1, 'ingested', 1, 1)"
        store.execute(f"INSERT INTO files (name, source, sha256, size, state, first_at, done_at) VALUES {values}")
        store.execute("INSERT INTO results (source, revision, received_at, body) VALUES ('batch', 1, 1, x'00')")
        assert store.read("SELECT max(seq) FROM files")[0][0] == 41
        assert store.read("SELECT max(seq) FROM results")[0][0] == 51


def test_a_table_that_was_emptied_keeps_its_numbers_too(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("DELETE FROM files")
    with Store(path) as store:
        assert store.read("SELECT seq FROM sqlite_sequence WHERE name = 'files'")[0][0] == 40
        assert store.read("SELECT count(*) FROM sqlite_sequence")[0][0] == 2


@pytest.mark.parametrize("last", MIGRATIONS)
def test_one_brought_up_to_date_is_like_a_new_one(tmp_path: Path, last: str) -> None:
    made(tmp_path / "old.db", last)
    Store(tmp_path / "old.db").close()
    Store(tmp_path / "new.db").close()
    assert described(tmp_path / "old.db") == described(tmp_path / "new.db")


def test_a_build_between_that_had_the_new_tables_already(path: Path) -> None:
    Store(path).close()
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("UPDATE files SET test_answers = 8")
        conn.execute("UPDATE sets SET state = 'test' WHERE seq = 11")
        # It had neither, and what is rebuilt has the checks of that time again.
        again = "('m0004_tests_and_what_is_gone', 'm0006_checks_at_less_cost')"
        conn.execute(f"DELETE FROM _sqlite_migrations WHERE name IN {again}")
        conn.execute("PRAGMA user_version = 3")
    before = every_row(path), described(path)
    Store(path).close()
    assert (every_row(path), described(path)) == before


NEW_WORDS = (
    "UPDATE sets SET state = 'test' WHERE seq = 13",
    "UPDATE answers SET match = 'test' WHERE seq = 31",
    "UPDATE remote_files SET state = 'gone' WHERE name = x'62'",
    "UPDATE files SET test_answers = 1 WHERE seq = 5",
)


@pytest.mark.parametrize("statement", NEW_WORDS)
def test_new_words_are_accepted_and_nonsense_is_not(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as conn, pytest.raises((sqlite3.IntegrityError, sqlite3.OperationalError)):
        conn.execute(statement)
    with Store(path) as store:
        with store.write():
            assert store.execute(statement) == 1
        with pytest.raises(StorageFailed), store.write():
            store.execute(statement.replace("'test'", "'nonsense'").replace("'gone'", "''").replace("= 1", "= 'one'"))


def test_what_is_held_back_as_a_test_is_seen_as_one(path: Path) -> None:
    with Store(path) as store:
        seen = "SELECT match, test FROM batch_answers ORDER BY match"
        assert [tuple(row) for row in store.read(seen)] == [("candidate", 0), ("matched", 0), ("unmatched", 0)]
        found = "SELECT source, count(*) FROM found_coverage GROUP BY source"
        assert [tuple(row) for row in store.read(found)] == [("batch", 3), ("poll", 1)]
        with store.write():
            store.execute("UPDATE sets SET state = 'test' WHERE seq = 11")
        assert len(store.read(seen)) == 3
        assert [tuple(row) for row in store.read(found)] == [("poll", 1)]
        assert [row["seq"] for row in store.read("SELECT seq FROM kept_results")] == [2]


def test_references_hold_again_afterwards(path: Path) -> None:
    with Store(path) as store:
        assert store.read("PRAGMA foreign_keys")[0][0] == 1
        assert store.read("PRAGMA legacy_alter_table")[0][0] == 0
        with pytest.raises(StorageFailed), store.write():
            store.execute("UPDATE sets SET file = 99")
        with store.write():
            store.execute("DELETE FROM files WHERE seq = 5")
        for name in ("envelopes", "sets", "candidates"):
            assert store.read(f"SELECT * FROM {name}") == []
        assert [row["seq"] for row in store.read("SELECT seq FROM answers")] == [1]
        assert store.wrong() == []


def test_what_somebody_added_over_the_tables_stays(path: Path) -> None:
    added = {
        (
            "view",
            "theirs",
        ): "CREATE VIEW theirs AS SELECT sets.seq FROM sets JOIN answers ON answers.from_set = sets.seq",
        ("view", "over_ours"): "CREATE VIEW over_ours AS SELECT answer FROM batch_answers",
        ("index", "sets_control"): "CREATE INDEX sets_control ON sets (control)",
        ("trigger", "named"): "CREATE TRIGGER named AFTER DELETE ON sets BEGIN DELETE FROM meta WHERE key = 'k'; END",
    }
    with closing(sqlite3.connect(path)) as conn:
        for statement in added.values():
            conn.execute(statement)
    Store(path).close()
    assert added.items() <= described(path).items()
    with Store(path) as store:
        assert len(store.read("SELECT * FROM theirs")) == len(store.read("SELECT * FROM over_ours")) == 3
        assert len(store.read("SELECT * FROM meta")) == 1


def test_a_row_that_refers_to_nothing_stops_it_with_nothing_changed(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("DELETE FROM envelopes")
    before = every_row(path), described(path)
    for _ in range(2):
        with pytest.raises(StorageFailed) as caught:
            Store(path)
        assert "a row of sets" in caught.value.message
        assert caught.value.hint
    assert (every_row(path), described(path)) == before
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA user_version").fetchone()[0] == 2


def test_a_full_disk_leaves_it_as_it_was(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("UPDATE sets SET raw = zeroblob(100000)")
    before = every_row(path), described(path)
    with small_files(path.stat().st_size + 4096), pytest.raises(StorageFailed):
        Store(path)
    assert (every_row(path), described(path)) == before
    Store(path).close()
    assert described(path) != before[1]


# One of several processes: for each line it reads it opens a database, and says what came of it.
ONE_OF_MANY = """
import sys
from worker.store.schema import migrations
from worker.store.db.store import Store

print("here", flush=True)
for path in sys.stdin:
    try:
        with Store(path.strip()) as store:
            assert store.wrong() == []
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    else:
        print("ok", flush=True)
"""


def test_eight_processes_bring_one_database_up_to_date(path: Path, tmp_path: Path) -> None:
    before = every_row(path)
    line = [sys.executable, "-c", ONE_OF_MANY]
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(
                subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)
            )
            for _ in range(8)
        ]
        answers = [one.stdout.readline for one in crowd if one.stdout is not None]
        assert [answer() for answer in answers] == ["here\n"] * 8
        for turn in range(5):
            copy = tmp_path / f"copy{turn}.db"
            shutil.copy(path, copy)
            for one in crowd:
                assert one.stdin is not None
                one.stdin.write(f"{copy}\n")
                one.stdin.flush()
            assert [answer() for answer in answers] == ["ok\n"] * 8
            after = every_row(copy)
            assert {name: len(rows) for name, rows in after.items()} == {name: len(v) for name, v in before.items()}


def test_cdpoll_finds_it_whole_and_shows_what_was_in_it(path: Path, tmp_path: Path) -> None:
    house = House(tmp_path, store_path=str(path))
    assert house.cdpoll("db", "integrity", "--json", check=0).json == {"database": str(path), "ok": True, "wrong": []}
    assert [one["id"] for one in house.cdpoll("tasks", "--json", check=0).json["tasks"]] == ["task3", "task5"]
