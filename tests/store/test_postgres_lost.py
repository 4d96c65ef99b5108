"""Locks that others hold, and connections that are lost: what is waited for, what is made anew, what never happens."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.support.cdpoll_process import ROOT, until
from tests.support.database import NOW, record
from tests.support.postgres import Cluster, Mode
from worker.clock import Clock
from worker.core.errors import ServerLost, StorageFailed, TryLater
from worker.place import DatabasePlace
from worker.store.db.postgres import PostgresStore
from worker.store.db.store import Store
from worker.store.opening import SCHEMA_VERSION, open_store

PUT = "INSERT INTO meta (key, value) VALUES (:k, 'v')"


def keys(store: Store) -> list[str]:
    found = store.read("SELECT key FROM meta WHERE value = 'v' ORDER BY key")
    return [row["key"] for row in found]


def url_of(place: DatabasePlace) -> str:
    assert place.server is not None
    return place.server.url()


@contextmanager
def away(cluster: Cluster, how: Mode | str) -> Iterator[None]:
    """Meanwhile the server does not run."""
    if how == "kill":
        cluster.kill()
    else:
        cluster.stop(how)  # type: ignore[arg-type]
    try:
        yield
    finally:
        cluster.start()


def cut(cluster: Cluster, place: DatabasePlace) -> None:
    """End the sessions of this database, as a restart of the server does."""
    database = place.server.shown.rpartition("/")[2] if place.server else ""
    cluster.run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", database)


@contextmanager
def writing(place: DatabasePlace) -> Iterator[psycopg.Connection]:
    """Another process, which holds the lock of all writers meanwhile."""
    with psycopg.connect(url_of(place)) as other:
        other.execute("SELECT id FROM api WHERE id = 1 FOR UPDATE")
        yield other


def is_waiting(cluster: Cluster) -> bool:
    return bool(cluster.run("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


# --- the lock of all writers


def test_who_writes_second_reads_what_the_first_has_committed(
    cluster: Cluster, place: DatabasePlace, server_store: Store, threads: ThreadPoolExecutor
) -> None:
    def second() -> list[str]:
        with open_store(place) as store, store.write():
            seen = keys(store)
            store.execute(PUT, {"k": "second"})
        return seen

    with writing(place) as other:
        later = threads.submit(second)
        until(lambda: is_waiting(cluster), "the second one waits for the lock")
        other.execute("INSERT INTO meta (key, value) VALUES ('first', 'v')")
    assert later.result() == ["first"]
    assert keys(server_store) == ["first", "second"]


@pytest.mark.usefixtures("server_store")
def test_who_has_waited_long_enough_says_so_and_can_go_on(place: DatabasePlace) -> None:
    with open_store(place, timeout=0.01) as impatient:
        with writing(place):
            for _ in range(2):
                with pytest.raises(TryLater, match="lock timeout") as caught, impatient.write():
                    pass
                assert "pg_stat_activity" in caught.value.hint
            assert keys(impatient) == []
            assert not isinstance(caught.value, ServerLost)
        record(impatient, "a")


def test_many_make_the_tables_and_one_does(cluster: Cluster, path: Path, threads: ThreadPoolExecutor) -> None:
    name = cluster.databases.new("empty")
    gate = threading.Barrier(8)

    def work(who: int) -> list[str]:
        gate.wait()
        with open_store(cluster.databases.at(path, name), create=True) as store:
            return record(store, f"w{who}", "everybodys").new

    try:
        with pytest.raises(StorageFailed, match="no tables of cdpoll"):
            open_store(cluster.databases.at(path, name))
        done = [one.result() for one in [threads.submit(work, who) for who in range(8)]]
        assert sum("everybodys" in new for new in done) == 1
        assert cluster.run("SELECT count(*) FROM tasks", database=name) == [(9,)]
    finally:
        cluster.databases.leave([name])


def test_who_has_waited_for_the_tables_sees_that_they_are_there(
    cluster: Cluster, path: Path, threads: ThreadPoolExecutor
) -> None:
    """A session remembers for some time that there was no table of a name; until very much else has changed."""
    name = cluster.databases.new("empty")
    place = cluster.databases.at(path, name)
    with PostgresStore(place) as first:
        with first.rebuilding():
            later = threads.submit(lambda: open_store(place, create=True).close())
            until(lambda: is_waiting(cluster), "the second one waits for the lock")
            first.script("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            first.script("INSERT INTO meta (key, value) VALUES ('identity', 'i')")
            first.set_version(SCHEMA_VERSION)
        later.result()
    cluster.databases.leave([name])


# Takes the lock of all writers, and is then stopped or killed.
WRITER = """
import os, sys
from pathlib import Path
from worker.place import DatabasePlace, Server
from worker.store.opening import SCHEMA_VERSION, open_store
place = DatabasePlace(Path("cdpoll.db"), server=Server(lambda: sys.argv[1], "shown", "host-b", tells_time=False))
with open_store(place) as store, store.write():
    store.execute("INSERT INTO meta (key, value) VALUES ('frozen', 'v')")
    print("writing", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def writer(place: DatabasePlace) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the middle of a transaction."""
    command = [sys.executable, "-c", WRITER, url_of(place)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"writing\n"
            yield process
        finally:
            process.kill()


def test_a_writer_that_was_killed_holds_up_no_other(place: DatabasePlace) -> None:
    with writer(place) as process:
        process.kill()
        with open_store(place, timeout=1) as other:  # a second: this is the promise
            record(other, "a")
            assert keys(other) == []


def test_a_frozen_writer_loses_the_lock_and_all_that_it_did(place: DatabasePlace) -> None:
    with writer(place) as process:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        with open_store(place, timeout=5) as other:  # so is this
            record(other, "a")
            process.send_signal(signal.SIGCONT)
            _, said = process.communicate(b"go on\n")
            assert process.returncode == 1
            assert b"ServerLost" in said
            assert keys(other) == []


# --- a server that is not there


@pytest.mark.parametrize("how", ["fast", "immediate", "kill"])
def test_the_next_read_or_transaction_connects_anew(
    cluster: Cluster, place: DatabasePlace, server_store: Store, how: str
) -> None:
    record(server_store, "a")
    with open_store(place) as reader, open_store(place) as writer:
        with away(cluster, how):
            with pytest.raises(ServerLost) as caught:
                reader.read("SELECT id FROM tasks")
            assert "cdpoll goes on" in caught.value.hint
            with pytest.raises(ServerLost):
                record(writer, "b")
            with pytest.raises(ServerLost):
                open_store(place)
        assert [row["id"] for row in reader.read("SELECT id FROM tasks")] == ["a"]
        assert record(writer, "b").new == ["b"]
    # One that has seen nothing of it, and then the same in the other order.
    assert record(server_store, "c").new == ["c"]


@pytest.mark.parametrize("does", ["reads", "writes"])
def test_a_session_that_was_ended_between_two_transactions_is_no_failure(
    cluster: Cluster, place: DatabasePlace, server_store: Store, does: str
) -> None:
    record(server_store, "a")
    cut(cluster, place)
    if does == "reads":
        assert [row["id"] for row in server_store.read("SELECT id FROM tasks")] == ["a"]
    else:
        assert record(server_store, "b").new == ["b"]


def test_one_that_was_closed_connects_no_more(cluster: Cluster, place: DatabasePlace) -> None:
    with open_store(place) as store:
        pass
    with pytest.raises(TryLater, match="closed"):
        keys(store)
    with pytest.raises(TryLater, match="closed"):
        record(store, "a")
    assert store.conn.closed


@pytest.mark.parametrize("then", ["writes", "reads", "commits"])
def test_what_was_cut_inside_a_transaction_never_goes_on_outside_of_one(
    cluster: Cluster, place: DatabasePlace, server_store: Store, then: str
) -> None:
    told: list[str] = []
    server_store.journal = told.append

    def cut_short() -> None:
        with server_store.write():
            server_store.tell("a line")
            server_store.execute(PUT, {"k": "before"})
            cut(cluster, place)
            if then == "writes":
                with pytest.raises(ServerLost):
                    server_store.execute(PUT, {"k": "after"})
                with pytest.raises(ServerLost):  # the second time it is known that the connection is lost
                    server_store.execute(PUT, {"k": "after"})
                with pytest.raises(ServerLost):
                    server_store.many(PUT, [{"k": "after"}])
            elif then == "reads":
                with pytest.raises(ServerLost):
                    keys(server_store)
                with pytest.raises(ServerLost):
                    keys(server_store)

    with pytest.raises(ServerLost):
        cut_short()
    assert keys(server_store) == []
    assert told == []
    with server_store.write():
        server_store.execute(PUT, {"k": "anew"})
    assert keys(server_store) == ["anew"]


def test_the_time_goes_on_while_the_server_is_away(cluster: Cluster, place: DatabasePlace) -> None:
    class Behind(Clock):
        """An hour behind, in its own time."""

        at = NOW

        def now(self) -> int:
            return self.at

        def monotonic(self) -> int:
            return self.at

    assert place.server is not None
    clock = Behind()
    with open_store(place._replace(server=place.server._replace(tells_time=True))) as store:
        with away(cluster, "fast"):
            assert store.now(clock) == NOW, "nothing is known of the server's clock yet"
        clock.at += 60_000
        heard = store.now(clock)
        assert abs(heard - Clock().now()) < 60_000
        ahead = heard - clock.at
        with away(cluster, "immediate"):
            for later in (500, 90_000, 1):
                clock.at += later
                assert store.now(clock) == clock.at + ahead
        clock.at += 60_000
        assert abs(store.now(clock) - Clock().now()) < 60_000


# --- another server behind the same address


@pytest.mark.parametrize("does", ["writes", "adds"])
def test_a_session_that_takes_no_writes_is_left_for_one_that_may(
    cluster: Cluster, place: DatabasePlace, server_store: Store, does: str
) -> None:
    database = server_store.name.rpartition("/")[2]
    cluster.run(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    cut(cluster, place)
    with pytest.raises(ServerLost, match="read-only"), server_store.write(alone=does == "writes"):
        server_store.execute(PUT, {"k": "a"})
    cluster.run(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    with server_store.write():
        server_store.execute(PUT, {"k": "b"})
    assert keys(server_store) == ["b"]


def test_a_process_does_not_go_on_in_a_database_that_was_made_anew(cluster: Cluster, server_store: Store) -> None:
    database = server_store.name.rpartition("/")[2]
    ((identity,),) = cluster.run("SELECT value FROM meta WHERE key = 'identity'", database=database)
    put = "UPDATE meta SET value = %s WHERE key = 'identity'"
    cluster.run(put, "another", database=database)
    with pytest.raises(StorageFailed, match="another database now"):
        record(server_store, "a")
    cluster.run(put, identity, database=database)
    assert record(server_store, "b").new == ["b"]
    assert [row["id"] for row in server_store.read("SELECT id FROM tasks")] == ["b"]


def test_the_driver_writes_no_lines_of_its_own(
    cluster: Cluster, place: DatabasePlace, server_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def cut_short() -> None:
        with server_store.write():
            cut(cluster, place)
            server_store.many(PUT, [{"k": "a"}, {"k": "b"}])

    with pytest.raises(ServerLost):
        cut_short()
    assert caplog.records == []
