"""What is not moved: to a place that is taken, of a database at work, or a row that the other place does not hold."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.damaged_rows import damage
from tests.support.database import record
from tests.support.moved import NOW, Seen, content, moved
from tests.support.postgres import Cluster
from worker.core.errors import BadData, CdpollError, MovedAway, NotAllowed, StorageFailed, TryLater
from worker.place import DatabasePlace
from worker.store.batch.lock import IngestLock
from worker.store.db.lock import DaemonLock, DeliverLock
from worker.store.db.store import Store
from worker.store.moving.into_file import FileTarget
from worker.store.moving.into_server import ServerTarget
from worker.store.moving.work import rehearse
from worker.store.opening import identity_of, open_store
from worker.store.state import daemon, delivering, leases

pytestmark = pytest.mark.sqlite  # from a file, which stays one


def test_a_server_with_another_database(source: Store, cluster: Cluster, old: Path) -> None:
    place = cluster.databases.at(old, cluster.databases.new())
    with pytest.raises(BadData, match="holds another database of cdpoll"):
        moved(source, ServerTarget(place, identity_of(source)))
    with open_store(place) as store:
        assert record(store, "its own", now=NOW).new == ["its own"]


def test_a_server_with_tables_of_another_program(
    source: Store, cluster: Cluster, server: ServerTarget, empty: DatabasePlace
) -> None:
    with server.open() as store:
        store.script("CREATE TABLE invoices (n INTEGER)")
    with pytest.raises(BadData, match="holds tables of another program"):
        moved(source, server)


def test_the_place_itself(old: Path, source: Store, server: ServerTarget, empty: DatabasePlace) -> None:
    with pytest.raises(BadData, match="holds this database already"):
        moved(source, FileTarget(old, identity_of(source)))
    moved(source, server)
    with open_store(empty) as store, pytest.raises(BadData, match="holds this database already"):
        moved(store, server)


@pytest.mark.parametrize("content_of_file", [b"", b"notes of someone"])
def test_a_file_of_another_program(source: Store, tmp_path: Path, content_of_file: bytes) -> None:
    (tmp_path / "new.db").write_bytes(content_of_file)
    with pytest.raises(BadData, match="is, or was, something else"):
        moved(source, FileTarget(tmp_path / "new.db", identity_of(source)))
    assert (tmp_path / "new.db").read_bytes() == content_of_file


def test_a_file_with_another_database_and_a_place_of_one_that_was_lost(source: Store, tmp_path: Path) -> None:
    with open_store(tmp_path / "new.db", create=True) as store:
        record(store, "its own", now=NOW)
    for _ in range(2):
        with pytest.raises(BadData, match="is, or was, something else"):
            moved(source, FileTarget(tmp_path / "new.db", identity_of(source)))
        (tmp_path / "new.db").unlink(missing_ok=True)


def test_where_it_was_before_a_file_is_renamed_and_tables_are_not_replaced(
    old: Path, source: Store, server: ServerTarget, empty: DatabasePlace
) -> None:
    moved(source, server)
    before = content(source)
    source.close()
    with open_store(empty) as there:
        moved(there, FileTarget(old, identity_of(there)))
        now = content(there)
    with open_store(old) as store:
        assert content(store) == now
        renamed = min(old.parent.glob("old.db.forgotten-*"))  # what SQLite keeps beside it has a longer name
        with closing(sqlite3.connect(renamed)) as conn:
            assert conn.execute("SELECT count(*) FROM tasks").fetchone() == (len(before["tasks"]),)
        with pytest.raises(BadData, match=f"holds what was moved to {old}"):
            moved(store, server)


def test_one_that_was_moved_elsewhere(source: Store, server: ServerTarget, tmp_path: Path) -> None:
    moved(source, server)
    for again in (moved, lambda store, target: rehearse(store, target, NOW, Seen())):
        with pytest.raises(MovedAway, match=f"was moved to {server.name}"):
            again(source, FileTarget(tmp_path / "new.db", identity_of(source)))


@pytest.mark.parametrize(
    "lock",
    [
        lambda store: DaemonLock(store.path),
        lambda store: DeliverLock(store.path),
        lambda store: IngestLock(store, "file", NOW, wait=True),
        lambda store: IngestLock(store, "round", NOW, wait=True),
    ],
)
def test_a_database_at_work(
    old: Path, source: Store, server: ServerTarget, lock: Callable[[Store], DaemonLock | IngestLock]
) -> None:
    with open_store(old) as other:
        held = lock(other)
        if isinstance(held, IngestLock):
            held.__enter__()
        with pytest.raises(TryLater):
            moved(source, server)
        if isinstance(held, IngestLock):
            held.__exit__()
        else:
            held.release()
    moved(source, server)


def test_a_server_on_which_another_host_works(
    source: Store, server: ServerTarget, empty: DatabasePlace, tmp_path: Path
) -> None:
    moved(source, server)
    assert empty.server is not None
    (tmp_path / "elsewhere").mkdir()
    elsewhere = empty._replace(path=tmp_path / "elsewhere" / "cdpoll.db", server=empty.server._replace(daemon="west"))
    with open_store(empty) as store, open_store(elsewhere) as other:
        target = FileTarget(tmp_path / "back.db", identity_of(store))
        with other.write():
            daemon.beat(other, pid=1, version="1", started_at=NOW - 1, now=NOW - 80_000, token_expires_at=None)
        with pytest.raises(TryLater, match="west works on"):
            moved(store, target)
        with other.write():
            daemon.stopped(other, pid=1, started_at=NOW - 1, now=NOW - 1)
            delivering.put(other, delivering.DeliverBeat(1, "1", NOW - 1, NOW - 1, None, "west"))
        with pytest.raises(TryLater, match="west works on"):
            moved(store, target)
        with other.write():
            delivering.put(other, delivering.DeliverBeat(1, "1", NOW - 1, NOW - 1, NOW, "west"))
            assert leases.take(other, "drop", leases.mine(other), NOW, 1)
        with pytest.raises(TryLater, match="west works on"):
            moved(store, target)
        with other.write():
            leases.let_go(other, "drop", leases.mine(other))
        moved(store, target)


def test_a_user_who_does_not_own_the_tables(
    source: Store, server: ServerTarget, empty: DatabasePlace, cluster: Cluster, tmp_path: Path
) -> None:
    """It is refused before all is copied."""
    moved(source, server)
    with server.open() as store:
        store.script("CREATE ROLE stranger LOGIN")
        store.script("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO stranger")
    assert empty.server is not None
    url = empty.server.url().replace("//cdpoll@", "//stranger@")
    try:
        with open_store(empty._replace(server=empty.server._replace(url=lambda: url))) as store:
            seen = Seen()
            for go in (moved, lambda store, target, seen: rehearse(store, target, NOW, seen)):
                with pytest.raises(NotAllowed, match="its tables are another user's"):
                    go(store, FileTarget(tmp_path / "back.db", identity_of(store)), seen)
            assert seen.rows == 0
    finally:
        cluster.run("DROP OWNED BY stranger; DROP ROLE stranger", database=server.name.rpartition("/")[2])


def test_rehearsed_and_nothing_is_changed(source: Store, server: ServerTarget) -> None:
    before = content(source)
    seen = Seen()
    report = rehearse(source, server, NOW, seen)
    assert {name: one.rows for name, one in report.tables.items()} == {k: len(rows) for k, rows in before.items()}
    assert seen.rows == seen.all
    assert content(source) == before
    assert server.look() is None
    record(source, "new", now=NOW)


def refused(old: Path, go: Callable[[Store], object]) -> StorageFailed:
    """How moving it is refused; nothing has changed then."""
    with open_store(old) as source:
        with pytest.raises(StorageFailed) as raised:
            go(source)
        record(source, "goes on", now=NOW)
    return raised.value


def test_a_nul_in_a_text(old: Path, server: ServerTarget) -> None:
    with closing(sqlite3.connect(old)) as conn, conn:
        conn.execute("UPDATE lookups SET ref = 'SECRET' || char(0) || 'REF'")
        conn.execute("UPDATE refs SET ref = 'SECRET' || char(0) WHERE task = 2")
    for go in (lambda store: moved(store, server), lambda store: rehearse(store, server, NOW, Seen())):
        error = refused(old, go)
        assert error.message == (
            "row 2 of refs in the order of its key cannot be moved: column ref holds a NUL,"
            " and a server's text has none"
        )
    with closing(sqlite3.connect(old)) as conn, conn:
        conn.execute("UPDATE refs SET ref = 'REF' WHERE task = 2")
    assert refused(old, lambda store: moved(store, server)).message.startswith("row 1 of lookups cannot be moved")
    with server.open() as store:
        assert store.version() == 0


def test_a_key_that_is_too_long_for_a_server(old: Path, server: ServerTarget) -> None:
    with closing(sqlite3.connect(old)) as conn, conn:
        conn.execute("UPDATE refs SET ref = hex(randomblob(9000)) WHERE task = 2")
    error = refused(old, lambda store: moved(store, server))
    assert error.message == ("row 2 of refs in the order of its key cannot be moved: its key is too long for a server")


def test_a_nul_goes_from_file_to_file(old: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(old)) as conn, conn:
        conn.execute("UPDATE lookups SET ref = 'SECRET' || char(0) || 'REF'")
    with open_store(old) as source:
        moved(source, FileTarget(tmp_path / "new.db", identity_of(source)))
        with open_store(tmp_path / "new.db") as store:
            assert content(store) == content(source)


def test_a_value_of_another_type(old: Path, server: ServerTarget) -> None:
    damage(old, "b", "polls", "SECRET")
    error = refused(old, lambda store: moved(store, server))
    assert error.message == "row 2 of tasks cannot be moved: column polls holds something that is no INTEGER"


def test_a_text_that_cannot_be_decoded(old: Path, server: ServerTarget) -> None:
    with closing(sqlite3.connect(old)) as conn, conn:
        conn.execute("UPDATE tasks SET name = CAST(x'53ff45' AS TEXT) WHERE seq = 2")
    error = refused(old, lambda store: moved(store, server))
    assert error.message == f"{old}: a text in row 2 of tasks, column name, cannot be decoded"


def test_a_row_that_refers_to_nothing(old: Path, server: ServerTarget, tmp_path: Path) -> None:
    with closing(sqlite3.connect(old)) as conn, conn:
        conn.execute("INSERT INTO failed_polls (task, at, error) VALUES (4711, 1, 'timeout')")
    for target in (server, FileTarget(tmp_path / "new.db", server._identity)):
        refused(old, lambda store, target=target: moved(store, target))  # type: ignore[misc]


def test_a_row_that_a_file_holds_once(
    source: Store, server: ServerTarget, empty: DatabasePlace, tmp_path: Path
) -> None:
    moved(source, server)
    with server.open() as store:
        store.script("ALTER TABLE unreadable DISABLE TRIGGER USER")
        store.script(
            "INSERT INTO unreadable (raw, reason, ref, first_at, last_at) SELECT raw, 'X', ref, 1, 1 FROM unreadable"
        )
    with open_store(empty) as there:
        with pytest.raises(StorageFailed) as raised:
            moved(there, FileTarget(tmp_path / "back.db", identity_of(there)))
        assert raised.value.message == (
            "row 2 of unreadable cannot be moved: UNIQUE constraint failed: unreadable.raw, unreadable.ref"
        )
        record(there, "goes on", now=NOW)
    assert not (tmp_path / "back.db").exists()


def test_a_server_that_cannot_be_reached(old: Path, source: Store, cluster: Cluster) -> None:
    place = cluster.databases.at(old, "nowhere")
    with pytest.raises(CdpollError, match="does not exist"):
        ServerTarget(place, identity_of(source))
