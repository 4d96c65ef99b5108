"""The database: what is acknowledged is there for everybody, and what fails leaves nothing behind."""

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from tests.cdpoll_process import ROOT, small_files
from worker.core.document import fingerprint, read_paths
from worker.core.errors import BadConfiguration, StorageFailed, TryLater
from worker.core.intake import Recording
from worker.core.lane import Lane
from worker.core.limit import Meter
from worker.core.link import Unreadable
from worker.core.reply import Concluded, Pending, Unreachable
from worker.core.schedule import Schedule
from worker.core.task import Task, after
from worker.store import lanes, look, recording, results, story, tasks
from worker.store.db import SCHEMA_VERSION, Store, wal_is_safe
from worker.store.lock import DaemonLock
from worker.store.recording import Recorded
from worker.store.recording import record as record_ids

NOW = 1_800_000_000_000
SCHEDULE = Schedule()
ORIGIN = "https://api.example"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdpoll.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


def record(store: Store, *ids: str, now: int = NOW, **about: Any) -> Recorded:
    recordings = [Recording(task_id, "id", **about) for task_id in ids]
    return record_ids(store, recordings, (), origin=ORIGIN, now=now, schedule=SCHEDULE)


def elsewhere(path: Path, sql: str, *params: object) -> list[tuple[Any, ...]]:
    """What a second connection sees, waiting for nobody."""
    with closing(sqlite3.connect(path, timeout=0)) as conn:
        return conn.execute(sql, params).fetchall()


def concluded(document: dict[str, Any]) -> Concluded:
    body = json.dumps(document).encode()
    return Concluded(document["status"], body, fingerprint(document), read_paths(document), ended_at=NOW - 1)


DONE: dict[str, Any] = {
    "id": "a",
    "status": "success",
    "discoveryPaths": {
        "successful": [{"id": "p", "name": "Medicare", "transaction": {"status": "eligible", "chcPayerId": "PAY"}}],
        "unsuccessful": [{"name": "HMO", "transaction": {"status": "payer_unavailable"}}],
    },
}


# --- what is acknowledged


def test_what_was_recorded_is_seen_by_everybody(store: Store, path: Path) -> None:
    done = record(store, "a", "b", "a", ref="account 7", correlation_id="c")
    assert (done.new, done.known, done.abandoned) == (["a", "b"], [], [])
    assert elsewhere(path, "SELECT id, state, origin FROM tasks ORDER BY seq") == [
        ("a", "pending", ORIGIN),
        ("b", "pending", ORIGIN),
    ]
    assert elsewhere(path, "SELECT ref, correlation_id FROM refs") == [("account 7", "c")] * 2


def test_every_public_write_is_seen_by_a_second_connection(store: Store, path: Path) -> None:
    record(store, "a")
    lanes.bind_origin(store, ORIGIN)
    assert elsewhere(path, "SELECT value FROM meta WHERE key = 'api_origin'") == [(ORIGIN,)]
    with store.write():
        lanes.put(store, Lane("credentials", "http_403", NOW, NOW + 5, 1, 2, Meter(3, 4, 5, 6, 7, 8)))
    columns = "reason, code, paused_at, resumes_at, probes, paused_total, tat, pace, day, spent"
    assert elsewhere(path, f"SELECT {columns} FROM lane") == [
        ("credentials", "http_403", NOW, NOW + 5, 1, 2, 3, 4, 7, 8)
    ]
    assert lanes.get(store) == Lane("credentials", "http_403", NOW, NOW + 5, 1, 2, Meter(3, 4, 5, 6, 7, 8))
    with store.write():
        lanes.beat(store, pid=1, version="v", started_at=NOW, now=NOW + 1, token_expires_at=NOW + 9)
    assert elsewhere(path, "SELECT pid, version, started_at, beat_at, stopped_at, token_expires_at FROM daemon") == [
        (1, "v", NOW, NOW + 1, None, NOW + 9)
    ]
    with store.write():
        lanes.stopped(store, NOW + 2)
    assert elsewhere(path, "SELECT stopped_at FROM daemon") == [(NOW + 2,)]
    with store.write():
        claimed = tasks.due(store, 0, due_by=NOW * 2, limit=1)
        tasks.lease(store, [task.seq for task in claimed], NOW * 3)
    assert [(task.seq, task.id) for task in claimed] == [(1, "a")]
    assert elsewhere(path, "SELECT due_at FROM tasks") == [(NOW * 3,)]


