"""How a database comes to the present schema: made anew, brought up from an earlier release, or refused.

The real steps so far are small. So a next version of the schema stands in for larger ones.
"""

import hashlib
import re
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
from tests.support.database import DONE, conclude, record
from worker.core.errors import StorageFailed
from worker.store import opening
from worker.store.opening import OLDEST_VERSION, SCHEMA_VERSION, open_store
from worker.store.schema import creation, migrations, server

pytestmark = pytest.mark.sqlite

NEXT = SCHEMA_VERSION + 1


def unseen() -> None:
    """Who looks on while it is brought up to date."""


def next_step(db: Database) -> None:
    """What a release may bring: a new column, a column that must be filled from now on, a new table, another view."""
    db.table("sets").transform(not_null={"sha256"}, defaults={"sha256": ""})
    db.table("notices").add_column("seen_by", str)
    db.table("purges").create({"seq": int, "at": int}, pk="seq", not_null={"at"})
    db.execute("DROP VIEW kept_results")
    db.execute("CREATE VIEW kept_results AS SELECT results.* FROM results WHERE results.source <> 'batch'")


@pytest.fixture
def released(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next version of the schema is there."""
    monkeypatch.setattr(opening, "SCHEMA_VERSION", NEXT)
    monkeypatch.setitem(migrations.STEPS, NEXT, next_step)


def described(path: Path) -> dict[tuple[str, str], str]:
    """Every table, index, view and trigger, with its statement on one line."""
    with closing(sqlite3.connect(path)) as conn:
        rows = conn.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    return {(kind, name): " ".join((sql or "").replace('"', "").split()) for kind, name, sql in rows}


def every_row(path: Path) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(path)) as conn:
        conn.row_factory = sqlite3.Row
        names = [name for kind, name in described(path) if kind == "table" and not name.startswith("sqlite_")]
        return {name: [dict(row) for row in conn.execute(f"SELECT * FROM {name}")] for name in names}


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as conn:
        return int(conn.execute("PRAGMA user_version").fetchone()[0])


def insert(conn: sqlite3.Connection, table: str, **values: Any) -> None:
    names = ", ".join(values)
    conn.execute(f"INSERT INTO {table} ({names}) VALUES (:{', :'.join(values)})", values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of the present version that is in use, with something in the tables that the next one changes."""
    found = tmp_path / "cdpoll.db"
    with open_store(found, create=True) as store:
        record(store, "a", "b", ref="r")
        conclude(store, DONE)
    with closing(sqlite3.connect(found)) as conn, conn:
        insert(conn, "notices", code="unreadable", at=1, detail="one")
        about = {"name": "5.edi", "source": "sftp", "size": 5, "first_at": 1, "done_at": 2}
        insert(conn, "files", seq=5, sha256="f5", state="ingested", **about)
        insert(conn, "envelopes", seq=6, file=5, interchange="{}", grouped="{}", test=0)
        place = {"byte_offset": 1, "byte_length": 3, "segments": 2, "raw": b"ST\x00\xff~", "version": "005010X279A1"}
        for seq in (11, 13):
            about = {"file": 5, "envelope": 6, "state": "accepted", "code": "271", "control": "0001"}
            insert(conn, "sets", seq=seq, sha256=f"s{seq}", **about, **place)
    return found


# --- a new one


def test_a_new_database_is_what_the_file_says(path: Path) -> None:
    script = creation.SCHEMA.read_text()
    statements = list(creation.statements(script))
    assert len([one for one in statements if "CREATE" in one]) == len(
        [sql for sql in described(path).values() if sql and not sql.startswith("CREATE TABLE sqlite_")]
    )
    assert "".join("".join(statements).split()) == "".join(script.split()), "no statement is left out"
    assert version(path) == SCHEMA_VERSION
    with open_store(path, create=True) as store:
        assert store.wrong() == []


# Of the statements of both files in this version, without comments and spaces. One that differs means that the schema
# was changed: raise SCHEMA_VERSION and add a step for each engine. The schema of 0.1.0 is 30, and stays as it is.
STATEMENTS = {
    30: (
        "4dd8aa44fa612550c62012035c972c8481095b322ac5db680807524bb53d5c72",
        "9ff2f9380f4abb1e472ba6797fc65c71fbd609dad924f01a5cbe72cf03311bdc",
    )
}


def test_a_change_of_the_schema_has_a_number_of_its_own() -> None:
    scripts = (re.sub(r"--[^\n]*", "", path.read_text()) for path in (creation.SCHEMA, server.SCHEMA))
    hashes = tuple(hashlib.sha256("".join(code.split()).encode()).hexdigest() for code in scripts)
    assert {SCHEMA_VERSION: hashes} == STATEMENTS


# --- an earlier release


@pytest.mark.usefixtures("released")
def test_it_is_brought_up_to_date_with_every_row_kept(path: Path) -> None:
    before = every_row(path)
    for _ in range(2):
        open_store(path, migrate=unseen).close()
        after = every_row(path)
        assert after.pop("purges") == []
        for name, rows in before.items():
            assert [{key: row[key] for key in was} for row, was in zip(after[name], rows, strict=True)] == rows, name
    assert version(path) == NEXT
    assert [row["seen_by"] for row in after["notices"]] == [None]
    with closing(sqlite3.connect(path)) as conn, pytest.raises(sqlite3.IntegrityError):
        conn.execute("UPDATE sets SET sha256 = NULL")


@pytest.mark.usefixtures("released")
def test_references_hold_again_afterwards(path: Path) -> None:
    with open_store(path, migrate=unseen) as store:
        assert store.read("PRAGMA foreign_keys")[0][0] == 1
        assert store.read("PRAGMA legacy_alter_table")[0][0] == 0
        with pytest.raises(StorageFailed), store.write():
            store.execute("UPDATE sets SET file = 99")
        with store.write():
            store.execute("DELETE FROM files WHERE seq = 5")
        assert store.read("SELECT * FROM envelopes") == store.read("SELECT * FROM sets") == []
        assert store.wrong() == []


@pytest.mark.usefixtures("released")
def test_what_somebody_added_over_the_tables_stays(path: Path) -> None:
    added = {
        ("view", "theirs"): "CREATE VIEW theirs AS SELECT sets.seq FROM sets JOIN files ON files.seq = sets.file",
        ("view", "over_ours"): "CREATE VIEW over_ours AS SELECT seq FROM kept_results",
        ("index", "sets_control"): "CREATE INDEX sets_control ON sets (control)",
    }
    with closing(sqlite3.connect(path)) as conn:
        for statement in added.values():
            conn.execute(statement)
    open_store(path, migrate=unseen).close()
    there = described(path)
    assert {key: there[key].replace("[", "").replace("]", "") for key in added} == added
    with open_store(path, migrate=unseen) as store:
        assert (len(store.read("SELECT * FROM theirs")), len(store.read("SELECT * FROM over_ours"))) == (2, 1)


@pytest.mark.usefixtures("released")
def test_a_row_that_refers_to_nothing_stops_it_with_nothing_changed(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("DELETE FROM envelopes")
    before = every_row(path), described(path)
    for _ in range(2):
        with pytest.raises(StorageFailed) as caught:
            open_store(path, migrate=unseen)
        assert "a row of sets" in caught.value.message
        assert caught.value.hint
    assert (every_row(path), described(path), version(path)) == (*before, SCHEMA_VERSION)


@pytest.mark.usefixtures("released")
def test_a_full_disk_leaves_it_as_it_was(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("UPDATE sets SET raw = zeroblob(100000)")
    before = every_row(path), described(path)
    with small_files(path.stat().st_size + 4096), pytest.raises(StorageFailed):
        open_store(path, migrate=unseen)
    assert (every_row(path), described(path), version(path)) == (*before, SCHEMA_VERSION)
    open_store(path, migrate=unseen).close()
    assert version(path) == NEXT


# One of several processes: for each line it reads it opens a database, and says what came of it.
ONE_OF_MANY = f"""
import sys
from tests.store.test_migrations import NEXT, next_step
from worker.store import opening
from worker.store.schema import migrations

opening.SCHEMA_VERSION = NEXT
migrations.STEPS[NEXT] = next_step
print("here", flush=True)
for path in sys.stdin:
    try:
        with opening.open_store(path.strip(), migrate=lambda: None) as store:
            assert store.version() == {NEXT} and store.wrong() == []
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    else:
        print("ok", flush=True)
"""


def test_four_processes_bring_one_database_up_to_date(path: Path, tmp_path: Path) -> None:
    before = every_row(path)
    line = [sys.executable, "-c", ONE_OF_MANY]
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(
                subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)
            )
            for _ in range(4)
        ]
        answers = [one.stdout.readline for one in crowd if one.stdout is not None]
        assert [answer() for answer in answers] == ["here\n"] * 4
        for turn in range(3):
            copy = tmp_path / f"copy{turn}.db"
            shutil.copy(path, copy)
            for one in crowd:
                assert one.stdin is not None
                one.stdin.write(f"{copy}\n")
                one.stdin.flush()
            said = [answer() for answer in answers]
            assert "ok\n" in said
            assert all(one == "ok\n" or "TryLater another cdpoll already works on" in one for one in said), said
            assert version(copy) == NEXT
            after = every_row(copy)
            assert {name: len(after[name]) for name in before} == {name: len(rows) for name, rows in before.items()}


# --- the steps that there are


def columns(path: Path) -> dict[str, set[str]]:
    with closing(sqlite3.connect(path)) as conn:
        tables = [name for kind, name in described(path) if kind == "table"]
        # With those that are computed, which table_info leaves out.
        return {table: {str(row[1:4]) for row in conn.execute(f"PRAGMA table_xinfo({table})")} for table in tables}


def as_it_was_in_14(conn: sqlite3.Connection) -> None:
    for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
        conn.execute(f"DROP VIEW {name}")
    conn.execute("CREATE VIEW found_coverage AS SELECT seq FROM answers")
    conn.execute("ALTER TABLE tasks DROP COLUMN polls_outlived")
    for table in ("problems", "acts", "deliveries", "ways", "cursors", "leases"):
        conn.execute(f"DROP TABLE {table}")
    conn.execute("DELETE FROM counters WHERE name = 'later_refs'")
    # DROP COLUMN cannot: it stumbles over the comments between the columns.
    conn.execute("PRAGMA writable_schema = ON")
    (sql,) = conn.execute("SELECT sql FROM sqlite_master WHERE name = 'answers'").fetchone()
    older = re.sub(r"(said TEXT)\b.*\) STRICT", r"\1) STRICT", sql, flags=re.DOTALL)
    conn.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'answers'", [older])
    (sql,) = conn.execute("SELECT sql FROM sqlite_master WHERE name = 'outbox'").fetchone()
    older = re.sub(r"\n    at INTEGER,[^\n]*", "", sql)
    conn.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'outbox'", [older])
    conn.execute("PRAGMA writable_schema = RESET")


def views(path: Path) -> dict[tuple[str, str], str]:
    return {key: sql for key, sql in described(path).items() if key[0] == "view"}


def test_each_version_since_the_oldest_has_its_step() -> None:
    assert sorted(migrations.STEPS) == list(range(OLDEST_VERSION + 1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("whole", [False, True], ids=["as it was", "with the new columns already"])
def test_a_database_of_the_oldest_version_gets_what_it_lacks(path: Path, whole: bool) -> None:
    wanted = columns(path), views(path)
    with closing(sqlite3.connect(path)) as conn, conn:
        if not whole:
            as_it_was_in_14(conn)
        conn.execute(f"PRAGMA user_version = {OLDEST_VERSION}")
    house = House(path.parent, store_path=str(path))
    assert "cdpoll db migrate" in house.cdpoll("record", "c", check=75).err
    house.cdpoll("db", "migrate", check=0)
    assert ((columns(path), views(path)), version(path)) == (wanted, SCHEMA_VERSION)
    assert version(path.with_name(f"cdpoll.db.schema-{OLDEST_VERSION}")) == OLDEST_VERSION
    house.cdpoll("record", "c", check=0)
    assert [row["id"] for row in every_row(path)["tasks"]] == ["a", "b", "c"]


# --- an early build


def early_build(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("CREATE TABLE tasks (seq INTEGER PRIMARY KEY, id TEXT, why TEXT)")
        conn.execute("INSERT INTO tasks (id) VALUES ('a')")
        conn.execute(f"PRAGMA user_version = {OLDEST_VERSION - 1}")


def test_a_database_of_an_early_build_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "cdpoll.db"
    early_build(path)
    before = every_row(path), described(path)
    with pytest.raises(StorageFailed) as caught:
        open_store(path, create=True)
    assert "from an early build" in caught.value.message
    assert "\n" not in caught.value.message
    assert "move it away" in caught.value.hint
    assert (every_row(path), described(path), version(path)) == (*before, OLDEST_VERSION - 1)


def test_a_command_says_so_in_a_line_and_exits_74(tmp_path: Path) -> None:
    path = tmp_path / "cdpoll.db"
    early_build(path)
    house = House(tmp_path, store_path=str(path))
    for command in (("status",), ("record", "b")):
        assert "from an early build" in house.cdpoll(*command, check=74).err
