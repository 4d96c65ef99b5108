"""Results through ways out at once, while the process is killed at each of its statements: every one out, in order.

A receiver notes what it was sent, in order. Of each task the first copies must have come in the order of the numbers.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.test_kill import begun
from tests.support.cdpoll_process import DEADLINE, House, small_files
from tests.support.database import DONE, conclude, record
from tests.support.mortal import KILLED, Moment
from worker.store.opening import open_store

# `make test-long` sends more.
RESULTS = int(os.environ.get("RESULTS", "120")) // 2

# Every statement at which something of a delivery may be on the disk, and the moments around it.
MOMENTS = (
    Moment("INSERT INTO ways"),
    Moment("INSERT INTO ways", where="after"),
    Moment("UPDATE ways SET position"),
    Moment("UPDATE ways SET position", where="after"),
    *(Moment("INSERT INTO deliveries", n, "after") for n in (1, 2)),
    Moment("DELETE FROM deliveries"),
    Moment("DELETE FROM deliveries", where="after"),
    Moment("UPDATE ways SET failures"),
    Moment("UPDATE ways SET failures", where="after"),
    *(Moment("COMMIT", n, where) for n in (1, 2, 3) for where in ("before", "within", "after")),
)


@pytest.fixture
def house(tmp_path: Path) -> House:
    found = House(tmp_path)
    found.database.parent.mkdir()
    open_store(found.database, create=True).close()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        found.ways[name] = {"kind": "directory", "path": str(tmp_path / name), "name": "{seq}"}
    found.write(log_format="json")
    return found


def publish(house: House, first: int, many: int) -> None:
    """Results, each for two refs."""
    with open_store(house.database) as store:
        for n in range(first, first + many):
            for ref in ("x", "y"):
                record(store, f"t{n}", ref=ref)
            conclude(store, {**DONE, "id": f"t{n}"}, n)


def found(house: House, name: str) -> dict[int, dict[str, Any]]:
    """By number what lies in a folder. Each file is whole."""
    files = sorted((house.folder / name).iterdir())
    assert all(file.suffix == ".json" for file in files)
    told = [json.loads(file.read_bytes()) for file in files]
    return {one["seq"]: one for one in told}


def test_a_kill_at_any_statement_loses_nothing(house: House) -> None:
    chance = random.Random(2026)
    count = 0
    for moment in MOMENTS:
        many = chance.randint(1, 2)
        publish(house, count + 1, many)
        count += many
        code = begun(house, "deliver", "--once", last=moment).wait(DEADLINE)
        assert code in (*KILLED, 0), "0: the moment did not come"
        for name in house.ways:
            found(house, name)
    house.cdpoll("deliver", "--once", check=0)
    wanted = house.value("SELECT value FROM counters WHERE name = 'outbox'")
    assert wanted == 2 * count
    for name in house.ways:
        assert [*found(house, name)] == list(range(1, wanted + 1))
    assert house.value("SELECT count(*) FROM deliveries") == 0
    assert house.rows("SELECT DISTINCT position FROM ways") == [(wanted,)]
    assert house.value("PRAGMA integrity_check") == "ok"


def test_a_database_that_can_take_nothing_stops_the_ways_and_loses_nothing(house: House) -> None:
    publish(house, 1, 5)
    with small_files(2048):
        code = house.cdpoll("deliver", "--once").code
    assert code == 74
    house.cdpoll("deliver", "--once", check=0)
    assert [*found(house, "one")] == list(range(1, 11))


def test_many_results_go_out_by_each_way(house: House) -> None:
    publish(house, 1, RESULTS)
    house.cdpoll("deliver", "--once", check=0)
    for name in house.ways:
        assert [*found(house, name)] == list(range(1, 2 * RESULTS + 1))