def test_more_ids_than_one_commit_holds(store: Store, path: Path) -> None:
    ids = [f"t{n}" for n in range(recording.CHUNK * 2 + 1)]
    assert record(store, *ids).new == ids
    assert elsewhere(path, "SELECT count(*) FROM tasks") == [(len(ids),)]
    assert record(store, *ids).known == ids


def test_a_known_id_gets_further_refs_and_what_was_not_known_of_it(store: Store, path: Path) -> None:
    record(store, "a", ref="one", correlation_id="first")
    done = record(store, "a", now=NOW + 1, ref="two", correlation_id="second", trace_number="T1", member_id="M")
    assert (done.new, done.known) == ([], ["a"])
    assert record(store, "a", now=NOW + 2, ref="two").known == ["a"]
    assert elsewhere(path, "SELECT correlation_id, trace_number, member_id, recorded_at FROM tasks") == [
        ("first", "T1", "M", NOW)
    ]
    assert elsewhere(path, "SELECT ref FROM refs ORDER BY ref") == [("one",), ("two",)]
    assert elsewhere(path, "SELECT event FROM history") == [("ref_added",)]


def test_an_abandoned_id_recorded_again_stays_so_and_is_named(store: Store) -> None:
    record(store, "a")
    with store.write():
        old = tasks.get(store, 1, 0)
        assert old is not None
        assert tasks.save(store, old, old._replace(state="abandoned", due_at=None), NOW)
    done = record(store, "a", "b")
    assert (done.new, done.known, done.abandoned) == (["b"], ["a"], ["a"])


def test_what_could_not_be_read_is_kept_once(store: Store, path: Path) -> None:
    for now in (NOW, NOW + 5):
        broken = [Unreadable("<…>", "no id")]
        record_ids(store, [], broken, origin=ORIGIN, now=now, schedule=SCHEDULE)
    assert elsewhere(path, "SELECT raw, reason, first_at, last_at FROM unreadable") == [("<…>", "no id", NOW, NOW + 5)]


def test_the_first_look_comes_after_the_cadence_and_never_at_once(store: Store) -> None:
    record(store, "a")
    due_at = tasks.next_due(store)
    assert due_at is not None
    assert NOW + 9_000 <= due_at <= NOW + 11_000
    assert tasks.next_due(store, [1]) is None
    assert tasks.next_due(store, only=frozenset({1})) == due_at
    assert tasks.next_due(store, only=frozenset({2})) is None
    assert tasks.next_due(store, only=frozenset()) is None


def test_a_failing_block_leaves_nothing(store: Store, path: Path) -> None:
    def half() -> None:
        with store.write():
            store.execute("INSERT INTO meta (key, value) VALUES ('k', 'v')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert elsewhere(path, "SELECT * FROM meta") == []
    assert not store.conn.in_transaction
    record(store, "a")


# --- durability


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 49, 9), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_wal_only_where_it_carries_the_fix(version: tuple[int, ...], safe: bool) -> None:
    assert wal_is_safe(version) is safe


@pytest.mark.parametrize(("journal", "mode"), [("wal", "wal"), ("truncate", "truncate"), ("auto", None)])
def test_every_connection_is_durable(path: Path, journal: str, mode: str | None) -> None:
    expected = mode or ("wal" if wal_is_safe(sqlite3.sqlite_version_info) else "truncate")
    for _ in range(2):
        with Store(path, journal) as store:
            assert store.read("PRAGMA synchronous")[0][0] == 2  # FULL
            assert store.read("PRAGMA journal_mode")[0][0] == expected
            assert store.read("PRAGMA foreign_keys")[0][0] == 1


@pytest.mark.parametrize(("before", "then"), [("wal", "truncate"), ("truncate", "wal")])
def test_the_journal_can_be_changed_with_what_is_there(path: Path, before: str, then: str) -> None:
    with Store(path, before) as store:
        record(store, "a")
    with Store(path, then) as store:
        assert store.read("PRAGMA journal_mode")[0][0] == then
        assert look.pending(store) == 1


