"""The database is emptied, removed, replaced or damaged: that is said, and nothing is made in its place."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cdpoll_process import DEADLINE, House, until
from tests.support.scripted_vendor import ScriptedVendor, found
from worker.store.opening import SCHEMA_VERSION

COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("db", "integrity"),
    ("db", "migrate"),
    ("tasks",),
    ("show", "a"),
    ("retry", "a"),
    ("run", "--once"),
    ("record", "b"),
    ("ingest", os.devnull),
)


def names(house: House) -> set[str]:
    """What lies beside the database, but for locks."""
    return {one.name for one in house.database.parent.iterdir() if not one.name.endswith((".queue", ".writer"))}


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.fixture
def house(tmp_path: Path, scripted: ScriptedVendor) -> House:
    scripted.say = found
    return House(tmp_path, **scripted.keys())


def complete(house: House, typed: str) -> list[str]:
    """What a shell is offered."""
    ended = subprocess.run(
        [*house.line()[:1]],
        env=house.environment(
            _CDPOLL_COMPLETE="bash_complete", COMP_WORDS=f"cdpoll show {typed}", COMP_CWORD="2",
            CDPOLL_CONFIG=str(house.config),
        ),
        capture_output=True, text=True, timeout=DEADLINE, check=True,
    )  # fmt: skip
    return [line.partition(",")[2] for line in ended.stdout.splitlines() if line]


@pytest.mark.parametrize("lose", [emptied, Path.unlink])
def test_a_lost_database_is_not_taken_for_a_new_one(house: House, lose: Callable[[Path], None]) -> None:
    house.record("a")
    assert complete(house, "a") == ["a"]
    lose(house.database)
    before = names(house)
    for command in COMMANDS:
        ended = house.cdpoll(*command, check=74)
        assert "restore" in ended.err, command
        assert "cdpoll db forget" in ended.err, command
        assert names(house) == before, command
        assert not house.database.exists() or house.database.stat().st_size == 0, command
    assert house.cdpoll("status", "--check", check=3).text.startswith("CDPOLL UNKNOWN")
    assert complete(house, "a") == []
    assert names(house) == before
    assert "--yes" in house.cdpoll("db", "forget", check=2).err
    assert names(house) == before
    forgotten = house.cdpoll("db", "forget", "--yes", "--json", check=0).json
    assert forgotten["forgotten"]
    assert house.record("b")["recorded"] == ["b"]
    assert house.cdpoll("db", "forget", "--yes", check=0).text.startswith(str(house.database))
    assert house.status()["tasks"]["pending"] == 1
    assert house.cdpoll("run", "--once", check=0)


def test_where_there_never_was_one_only_record_run_and_ingest_make_one(house: House, tmp_path: Path) -> None:
    for command in COMMANDS[:-3]:
        assert "no such database yet" in house.cdpoll(*command, check=74).err
        assert not house.database.parent.exists()
    assert complete(house, "") == []
    assert "nothing to forget" in house.cdpoll("db", "forget", check=0).text
    for command in (("record", "b"), ("run", "--once"), ("ingest", os.devnull)):
        shutil.rmtree(house.database.parent, ignore_errors=True)
        assert house.cdpoll(*command).code in (0, 1)
        assert house.status()["problems"] is not None


def test_first_commands_at_one_moment_lose_no_id(house: House) -> None:
    for turn in range(3):
        shutil.rmtree(house.database.parent, ignore_errors=True)
        crowd = [
            subprocess.Popen(house.line("record", f"id-{turn}-{n}"), env=house.environment(), stdout=subprocess.DEVNULL)
            for n in range(8)
        ]
        assert [one.wait(DEADLINE) for one in crowd] == [0] * 8
        assert house.value("SELECT count(*) FROM tasks") == 8


@pytest.mark.parametrize("journal", ["wal", "truncate"])
@pytest.mark.parametrize("put_back", [True, False])
def test_a_record_whose_database_is_taken_away_does_not_say_that_it_is_done(
    house: House, journal: str, put_back: bool
) -> None:
    house.write(store_journal=journal)
    house.record("a")
    with subprocess.Popen(
        house.line("record", "--jsonl", "-"),
        env=house.environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as recording:  # fmt: skip
        assert recording.stdin is not None
        assert recording.stderr is not None
        recording.stdin.write(b'{"id": "b"}\n')
        recording.stdin.flush()
        until(lambda: house.value("SELECT count(*) FROM tasks") == 2, "the first line is recorded")
        copy = house.folder / "copy.db"
        with closing(sqlite3.connect(house.database)) as conn, closing(sqlite3.connect(copy)) as target:
            conn.backup(target)
        for one in house.database.parent.glob("cdpoll.db*"):
            one.unlink()
        if put_back:
            copy.rename(house.database)
        recording.stdin.write(b'{"id": "c"}\n')
        recording.stdin.close()
        assert recording.wait(DEADLINE) == 74
        assert b"removed or replaced" in recording.stderr.read()


# What stands in a row may be patient data.
DAMAGED = b"M\xfcller"


def test_a_damaged_text_holds_up_no_other_task_and_is_shown_nowhere(house: House) -> None:
    house.record("a", "b", "c")
    house.record("--correlation-id", "x", "--ref", "y", "d")
    with closing(sqlite3.connect(house.database)) as conn, conn:
        for column in ("name", "correlation_id", "trace_id", "last_trace_id", "last_error", "reason", "task_class"):
            conn.execute(f"UPDATE tasks SET {column} = CAST(:text AS TEXT) WHERE id = 'b'", [DAMAGED])
        conn.execute("UPDATE refs SET ref = CAST(:text AS TEXT)", [DAMAGED])
        conn.execute("INSERT INTO curves VALUES (CAST(:text AS TEXT), CAST(:text AS TEXT))", {"text": DAMAGED})
        notice = "INSERT INTO notices (daemon, code, at, detail) VALUES ('cdpoll', 'toy', 1, CAST(:text AS TEXT))"
        conn.execute(notice, {"text": DAMAGED})
    wrong = house.cdpoll("db", "integrity", "--json", check=74).json["wrong"]
    assert any("of tasks, column correlation_id, cannot be decoded" in line for line in wrong)
    with house.start() as daemon:
        daemon.ready()
        until(lambda: house.value("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 4, "all are concluded")
        assert daemon.stopped() == 0
        said = ["\n".join(daemon.heard_by_now()), house.log.read_text(), *wrong]
    for command in (("status",), ("tasks",), ("show", "b"), ("show", "d")):
        ended = house.cdpoll(*command, check=0)
        said.append(ended.err)
    assert not [text for text in said if "ller" in text]
    assert {"damaged_text"} <= {problem["code"] for problem in house.status()["problems"]}


# --- an earlier release


def test_who_brings_an_earlier_database_up_to_date(house: House) -> None:
    house.record("a")
    house.rows(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
    for command, code in ((("record", "b"), 75), (("status",), 74), (("tasks",), 74), (("show", "a"), 74)):
        assert "cdpoll db migrate" in house.cdpoll(*command, check=code).err
    assert house.rows("PRAGMA user_version") == [(SCHEMA_VERSION - 1,)]
    house.cdpoll("db", "migrate", check=0)
    house.cdpoll("record", "b", check=0)
    assert house.rows("SELECT id FROM tasks ORDER BY id") == [("a",), ("b",)]
