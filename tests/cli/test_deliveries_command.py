"""``cdpoll deliveries``: what a person sees of deliveries, and does with them."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import House
from tests.support.database import NOW, record
from tests.support.scripted_way import REFUSED, Delivering, ScriptedWay, results
from worker.store.opening import open_store

AT = NOW + 120_000
NORTH, SOUTH = "hospital-in-the-north", "south"
LONG_ID = "0f8b1c1e-9d3a-4c0b-8a55-0d6f6a2b7c11"


@pytest.fixture
def house(tmp_path: Path) -> House:
    """One with a folder to deliver to, and no result yet."""
    found = House(tmp_path)
    (tmp_path / "out").mkdir()
    found.ways = {"mirth": {"kind": "directory", "path": str(tmp_path / "out")}}
    found.write()
    found.database.parent.mkdir()
    open_store(found.database, create=True).close()
    return found


def refused(house: House, *ids: str, **about: Any) -> None:
    """These tasks have results, and no letter so far was taken."""
    with open_store(house.database) as store:
        results(store, ids, **about)
        Delivering(store, ScriptedWay(lambda _: REFUSED), AT).until_idle()


def listed(house: House, *args: str) -> list[tuple[int, str | None]]:
    rows = house.cdpoll("deliveries", "list", *args, "--json", check=0).json["deliveries"]
    return [(one["seq"], one["subtenant"]) for one in rows]


def test_the_list_of_one_subtenant(house: House) -> None:
    refused(house, "a")
    refused(house, "b", subtenant=NORTH)
    refused(house, "c", subtenant=SOUTH)
    assert listed(house) == [(1, None), (2, NORTH), (3, SOUTH)]
    assert listed(house, "--subtenant", NORTH) == [(2, NORTH)]
    assert listed(house, "--subtenant", NORTH, "--way", "mirth", "--state", "dead") == []
    assert (listed(house, "--subtenant", "SOUTH"), listed(house, "--subtenant", "")) == ([], [])
    assert "nothing of that sort" in house.cdpoll("deliveries", "list", "--subtenant", "east", check=0).err


def test_the_table_has_a_column_of_subtenants_where_there_are_any(house: House) -> None:
    refused(house, LONG_ID)
    before = house.cdpoll("deliveries", "list", check=0, COLUMNS="80").text.splitlines()
    assert before[0].split() == ["way", "seq", "state", "attempts", "next", "error", "detail"]
    with open_store(house.database) as store:
        record(store, LONG_ID, subtenant=NORTH)
    for width, titles in ((80, {"subtenant"}), (120, {"subtenant", "id"})):
        head, line = house.cdpoll("deliveries", "list", check=0, COLUMNS=str(width)).text.splitlines()
        assert titles <= {*head.split()}
        assert {"attempts", "next", "error"} <= {*head.split()}
        assert max(len(head), len(line)) <= width
        assert "hospital-" in line
        assert (LONG_ID in line) == ("id" in titles)