# --- many at once


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_many_threads_recording_at_once_lose_nothing(path: Path, journal: str) -> None:
    wrong: list[str] = []
    gate = threading.Barrier(8)

    def work(who: int) -> None:
        gate.wait()
        try:
            with Store(path, journal) as store:
                for n in range(10):
                    record(store, f"w{who}-{n}", "everybodys", ref=f"{who}-{n}")
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert elsewhere(path, "SELECT count(*) FROM tasks") == [(81,)]
    assert elsewhere(path, "SELECT count(*) FROM refs") == [(160,)]


# One of sixteen processes: for each line it reads it opens a database, records, and says what came of it.
ONE_OF_MANY = """
import sys
from worker.core.intake import Recording
from worker.core.schedule import Schedule
from worker.store.db import Store
from worker.store import migrations  # so that all are as near to the lock as can be
from worker.store.recording import record

who = sys.argv[1]
print("here", flush=True)
for path in sys.stdin:
    try:
        with Store(path.strip()) as store:
            for n in range(3):
                ids = [Recording(name, "id", ref=f"{who}-{n}") for name in (f"w{who}-{n}", "everybodys")]
                record(store, ids, (), origin="", now=1_800_000_000_000, schedule=Schedule())
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    else:
        print("ok", flush=True)
"""


def test_sixteen_processes_create_one_database_in_a_new_folder_and_lose_nothing(tmp_path: Path) -> None:
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ONE_OF_MANY, str(who)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    cwd=ROOT,
                    text=True,
                )
            )
            for who in range(16)
        ]
        answers = [one.stdout.readline for one in crowd if one.stdout is not None]
        assert [answer() for answer in answers] == ["here\n"] * 16
        for turn in range(3):
            path = tmp_path / f"new{turn}" / "cdpoll.db"
            for one in crowd:
                assert one.stdin is not None
                one.stdin.write(f"{path}\n")
                one.stdin.flush()
            assert [answer() for answer in answers] == ["ok\n"] * 16
            assert elsewhere(path, "SELECT count(*) FROM tasks") == [(49,)]
            assert elsewhere(path, "SELECT count(*) FROM refs") == [(96,)]
            assert elsewhere(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


def test_a_new_folder_that_somebody_else_makes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Path.mkdir

    def slower(self: Path, *args: Any, **kwargs: Any) -> None:
        make(self, mode=0o700)
        make(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", slower)
    with Store(tmp_path / "new" / "cdpoll.db") as store:
        assert look.pending(store) == 0


def test_a_writer_waits_for_another_and_says_so_when_it_takes_too_long(path: Path, store: Store) -> None:
    with Store(path, timeout=0.05) as impatient:
        with store.write():
            store.execute("INSERT INTO meta (key, value) VALUES ('k', 'v')")
            with pytest.raises(TryLater) as caught, impatient.write():
                pass
            assert caught.value.exit_code == 75
            assert caught.value.hint
        with impatient.write():
            impatient.execute("INSERT INTO meta (key, value) VALUES ('l', 'v')")
    assert elsewhere(path, "SELECT count(*) FROM meta") == [(2,)]


def test_a_commit_that_a_reader_prevents_is_rolled_back_and_the_connection_stays_usable(path: Path) -> None:
    with Store(path, "truncate", timeout=0.05) as store, closing(sqlite3.connect(path)) as reader:
        record(store, "a", "b", "c")
        cursor = reader.execute("SELECT id FROM tasks")
        assert cursor.fetchone() == ("a",)
        with pytest.raises(TryLater), store.write():
            store.execute("INSERT INTO meta (key, value) VALUES ('k', 'v')")
        assert not store.conn.in_transaction
        cursor.close()
        assert elsewhere(path, "SELECT count(*) FROM meta") == [(0,)]
        with store.write():
            store.execute("INSERT INTO meta (key, value) VALUES ('k', 'w')")
        assert elsewhere(path, "SELECT value FROM meta") == [("w",)]


def test_no_read_keeps_others_from_writing(path: Path) -> None:
    """Under TRUNCATE an open cursor makes everybody's COMMIT fail; so no read may leave one behind."""
    with Store(path, "truncate") as one, Store(path, "truncate", timeout=0) as other:
        record(one, *(f"t{n}" for n in range(50)))
        keep = [
            one.read("SELECT * FROM tasks"),
            one.one("SELECT * FROM tasks"),
            tasks.next_due(one),
            tasks.get(one, 1, 0),
            lanes.get(one),
            lanes.last_beat(one),
            look.status(one, NOW, look.Terms(SCHEDULE), None),
            story.show(one, "t1", body=True),
        ]
        record(other, "new")
        assert len(keep) == 8
        with one.write():
            claim(one, NOW * 2, NOW * 3, limit=3)
        record(other, "newer")


# --- what cannot be opened or written


def test_a_newer_schema_is_refused(path: Path) -> None:
    Store(path).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(BadConfiguration) as caught:
        Store(path)
    assert caught.value.exit_code == 78
    assert "newer" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o770, 0o755, 0o777])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_file_is_as_private_as_its_folder(tmp_path: Path, mode: int, umask: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(mode)
    before = os.umask(umask)
    try:
        with Store(folder / "cdpoll.db", "wal") as store:
            record(store, "a")
            found = {p.name: p.stat().st_mode & 0o777 for p in folder.iterdir()}
    finally:
        os.umask(before)
    shared = 0o060 & ~umask if mode & 0o020 else 0
    assert set(found.values()) == {0o600 | shared}
    assert "cdpoll.db-wal" in found


def test_a_folder_that_is_missing_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    Store(tmp_path / "new" / "cdpoll.db").close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_where_no_file_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "cdpoll.db", tmp_path / "no" / "such" / "cdpoll.db", tmp_path / "folder"):
        with pytest.raises(StorageFailed) as caught:
            Store(path)
        assert caught.value.exit_code == 74
        assert str(path.parent) in caught.value.message + caught.value.hint
        assert "may write there" in caught.value.hint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"something of somebody else's, and not short\n" * 50)
    with pytest.raises(StorageFailed) as caught:
        Store(path)
    assert "restore" in caught.value.hint
    assert path.read_bytes() == b"something of somebody else's, and not short\n" * 50


