"""The database: what is acknowledged is there for everybody, and what fails leaves nothing behind."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.database import NOW, ORIGIN, SCHEDULE, record, task_of
from tests.support.engine import elsewhere
from worker.core.errors import BadConfiguration, TryLater
from worker.core.intake.intake import Recording
from worker.core.intake.link import Unreadable
from worker.core.pacing.breaker import Breaker
from worker.core.pacing.limiter import LimiterState
from worker.core.pacing.shared import Shared
from worker.core.schedule.state import ScheduleState
from worker.store.db.lock import DaemonLock
from worker.store.db.sqlite import wal_is_safe
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import api, daemon
from worker.store.tasks import polling as tasks
from worker.store.tasks import recording, tallies
from worker.store.tasks.recording import record as record_ids


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path, create=True) as opened:
        yield opened


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
    api.bind_origin(store, ORIGIN)
    assert elsewhere(path, "SELECT value FROM meta WHERE key = 'api_origin'") == [(ORIGIN,)]
    breaker = Breaker("credentials", "http_403", NOW, NOW + 5, 1, 2)
    shared = Shared(breaker, LimiterState(3, 4, 5, 6, 7, 8), ScheduleState(9.5, -10, 11))
    with store.write():
        api.put(store, shared)
    columns = "reason, code, paused_at, resumes_at, probes, paused_total, tat_us, pace, day, spent"
    assert elsewhere(path, f"SELECT {columns} FROM api") == [
        ("credentials", "http_403", NOW, NOW + 5, 1, 2, 3, 4, 7, 8)
    ]
    assert api.get(store) == shared
    with store.write():
        daemon.beat(store, pid=1, version="v", started_at=NOW, now=NOW + 1, token_expires_at=NOW + 9)
    assert elsewhere(path, "SELECT pid, version, started_at, beat_at, stopped_at, token_expires_at FROM daemons") == [
        (1, "v", NOW, NOW + 1, None, NOW + 9)
    ]
    with store.write():
        daemon.stopped(store, pid=1, started_at=NOW, now=NOW + 2)
    assert elsewhere(path, "SELECT stopped_at FROM daemons") == [(NOW + 2,)]
    with store.write():
        claimed = tasks.due(store, 0, NOW, 1, due_by=NOW * 2)
        tasks.lease(store, [task.seq for task in claimed], NOW * 3)
    assert [(task.seq, task.id) for task in claimed] == [(1, "a")]
    assert elsewhere(path, "SELECT leased_until FROM tasks") == [(NOW * 3,)]


def test_more_ids_than_one_commit_holds(store: Store, path: Path) -> None:
    ids = [f"t{n}" for n in range(recording.COMMIT_ROWS * 2 + 1)]
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
        old = task_of(store, 1)
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
    assert elsewhere(path, "SELECT * FROM meta WHERE key = 'k'") == []
    record(store, "a")


# --- durability


@pytest.mark.sqlite
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


@pytest.mark.sqlite
@pytest.mark.parametrize(("journal", "mode"), [("wal", "wal"), ("truncate", "truncate"), ("auto", None)])
def test_every_connection_is_durable(path: Path, journal: str, mode: str | None) -> None:
    expected = mode or ("wal" if wal_is_safe(sqlite3.sqlite_version_info) else "truncate")
    for _ in range(2):
        with open_store(path, journal, create=True) as store:
            assert store.read("PRAGMA synchronous")[0][0] == 2  # FULL
            assert store.read("PRAGMA journal_mode")[0][0] == expected
            assert store.read("PRAGMA foreign_keys")[0][0] == 1


@pytest.mark.sqlite
@pytest.mark.parametrize(("before", "then"), [("wal", "truncate"), ("truncate", "wal")])
def test_the_journal_can_be_changed_with_what_is_there(path: Path, before: str, then: str) -> None:
    with open_store(path, before, create=True) as store:
        record(store, "a")
    with open_store(path, then, create=True) as store:
        assert store.read("PRAGMA journal_mode")[0][0] == then
        assert tallies.by_state(store)["pending"] == 1


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
    api.bind_origin(store, ORIGIN)
    api.bind_origin(store, ORIGIN)
    assert elsewhere(path, "SELECT origin FROM tasks") == [(ORIGIN,)]
    with pytest.raises(BadConfiguration) as caught:
        api.bind_origin(store, "https://other.example")
    assert ORIGIN in caught.value.message
    assert elsewhere(path, "SELECT value FROM meta WHERE key = 'api_origin'") == [(ORIGIN,)]


def test_an_id_recorded_without_an_api_joins_the_one_the_database_belongs_to(store: Store, path: Path) -> None:
    api.bind_origin(store, ORIGIN)
    recording = Recording("later", "link", host="api.example")
    record_ids(store, [recording], (), origin="", now=NOW, schedule=SCHEDULE)
    assert elsewhere(path, "SELECT origin FROM tasks") == [(ORIGIN,)]
    assert elsewhere(path, "SELECT event FROM history") == []


def test_a_link_that_named_another_host_is_noted(store: Store, path: Path) -> None:
    record_ids(store, [Recording("a", "link", host="elsewhere.example")], (), origin=ORIGIN, now=NOW, schedule=SCHEDULE)
    ((event, detail),) = elsewhere(path, "SELECT event, detail FROM history")
    assert event == "foreign_host"
    assert "elsewhere.example" in detail
