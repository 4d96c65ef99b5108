"""A transaction that holds up vacuum for long is told, with whose it is; one that holds up nothing is not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.support.postgres import Cluster
from worker.place import DatabasePlace
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.views.server_problems import OLD_MS, server_problems

NOW = 1_800_000_000_000


@contextmanager
def session(place: DatabasePlace, program: str = "psql") -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A person's, beside those of cdpoll."""
    assert place.server is not None
    with psycopg.connect(place.server.url(), autocommit=True, application_name=program) as conn:
        yield conn


def test_a_snapshot_that_is_held_is_told_with_its_cure(place: DatabasePlace, server_store: Store) -> None:
    with session(place) as person:
        person.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        person.execute("SELECT 'MUELLER' FROM tasks")
        (told,) = server_problems(server_store, NOW, 0)
        assert (told.code, told.severity, told.daemon) == ("snapshot_old", "warning", "")
        assert "a transaction of cdpoll (psql) has been open for " in told.hint
        assert f"`SELECT pg_terminate_backend({person.info.backend_pid})`" in told.hint
        assert "MUELLER" not in told.hint
        assert told.since is not None
        assert told.since <= NOW
        assert server_problems(server_store, NOW, OLD_MS) == []
        person.execute("COMMIT")
        assert server_problems(server_store, NOW, 0) == []


def test_the_oldest_is_told(place: DatabasePlace, server_store: Store) -> None:
    with session(place, "first") as first, session(place, "second") as second:
        for one in (first, second):
            one.execute("BEGIN")
            one.execute("SELECT pg_current_xact_id()")
        (told,) = server_problems(server_store, NOW, 0)
        assert "cdpoll (first)" in told.hint


@pytest.mark.parametrize("database", ["its own", "another"])
def test_what_holds_up_nothing_here_is_no_problem(
    place: DatabasePlace, server_store: Store, cluster: Cluster, database: str
) -> None:
    """Without a snapshot, or in another database."""
    with session(place) as near, cluster.connect() as far:
        person, asked = (near, "SELECT 1") if database == "its own" else (far, "SELECT pg_current_xact_id()")
        person.execute("BEGIN")
        person.execute(asked)
        assert server_problems(server_store, NOW, 0) == []


def test_a_role_that_may_not_see_it_is_told_nothing(place: DatabasePlace, server_store: Store) -> None:
    with session(place) as person:
        person.execute("BEGIN")
        person.execute("SELECT pg_current_xact_id()")
        assert len(server_problems(server_store, NOW, 0)) == 1
        server_store.conn.execute("SET ROLE pg_read_server_files")
        assert server_problems(server_store, NOW, 0) == []


def test_one_that_is_prepared_is_told() -> None:
    with Cluster(max_prepared_transactions="1") as own:
        place = own.databases.at(own.folder / "cdpoll.db", own.databases.new())
        with open_store(place) as store, session(place) as person:
            for one in ("BEGIN", "SELECT pg_current_xact_id()", "PREPARE TRANSACTION 'MUELLER'"):
                person.execute(one)
            (told,) = server_problems(store, NOW, 0)
            assert "a transaction of cdpoll has been open" in told.hint
            assert "`ROLLBACK PREPARED`" in told.hint
            assert "MUELLER" not in told.hint


def test_nothing_is_read_of_a_file(store: Store) -> None:
    assert server_problems(store, NOW, 0) == []
