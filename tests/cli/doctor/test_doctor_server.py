"""What `cdpoll doctor` finds of a PostgreSQL server: a real one, and what one could say that is hard to make."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.doctor.server import APART_MS, of_clock, of_server, server
from tests.cli.doctor.looking import doctor
from tests.support.cdpoll_process import House
from tests.support.postgres import Cluster
from worker.clock import Clock
from worker.place import DatabasePlace
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.views.server import ServerFacts, server_facts

WELL = ServerFacts(150_004, "UTF8", (), False, 90, 0)
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def safe() -> Iterator[Cluster]:
    """One as it is after its installation."""
    with Cluster(fsync="on", full_page_writes="on", max_connections="20") as running:
        yield running


@pytest.fixture
def safe_place(safe: Cluster, path: Path) -> Iterator[DatabasePlace]:
    name = safe.databases.new()
    yield safe.databases.at(path, name)
    safe.databases.leave([name])


def test_one_that_may_lose_what_was_acknowledged(tmp_path: Path, cluster: Cluster) -> None:
    name = cluster.databases.new()
    house = House(tmp_path, store_url=cluster.url(database=name), store_daemon="east", store_runs="once")
    found = doctor(house)
    lines = [one for one in found.findings if one["check"] == "server"]
    assert [(one["level"], one["words"].partition(":")[0]) for one in lines] == [
        ("FAIL", "fsync is off"),
        ("FAIL", "full_page_writes is off"),
    ]
    assert found.levels("server_clock") == ["OK"]
    cluster.databases.leave([name])


def test_one_that_is_safe(safe_place: DatabasePlace) -> None:
    with open_store(safe_place) as store:
        found = list(server(store, Clock()))
    assert [(one.check, one.level) for one in found] == [("server", "OK"), ("server_clock", "OK")]
    assert "PostgreSQL 1" in found[0].words


def test_commits_that_do_not_wait_for_the_disk(safe: Cluster, safe_place: DatabasePlace) -> None:
    with open_store(safe_place) as store:
        (database,) = (row["name"] for row in store.read("SELECT current_database() AS name"))
    safe.run(f"ALTER DATABASE {database} SET synchronous_commit = off")
    with open_store(safe_place) as store:
        assert server_facts(store).off == ("synchronous_commit",)


def test_connections_are_counted_for_a_user_who_may_not_see_them(safe: Cluster, safe_place: DatabasePlace) -> None:
    """Those of tests before may not have ended yet."""
    with open_store(safe_place) as store, safe.connect():
        assert server_facts(store).connections_left <= 20 - 3 - 2
        store.conn.execute("SET ROLE pg_read_server_files")
        assert server_facts(store).connections_left <= 20 - 3 - 2


def test_a_clock_that_is_set(server_store: Store) -> None:
    class Fast(Clock):
        def now(self) -> int:
            return super().now() + HOUR_MS

    told = list(server(server_store, Fast()))[-1]
    assert (told.check, told.level) == ("server_clock", "WARN")
    assert "behind this host's" in told.words


@pytest.mark.parametrize(
    ("theirs", "level"), [(0, "OK"), (-APART_MS, "OK"), (-APART_MS - 1, "WARN"), (APART_MS + 100, "OK")]
)
def test_a_slow_answer_is_no_clock_that_is_wrong(theirs: int, level: str) -> None:
    assert of_clock(theirs, 0, 100).level == level


def test_a_clock_says_which_way_it_is_wrong() -> None:
    assert " ahead of this host's" in of_clock(APART_MS + 101, 0, 100).words
    assert " behind this host's" in of_clock(-APART_MS - 1, 0, 100).words


@pytest.mark.parametrize(
    ("facts", "level", "said"),
    [
        (WELL, "OK", "PostgreSQL 15.4"),
        (WELL._replace(version=140_010), "FAIL", "PostgreSQL 14.10"),
        (WELL._replace(encoding="LATIN1"), "FAIL", "LATIN1"),
        (WELL._replace(off=("synchronous_commit",)), "FAIL", "synchronous_commit is off"),
        (WELL._replace(standby=True), "FAIL", "standby"),
        (WELL._replace(connections_left=5), "OK", "5 connections left"),
        (WELL._replace(connections_left=4), "WARN", "4 connections left"),
        (WELL._replace(connections_left=-1), "WARN", "0 connections left"),
    ],
)
def test_what_a_server_may_say(facts: ServerFacts, level: str, said: str) -> None:
    (found,) = of_server(facts)
    assert (found.check, found.level) == ("server", level)
    assert said in found.words
    assert found.cure or level == "OK"