def test_a_database_that_is_no_longer_writable(path: Path, store: Store) -> None:
    store.conn.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageFailed) as caught:
        record(store, "a")
    assert "write there" in caught.value.hint
    store.conn.execute("PRAGMA query_only = OFF")
    assert record(store, "a").new == ["a"]


def test_a_full_database_takes_nothing_by_halves(path: Path, store: Store) -> None:
    record(store, "before")
    pages = store.read("PRAGMA page_count")[0][0]
    store.read(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StorageFailed) as caught:
        record(store, *(f"t{n}" for n in range(400)))
    assert "space" in caught.value.hint
    assert not store.conn.in_transaction
    assert elsewhere(path, "SELECT id FROM tasks") == [("before",)]
    store.read("PRAGMA max_page_count = 100000")
    assert len(record(store, *(f"t{n}" for n in range(400))).new) == 400


@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_a_full_disk_takes_nothing_by_halves(path: Path, journal: str) -> None:
    with Store(path, journal) as store:
        record(store, "before")
        with small_files(path.stat().st_size + 4096), pytest.raises(StorageFailed) as caught:
            record(store, *(f"t{n}" for n in range(400)))
        assert caught.value.hint
        assert not store.conn.in_transaction
        assert elsewhere(path, "SELECT id FROM tasks") == [("before",)]
        assert len(record(store, *(f"t{n}" for n in range(400))).new) == 400
        assert store.read("PRAGMA integrity_check")[0][0] == "ok"


def test_a_disk_too_full_for_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "cdpoll.db"
    with small_files(8192), pytest.raises(StorageFailed):
        Store(path)
    with Store(path) as store:
        assert record(store, "a").new == ["a"]


# --- the schema


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


# --- claims


def claim(store: Store, due_by: int, until: int, **how: Any) -> list[str]:
    found = tasks.due(store, 0, due_by=due_by, **how)
    tasks.lease(store, [task.seq for task in found], until)
    return [task.id for task in found]


