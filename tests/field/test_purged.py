"""After `purge --yes` no byte of what was removed is left in the state directory, whoever has the database open."""

import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.planted import MARKERS, found_in, plant, plant_files
from worker.store.opening import open_store


@pytest.fixture(params=["wal", "truncate"])
def house(tmp_path: Path, request: pytest.FixtureRequest) -> House:
    house = House(tmp_path, store_journal=request.param)
    house.database.parent.mkdir()
    with open_store(house.database, request.param, create=True) as store:
        plant(store, tmp_path)
    plant_files(house.database)
    return house


@pytest.mark.parametrize("running", [True, False], ids=["with the daemon", "without"])
def test_no_marker_is_left(house: House, running: bool) -> None:
    state = house.database.parent
    before = found_in(state)
    assert {marker for there in before.values() for marker in there} == set(MARKERS)
    with house.start() if running else nullcontext() as daemon:
        if daemon is not None:
            daemon.ready()
        told = house.cdpoll("purge", "--older-than", "30d", "--json", check=0).json
        assert (told["done"], told["rewritten"]) == (False, False)
        assert {path for path in found_in(state) if "-" not in path} == {path for path in before if "-" not in path}
        purged = house.cdpoll("purge", "--older-than", "30d", "--yes", "--json", check=0).json
        assert found_in(state) == {}
    assert found_in(state) == {}
    assert purged["removed"] == told["removed"]
    assert purged["deleted"] == told["deleted"]
    assert (purged["done"], purged["rewritten"], purged["why_not"], purged["failed"]) == (True, True, None, [])
    with closing(sqlite3.connect(house.database)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert conn.execute("SELECT count(*) FROM tasks WHERE purged_at IS NOT NULL").fetchone() == (2,)
