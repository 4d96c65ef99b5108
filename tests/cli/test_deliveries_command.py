"""``cdpoll deliveries``: what a person sees of deliveries, and does with them."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import House
from tests.support.database import NOW, record
from tests.support.scripted_way import REFUSED, Delivering, ScriptedWay, results
from worker.core.delivery import Delivered, ReceiverGone
from worker.store.opening import open_store

AT = NOW + 120_000
GONE = ReceiverGone("http_410", "it wants nothing more")
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


def dead(house: House, *ids: str, **about: Any) -> None:
    """Letters of these tasks were given up."""
    refused(house, *ids, **about)
    house.rows("UPDATE deliveries SET state = 'dead'")


def stopped(house: House, after: int) -> None:
    """The receiver takes letters up to this number and then wants nothing more."""
    with open_store(house.database) as store:
        way = ScriptedWay(lambda letter: GONE if letter.number > after else Delivered())
        Delivering(store, way, AT).until_idle()


def test_what_is_retried_and_skipped_is_told_as_json(house: House) -> None:
    dead(house, "a", "b", "c")
    dead(house, "d", subtenant=NORTH)
    told = house.cdpoll("deliveries", "retry", "2", "9", "--json", check=1)
    (refusal,) = told.json.pop("refused")
    assert (refusal["seq"], refusal["reason"].split(":")[0]) == (9, "does not wait to be delivered")
    assert told.err == ""
    assert told.json["done"] == [{"way": "mirth", "seq": 2}]
    assert told.json["begun"] == [{"way": "mirth"}]
    assert house.rows("SELECT number, state, attempts FROM deliveries WHERE number = 2") == [(2, "waiting", 0)]
    told = house.cdpoll("deliveries", "skip", "--all-dead", "--subtenant", NORTH, "--json", check=0)
    assert told.json == {"done": [{"way": "mirth", "seq": 4}], "refused": []}
    told = house.cdpoll("deliveries", "retry", "--all", "--json", check=0)
    assert told.json == {"done": [{"way": "mirth", "seq": n} for n in (1, 3)], "refused": [], "begun": []}
    assert house.cdpoll("deliveries", "skip", "9", "--json", check=65).json["done"] == []
    assert listed(house) == [(1, None), (2, None), (3, None)]


def test_a_number_of_another_subtenant_is_refused(house: House) -> None:
    dead(house, "a", subtenant=NORTH)
    for command in ("retry", "skip"):
        said = house.cdpoll("deliveries", command, "1", "--subtenant", SOUTH, check=65)
        assert "is of another way or subtenant" in said.err
    assert house.cdpoll("deliveries", "retry", "--all", "--subtenant", SOUTH, check=0).text == "0 to be sent now\n"
    assert listed(house, "--state", "dead") == [(1, NORTH)]


def test_a_replay_on_a_way_that_is_stopped_says_how_to_begin_it_again(house: House) -> None:
    with open_store(house.database) as store:
        results(store, ["a", "b"])
        results(store, ["c", "d"], subtenant=NORTH)
    stopped(house, after=3)
    replay = ("deliveries", "replay", "--from", "1", "--to", "9", "--subtenant", NORTH)
    said = house.cdpoll(*replay, check=0)
    assert said.text == "mirth: 2 to be sent again\n"
    assert said.err == (
        "cdpoll: mirth is stopped, and nothing is sent: http_410: it wants nothing more\n"
        "        mend its receiver; `cdpoll deliveries retry --all --way mirth` then begins it again\n"
    )
    way = {"way": "mirth", "letters": 2, "stopped": True, "reason": "http_410: it wants nothing more"}
    assert house.cdpoll(*replay, "--json", check=0).json == {"ways": [way]}
    assert listed(house) == [(3, NORTH), (4, NORTH)]
    begun = house.cdpoll("deliveries", "retry", "--all", "--way", "mirth", check=0)
    assert begun.text == "0 to be sent now\nmirth begins again, with what waits\n"
    assert house.cdpoll(*replay, check=0).err == ""
    assert house.cdpoll(*replay, "--json", check=0).json == {"ways": [way | {"stopped": False, "reason": None}]}


def test_a_letter_that_is_retried_begins_its_way_again(house: House) -> None:
    with open_store(house.database) as store:
        results(store, ["a", "b"], subtenant=NORTH)
    stopped(house, after=1)
    assert house.cdpoll("deliveries", "retry", "--all", "--subtenant", SOUTH, check=0).text == "0 to be sent now\n"
    said = house.cdpoll("deliveries", "retry", "2", check=0)
    assert said.text == "2 (mirth) to be sent now\nmirth begins again, with what waits\n"
    stopped(house, after=1)
    told = house.cdpoll("deliveries", "retry", "--all", "--subtenant", NORTH, "--json", check=0).json
    assert told == {"done": [], "refused": [], "begun": [{"way": "mirth"}]}
    assert house.value("SELECT stopped_at FROM ways") is None