def test_claims_take_the_longest_due_first_and_push_the_lease(store: Store, path: Path) -> None:
    for n, at in enumerate((30, 10, 20, 99)):
        record(store, f"t{n}", now=NOW + at * 1000)
    due = dict(elsewhere(path, "SELECT id, due_at FROM tasks"))
    with store.write():
        claimed = claim(store, due["t0"], NOW * 2, limit=2)
    assert claimed == ["t1", "t2"]
    with store.write():
        assert claim(store, due["t0"], NOW * 2, limit=9) == ["t0"]
    assert dict(elsewhere(path, "SELECT id, due_at FROM tasks")) == {
        **dict.fromkeys(("t0", "t1", "t2"), NOW * 2),
        "t3": due["t3"],
    }


def test_claims_leave_out_what_is_in_the_air_and_probe_with_the_calm_ones(store: Store) -> None:
    record(store, "troubled", now=NOW)
    record(store, "calm", now=NOW + 1000)
    with store.write():
        old = tasks.get(store, 1, 0)
        assert old is not None
        tasks.save(store, old, old._replace(failures=3), NOW)
    with store.write():
        assert claim(store, NOW * 2, NOW * 3, limit=1, calm=True) == ["calm"]
        assert claim(store, NOW * 4, NOW * 3, limit=9, not_seqs=[2]) == ["troubled"]


def test_only_pending_tasks_are_claimed(store: Store) -> None:
    record(store, "a", "b")
    conclude(store, DONE)
    with store.write():
        old = tasks.get(store, 2, 0)
        assert old is not None
        tasks.save(store, old, old._replace(state="abandoned", due_at=None), NOW)
        assert claim(store, NOW * 9, NOW * 9, limit=9) == []


# --- saving


def conclude(store: Store, document: dict[str, Any], seq: int = 1, now: int = NOW + 60_000) -> results.Kept:
    reply = concluded(document)
    with store.write():
        old = tasks.get(store, seq, 0)
        assert old is not None
        tasks.save(store, old, after(old, reply, now, SCHEDULE), now, concluded_by="poll")
        return results.add(store, seq, reply, "poll", now)


def test_what_a_look_changed_is_there_with_its_history(store: Store) -> None:
    record(store, "a")
    states: list[Task] = []
    looks: list[Any] = [Unreachable("timeout"), Unreachable("timeout"), Pending("Default", NOW), concluded(DONE)]
    for n, reply in enumerate(looks):
        with store.write():
            old = tasks.get(store, 1, 0)
            assert old is not None
            new = after(old, reply, NOW + n, SCHEDULE)
            assert tasks.save(store, old, new, NOW + n, concluded_by="poll")
        kept = tasks.get(store, 1, 0)
        assert kept == new
        states.append(new)
    assert [s.failures for s in states] == [1, 2, 0, 0]
    told = story.show(store, "a")
    assert told is not None
    assert [h["event"] for h in told["history"]] == ["recorded", "failing", "recovered", "seen", "concluded"]
    assert (told["state"], told["outcome"], told["concluded_by"]) == ("concluded", "success", "poll")


def test_a_concluded_task_is_never_changed(store: Store, path: Path) -> None:
    record(store, "a")
    with store.write():
        old = tasks.get(store, 1, 0)
        assert old is not None
    conclude(store, DONE)
    before = elsewhere(path, "SELECT * FROM tasks"), elsewhere(path, "SELECT * FROM history")
    late: list[Any] = [Pending("Other"), Unreachable("timeout"), concluded({**DONE, "status": "failure"})]
    for reply in late:
        with store.write():
            assert not tasks.save(store, old, after(old, reply, NOW * 2, SCHEDULE), NOW * 2, concluded_by="callback")
    assert (elsewhere(path, "SELECT * FROM tasks"), elsewhere(path, "SELECT * FROM history")) == before


def test_a_late_result_concludes_an_abandoned_task(store: Store, path: Path) -> None:
    record(store, "a")
    with store.write():
        old = tasks.get(store, 1, 0)
        assert old is not None
        tasks.save(store, old, old._replace(state="abandoned", due_at=None), NOW)
    assert elsewhere(path, "SELECT abandoned_at FROM tasks") == [(NOW,)]
    assert conclude(store, DONE) == "first"
    assert elsewhere(path, "SELECT state, outcome, abandoned_at FROM tasks") == [("concluded", "success", None)]


# --- results


