"""The tables on a server: made once, changed once, and no process goes on with a schema that it does not know."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest

from tests.support.database import record
from tests.support.postgres import Cluster
from worker.core.errors import NewerSchema, StorageFailed, TryLater
from worker.place import DatabasePlace
from worker.store.db.postgres import PostgresStore
from worker.store.opening import SCHEMA_VERSION, open_store
from worker.store.schema import server

NEXT = SCHEMA_VERSION + 1
STEPS = {NEXT: "ALTER TABLE tasks ADD COLUMN made_up BIGINT; CREATE TABLE made_up (id BIGINT)"}


def nothing() -> None:
    pass


@pytest.fixture
def empty(cluster: Cluster, path: Path) -> Iterator[DatabasePlace]:
    name = cluster.databases.new("empty")
    yield cluster.databases.at(path, name)
    cluster.databases.leave([name])


def at_once(place: DatabasePlace, many: int, work: object) -> list[object]:
    """Do it over ``many`` connections at the same time."""
    barrier = Barrier(many)

    def one(_: int) -> object:
        with PostgresStore(place) as store:
            barrier.wait()
            return work(store)  # type: ignore[operator]

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(one, range(many)))


def test_tables_are_made_once_by_several_at_once(empty: DatabasePlace) -> None:
    at_once(empty, 4, lambda store: server.create(store, SCHEMA_VERSION))
    with open_store(empty) as store:
        record(store, "a")
        assert len(store.read("SELECT * FROM api")) == 1


def test_a_step_is_made_once_by_several_at_once(place: DatabasePlace) -> None:
    with open_store(place) as store:
        record(store, "a")
    done = at_once(place, 4, lambda store: server.bring_up(store, NEXT, nothing, STEPS))
    assert sorted(map(bool, done)) == [False, False, False, True]
    with PostgresStore(place) as store:
        assert [row["made_up"] for row in store.read("SELECT made_up FROM tasks")] == [None]
    with pytest.raises(NewerSchema):
        open_store(place)


def test_a_step_that_fails_leaves_the_tables_as_they_were(place: DatabasePlace) -> None:
    with PostgresStore(place) as store, pytest.raises(StorageFailed):
        server.bring_up(store, NEXT, nothing, {NEXT: "CREATE TABLE made_up (id BIGINT); SELECT 1 / 0"})
    with open_store(place) as store:
        assert store.version() == SCHEMA_VERSION
        assert store.read("SELECT to_regclass('made_up') AS made")[0]["made"] is None


def test_a_process_that_knows_the_former_schema_is_refused_in_its_next_transaction(place: DatabasePlace) -> None:
    with open_store(place) as former:
        record(former, "a")
        with PostgresStore(place) as store:
            server.bring_up(store, NEXT, nothing, STEPS)
        with pytest.raises(NewerSchema, match="another schema now"):
            record(former, "b")
        assert [row["id"] for row in former.read("SELECT id FROM tasks")] == ["a"]


def holding(place: DatabasePlace) -> psycopg.Connection[Any]:
    """A writer at work, which the server does not end for being idle."""
    assert place.server is not None
    conn = psycopg.connect(place.server.url())
    conn.execute("SELECT id FROM api WHERE id = 1 FOR UPDATE")
    return conn


def test_a_change_waits_for_the_writer_that_is_at_work(place: DatabasePlace) -> None:
    """It would else write by the former schema into the tables of the next."""
    with PostgresStore(place, timeout=0.1) as store:
        with holding(place), pytest.raises(TryLater):
            server.bring_up(store, NEXT, nothing, {NEXT: "CREATE TABLE made_up (id BIGINT)"})
        assert server.bring_up(store, NEXT, nothing, STEPS)


def test_the_one_that_waited_for_the_change_is_refused(place: DatabasePlace) -> None:
    with open_store(place) as former, PostgresStore(place) as looking, ThreadPoolExecutor(1) as pool:
        with holding(place) as change:
            waiting = pool.submit(record, former, "a")
            while not looking.read("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
                assert not waiting.done()
            change.execute("UPDATE meta SET value = %s WHERE key = 'schema'", [str(NEXT)])
        with pytest.raises(NewerSchema):
            waiting.result()


def test_tables_of_an_early_build_are_left_alone(place: DatabasePlace) -> None:
    with PostgresStore(place) as store:
        with store.write():
            store.set_version(SCHEMA_VERSION - 1)
        with pytest.raises(StorageFailed, match="early build"):
            open_store(place, migrate=nothing)
