"""What the commands about the database do where it is on a server: what makes sense, or one line with the right way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.postgres import Cluster
from worker.rounds.retention import purge
from worker.store.db.store import Store

ELSEWHERE = "http://127.0.0.1:10/rcm/eligibility/v1"


@pytest.fixture
def database(cluster: Cluster) -> Iterator[str]:
    name = cluster.databases.new("empty")
    yield name
    cluster.databases.leave([name])


@pytest.fixture
def house(tmp_path: Path, cluster: Cluster, database: str) -> House:
    return House(tmp_path, store_url=cluster.url(database=database), store_daemon="east")


@pytest.mark.parametrize(
    ("command", "instead"),
    [
        (["db", "integrity"], "pg_amcheck"),
        (["db", "snapshot", "copy.db"], "pg_basebackup"),
        (["db", "verify-restore", "copy.db"], "pg_basebackup"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_for_a_file_names_the_right_way(house: House, command: list[str], instead: str) -> None:
    house.record("a")
    done = house.cdpoll(*command, check=65)
    assert f"`cdpoll db {command[1]}` is for a database file, and [store] url names a server" in done.err
    assert instead in done.err
    assert done.out == b""


def test_the_address_is_told_and_no_file(house: House) -> None:
    assert house.cdpoll("db", "path", check=0).text.startswith("postgresql://")
    assert house.cdpoll("db", "path", "--json", check=0).json["database"].startswith("postgresql://")


def test_migrate_makes_the_tables_where_there_are_none(house: House) -> None:
    assert "no tables of cdpoll are there yet" in house.cdpoll("tasks", check=74).err
    made = house.cdpoll("db", "migrate", check=0).text
    assert made.startswith("postgresql:///")
    assert house.cdpoll("db", "migrate", check=0).text == made
    house.cdpoll("tasks", check=0)


def test_a_new_database_is_no_mistake_of_the_configuration(house: House) -> None:
    house.cdpoll("config", "check", check=0)
    found = house.cdpoll("doctor", "--json").json["findings"]
    assert [one["level"] for one in found if one["check"] == "database"] == ["OK"]


def test_a_server_that_refuses_is_a_mistake_of_its_key(house: House) -> None:
    house.write(store_url=house.values["store_url"].replace("cdpoll@", "stranger@"))
    done = house.cdpoll("config", "check", check=78)
    assert "[store] url" in done.err
    assert 'role "stranger" does not exist' in done.err


def test_a_url_that_systemd_hands_over_cannot_be_checked_here(house: House) -> None:
    house.write(store_url="{credential url}")
    done = house.cdpoll("config", "check", check=0)
    assert "cannot be checked here" in done.err


def test_rebind_names_the_server(house: House) -> None:
    house.record("a")
    house.cdpoll("run", "--once")
    house.write(api_base_url=ELSEWHERE)
    refused = house.cdpoll("record", "b", check=78)
    assert "belongs to http://127.0.0.1:9" in refused.err
    assert "[store] path or url" in refused.err
    done = house.cdpoll("db", "rebind", "--yes", check=0).text
    assert done == "postgresql:///" + done.removeprefix("postgresql:///")
    assert "1 task is asked for there" in done


def test_a_purge_needs_no_room_on_this_host(server_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "disk_of", lambda folder: None)
    assert purge.rewrite(server_store, 1) is None


def test_rebind_waits_for_the_daemons_of_other_hosts(house: House, database: str, cluster: Cluster) -> None:
    house.record("a")
    house.cdpoll("run", "--once")
    now = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
    cluster.run(
        "INSERT INTO daemons (name, host, pid, version, started_at, beat_at)"
        f" VALUES ('west', 'other', 1, '1', {now}, {now})",
        database=database,
    )
    house.write(api_base_url=ELSEWHERE)
    assert "a daemon of another host" in house.cdpoll("db", "rebind", "--yes", check=75).err
    cluster.run("UPDATE daemons SET stopped_at = beat_at", database=database)
    house.cdpoll("db", "rebind", "--yes", check=0)


def test_a_database_that_was_lost_or_exchanged_is_taken_when_it_is_forgotten(
    house: House, database: str, cluster: Cluster
) -> None:
    assert house.cdpoll("db", "forget", check=0).text.endswith("nothing to forget\n")
    house.record("a")
    cluster.run("DROP SCHEMA public CASCADE", database=database)
    cluster.run("CREATE SCHEMA public", database=database)
    for command in (["record", "b"], ["run", "--once"], ["tasks"], ["db", "migrate"]):
        lost = house.cdpoll(*command, check=74).err
        assert "has no tables: the database that was there is lost" in lost
        assert "`cdpoll db forget`" in lost
    assert "--yes" in house.cdpoll("db", "forget", check=2).err
    assert "the next `cdpoll record`" in house.cdpoll("db", "forget", "--yes", check=0).text
    house.record("b")
    cluster.run("UPDATE meta SET value = 'another' WHERE key = 'identity'", database=database)
    other = house.cdpoll("record", "c", check=74).err
    assert "another database than the one that was used from this host" in other
    told = house.cdpoll("db", "forget", "--yes", "--json", check=0).json
    assert told.pop("database").startswith("postgresql://")
    assert told == {"forgotten": True, "usable": True, "renamed": []}
    house.record("c")
    assert [one["id"] for one in house.cdpoll("tasks", "--json", check=0).json["tasks"]] == ["b", "c"]


def test_another_address_is_another_database(house: House, cluster: Cluster) -> None:
    house.record("a")
    name = cluster.databases.new("empty")
    house.write(store_url=cluster.url(database=name))
    house.record("b")
    cluster.databases.leave([name])