def test_the_body_is_kept_byte_for_byte_with_its_paths(store: Store, path: Path) -> None:
    record(store, "a")
    body = b'{"id": "a",\n "status": "success", "name": "Caf\xe9", "discoveryPaths": {}}'
    reply = replace(concluded(DONE), body=body)
    with store.write():
        assert results.add(store, 1, reply, "poll", NOW) == "first"
    sha = hashlib.sha256(body).hexdigest()
    assert elsewhere(
        path, "SELECT body, body_sha256, source, revision, outcome, received_at, ended_at FROM results"
    ) == [(body, sha, "poll", 1, "success", NOW, NOW - 1)]
    assert elsewhere(path, "SELECT list, position, name, status, payer_id FROM paths ORDER BY list") == [
        ("successful", 0, "Medicare", "eligible", "PAY"),
        ("unsuccessful", 0, "HMO", "payer_unavailable", None),
    ]
    assert story.first_body(store, "a") == body


def test_one_result_per_task_and_revisions_beside_it(store: Store, path: Path) -> None:
    record(store, "a")
    real = {"id": "rt", "transaction": {"status": "eligible"}}
    other = {**DONE, "endDateTime": "2026-01-01T00:00:00Z"}
    said: list[tuple[dict[str, Any], str, int]] = [
        (DONE, "first", 1),
        (DONE, "same", 1),
        ({**DONE, "traceId": "t", "tenantName": "n", "realTime": {}}, "same", 1),
        ({**DONE, "realTime": real}, "fuller", 1),
        (DONE, "same", 1),
        ({**DONE, "realTime": real}, "same", 1),
        (other, "revision", 2),
        (other, "same", 2),
        ({**other, "realTime": real}, "fuller", 2),
        ({**DONE, "realTime": {"id": "another"}}, "revision", 3),
        (DONE, "same", 3),
        ({**DONE, "realTime": {"id": "another"}}, "same", 3),
    ]
    for document, kept, rows in said:
        assert conclude(store, document) == kept, document
        assert elsewhere(path, "SELECT count(*), max(revision) FROM results") == [(rows, rows)]
    assert json.loads(elsewhere(path, "SELECT body FROM results WHERE revision = 1")[0][0])["realTime"] == real
    for body, sha in elsewhere(path, "SELECT body, body_sha256 FROM results"):
        assert hashlib.sha256(body).hexdigest() == sha


# --- the daemon's lock, and the origin


def test_one_daemon_per_database(path: Path, store: Store) -> None:
    lock = DaemonLock(path)
    with pytest.raises(TryLater) as caught:
        DaemonLock(path)
    assert caught.value.exit_code == 75
    lock.release()
    DaemonLock(path).release()


def test_a_database_belongs_to_the_first_api_it_was_used_with(store: Store, path: Path) -> None:
    record_ids(store, [Recording("early", "id")], (), origin="", now=NOW, schedule=SCHEDULE)
    lanes.bind_origin(store, ORIGIN)
    lanes.bind_origin(store, ORIGIN)
    assert elsewhere(path, "SELECT origin FROM tasks") == [(ORIGIN,)]
    with pytest.raises(BadConfiguration) as caught:
        lanes.bind_origin(store, "https://other.example")
    assert ORIGIN in caught.value.message
    assert elsewhere(path, "SELECT value FROM meta") == [(ORIGIN,)]


def test_an_id_recorded_without_an_api_joins_the_one_the_database_belongs_to(store: Store, path: Path) -> None:
    lanes.bind_origin(store, ORIGIN)
    recording = Recording("later", "link", host="api.example")
    record_ids(store, [recording], (), origin="", now=NOW, schedule=SCHEDULE)
    assert elsewhere(path, "SELECT origin FROM tasks") == [(ORIGIN,)]
    assert elsewhere(path, "SELECT event FROM history") == []


def test_a_link_that_named_another_host_is_noted(store: Store, path: Path) -> None:
    record_ids(store, [Recording("a", "link", host="elsewhere.example")], (), origin=ORIGIN, now=NOW, schedule=SCHEDULE)
    ((event, detail),) = elsewhere(path, "SELECT event, detail FROM history")
    assert event == "foreign_host"
    assert "elsewhere.example" in detail
