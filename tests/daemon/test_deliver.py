"""``cdpoll deliver`` as a process: what it brings out, how it ends, and what it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import House, until
from tests.support.scripted_way import results
from worker.store.opening import open_store


@pytest.fixture
def house(tmp_path: Path) -> House:
    """One with a folder to deliver to, and no result yet."""
    found = House(tmp_path)
    (tmp_path / "out").mkdir()
    found.ways = {"mirth": {"kind": "directory", "path": str(tmp_path / "out")}}
    found.write(log_format="json")
    found.database.parent.mkdir()
    open_store(found.database, create=True).close()
    return found


def conclude(house: House, *ids: str, **about: Any) -> None:
    with open_store(house.database) as store:
        results(store, ids, **about)


def delivered(house: House, folder: str = "out") -> list[dict[str, Any]]:
    return [json.loads(file.read_bytes()) for file in sorted((house.folder / folder).glob("*.json"))]


def numbers(house: House, folder: str = "out") -> list[int]:
    return sorted(one["seq"] for one in delivered(house, folder))


def test_once_brings_everything_out_and_ends_with_0(house: House) -> None:
    conclude(house, "a", "b", ref="account 7")
    house.cdpoll("deliver", "--once", check=0)
    assert [(one["seq"], one["id"], one["ref"]) for one in delivered(house)] == [
        (1, "a", "account 7"),
        (2, "b", "account 7"),
    ]
    (way,) = house.status()["deliveries"]["ways"]
    assert (way["name"], way["kind"], way["behind"], way["delivered"]) == ("mirth", "directory", 0, 2)
    house.cdpoll("deliver", "--once", check=0)
    assert house.value("SELECT count(*) FROM deliveries") == 0


def test_once_with_a_receiver_that_is_down_ends_with_69_and_goes_on_with_the_others(house: House) -> None:
    conclude(house, "a", "b")
    house.ways["lost"] = {"kind": "directory", "path": str(house.folder / "lost")}
    house.write()
    house.cdpoll("deliver", "--once", check=69)
    assert numbers(house) == [1, 2]
    listed = house.cdpoll("deliveries", "list", "--json", check=0).json["deliveries"]
    assert [(one["way"], one["seq"], one["state"], one["error"]) for one in listed] == [
        ("lost", 1, "failed", "missing"),
        ("lost", 2, "waiting", None),
    ]
    (house.folder / "lost").mkdir()
    house.cdpoll("deliveries", "retry", "--all", "--way", "lost", check=0)
    house.cdpoll("deliver", "--once", check=0)
    assert numbers(house, "lost") == [1, 2]


def test_once_with_a_letter_that_is_refused_ends_with_1(house: House) -> None:
    conclude(house, "a", "b")
    for name in ("0000000001-a-success", "0000000001-a-success-0000000001"):  # of somebody else
        (house.folder / "out" / f"{name}.json").write_text("{}")
    house.cdpoll("deliver", "--once", check=1)
    assert house.rows("SELECT number, state, error FROM deliveries") == [(1, "failed", "name_taken")]
    house.cdpoll("deliver", "--once", check=1)


def test_without_a_way_out_it_is_78_and_without_a_database_74(house: House) -> None:
    house.ways = {}
    house.write()
    assert "no way out is configured" in house.cdpoll("deliver", check=78).err
    house.ways = {"mirth": {"kind": "directory", "path": str(house.folder / "out")}}
    house.write(store_path=str(house.folder / "elsewhere.db"))
    house.cdpoll("deliver", "--once", check=74)


def test_it_delivers_until_it_is_told_to_stop_and_a_second_one_is_refused(house: House) -> None:
    with house.deliver() as process:
        process.ready()
        conclude(house, "a")
        until(lambda: numbers(house) == [1], "the first result", process.process)
        assert house.status()["deliveries"]["alive"]
        assert "another cdpoll already delivers" in house.cdpoll("deliver", "--once", check=75).err
        conclude(house, "b")
        until(lambda: numbers(house) == [1, 2], "the second one", process.process)
        assert process.stopped() == 0
        assert "STOPPING=1" in process.heard_by_now()
    assert not house.status()["deliveries"]["alive"]


def test_a_reload_takes_another_configuration_and_refuses_one_with_a_mistake(house: House) -> None:
    conclude(house, "a")
    with house.deliver() as process:
        process.ready()
        until(lambda: numbers(house) == [1], "the first result", process.process)
        (house.folder / "more").mkdir()
        house.ways["more"] = {"kind": "directory", "path": str(house.folder / "more")}
        house.write()
        process.process.send_signal(1)
        until(lambda: numbers(house, "more") == [1], "the other way", process.process)
        process.ready()
        house.ways["more"]["kind"] = "pigeon"
        house.write()
        process.process.send_signal(1)
        process.ready()
        house.ways["more"]["kind"] = "directory"
        house.write()
        until(lambda: "deliver_reload_refused" in house.problems(), "the problem", process.process)
        conclude(house, "b")
        until(lambda: numbers(house, "more") == [1, 2], "what came later", process.process)
        assert process.stopped() == 0


def test_a_program_runs_in_the_root_and_a_relative_configuration_is_read_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, place = house.folder / "program", house.folder / "place"
    program.write_text(f"#!/bin/sh\npwd >> {place}\n")
    program.chmod(0o755)
    house.ways = {"own": {"kind": "command", "command": str(program)}}
    house.write(log_format="json")
    conclude(house, "a")
    monkeypatch.chdir(house.folder)
    house.config = Path(house.config.name)
    with house.deliver() as process:
        process.ready()
        until(lambda: place.exists() and place.read_text() == "/\n", "the program", process.process)
        process.process.send_signal(1)
        process.ready()
        assert process.stopped() == 0
    assert "reloaded" in [line["event"] for line in process.logged()]


def test_nothing_of_a_letter_is_in_the_log(house: House) -> None:
    conclude(house, "a", ref="JANE DOE")
    house.ways["mirth"]["schedule"] = "1ms 1ms"
    house.write()
    (house.folder / "out").rmdir()
    with house.deliver() as process:
        process.ready()
        until(lambda: "the way rests" in house.log.read_text(), "the failure", process.process)
        (house.folder / "out").mkdir()
        until(lambda: numbers(house) == [1], "the result", process.process)
        assert process.stopped() == 0
    assert "JANE" not in house.log.read_text()
    assert "Medicare" not in house.log.read_text()
    assert {"way": "mirth", "letters": 1}.items() <= next(
        line for line in process.logged() if line["event"] == "delivered"
    ).items()


def test_a_way_that_was_taken_out_and_comes_back_goes_on_where_it_was(house: House) -> None:
    conclude(house, "a")
    house.cdpoll("deliver", "--once", check=0)
    way = house.ways.pop("mirth")
    (house.folder / "new").mkdir()
    house.ways["new"] = {"kind": "directory", "path": str(house.folder / "new"), "start": "new"}
    house.write()
    house.cdpoll("deliver", "--once", check=0)
    conclude(house, "b")
    house.cdpoll("deliver", "--once", check=0)
    assert (numbers(house), numbers(house, "new")) == ([1], [2])
    house.ways["mirth"] = way
    house.write()
    house.cdpoll("deliver", "--once", check=0)
    assert numbers(house) == [1, 2]


def test_what_a_person_does_with_deliveries(house: House) -> None:
    conclude(house, "a", "b", "c")
    (house.folder / "out").rmdir()
    house.cdpoll("deliver", "--once", check=69)
    assert house.cdpoll("deliveries", "skip", "1", "9", check=1).text == "1 (mirth) skipped\n"
    assert "9 does not wait to be delivered" in house.cdpoll("deliveries", "retry", "9", check=65).err
    retried = house.cdpoll("deliveries", "retry", "2", check=0)
    assert retried.text == "2 (mirth) to be sent now\nmirth begins again, with what waits\n"
    house.cdpoll("deliveries", "retry", check=2)
    house.cdpoll("deliveries", "skip", "--all-dead", "1", check=2)
    house.cdpoll("deliveries", "list", "--way", "unknown", check=65)
    (house.folder / "out").mkdir()
    house.cdpoll("deliver", "--once", check=0)
    assert numbers(house) == [2, 3]
    again = house.cdpoll("deliveries", "replay", "--from", "1", "--to", "9", check=0)
    assert again.text == "mirth: 3 to be sent again\n"
    house.cdpoll("deliver", "--once", check=0)
    assert numbers(house) == [1, 2, 3]
    assert "nothing of that sort" in house.cdpoll("deliveries", "list", check=0).err
    assert house.cdpoll("deliveries", "skip", "--all-dead", check=0).text == "0 skipped\n"
