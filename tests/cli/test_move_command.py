"""``cdpoll db move``: what a person sees of it, and what becomes of commands with the configuration of before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.postgres import Cluster


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.record("a", "b")
    return made


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    name = cluster.databases.new("empty")
    yield cluster.url(database=name)
    cluster.databases.leave([name])


def test_to_a_server_and_back(house: House, url: str) -> None:
    shown = url.partition("?")[0].replace("cdpoll@", "")
    rehearsed = house.cdpoll("db", "move", "--to", url, "--dry-run", check=0).text
    assert rehearsed.endswith(f"tables can be moved to {shown}\n")
    house.record("c")
    said = house.cdpoll("db", "move", "--to", url, check=0).text
    assert f"\n    [store]\n    url = {url}\n" in said
    assert f"{house.database} refuses writes from now on" in said
    assert house.cdpoll("db", "move", "--to", url, "--json", check=0).json["already"]
    house.write(store_url=url)
    assert [one["id"] for one in house.cdpoll("tasks", "--json", check=0).json["tasks"]] == ["a", "b", "c"]
    house.record("d")
    new = house.folder / "new.db"
    back = house.cdpoll("db", "move", "--to", str(new), "--json", check=0).json
    assert (back["from"], back["to"], back["configuration"]) == (shown, str(new), f"path = {new}")
    assert back["tables"]["tasks"]["rows"] == 4
    assert len(back["tables"]["tasks"]["sha256"]) == 64
    assert f"was moved to {new}: nothing is written here" in house.cdpoll("record", "e", check=78).err
    house.write(store_url="", store_path=str(new))
    house.record("e")


def test_the_configuration_of_before(house: House, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    house.ways["out"] = {"kind": "directory", "path": str(tmp_path / "out"), "name": "{seq}"}
    house.write(spool_path=str(spool))
    (spool / "in").mkdir(parents=True)
    new = house.folder / "new.db"
    house.cdpoll("db", "move", "--to", str(new), check=0)
    said = f"{house.database} was moved to {new}: nothing is written here"
    for line in (("record", "c"), ("run", "--once"), ("deliver", "--once"), ("abandon", "a"), ("retry", "a")):
        ended = house.cdpoll(*line, check=78)
        assert said in ended.err, line
        assert "[store]" in ended.err, line
    assert list((spool / "in").iterdir()) == []
    for reading in (("status",), ("tasks", "--json"), ("show", "a"), ("found", "--json"), ("db", "integrity")):
        ended = house.cdpoll(*reading, check=0)
        assert f"warning: {house.database} was moved to {new}" in ended.err
    doctor = house.cdpoll("doctor", "--json", check=1).json["findings"]
    assert [one["words"] for one in doctor if one["check"] == "database"] == [said]
    house.write(store_path=str(new))
    house.record("c")


def test_it_is_taken_back(house: House) -> None:
    house.cdpoll("db", "move", "--undo", "--yes", check=65)
    house.cdpoll("db", "move", "--to", str(house.folder / "new.db"), check=0)
    house.cdpoll("db", "move", "--undo", check=2)
    house.cdpoll("db", "move", "--undo", "--yes", check=0)
    house.record("c")
    acts = [one["act"] for one in house.cdpoll("problems", "acts", "--json", check=0).json["acts"]]
    assert acts == ["took a moved database back", "moved the database"]


def test_beside_a_daemon(house: House) -> None:
    with house.start():
        assert "already works on" in house.cdpoll("db", "move", "--to", str(house.folder / "new.db"), check=75).err
        house.record("c")


@pytest.mark.parametrize("args", [(), ("--to", "x", "--undo"), ("--undo", "--dry-run"), ("--to", "{file}")])
def test_options_that_do_not_go_together(house: House, args: tuple[str, ...]) -> None:
    house.cdpoll("db", "move", *args, check=2)


def test_a_password_is_not_shown(house: House, cluster: Cluster, url: str) -> None:
    secret = "K0RREKT-horse"
    with_secret = url.replace("cdpoll@", f"cdpoll:{secret}@")
    (house.folder / "url").write_text(with_secret + "\n")
    told = house.cdpoll("db", "move", "--to", f"{{file {house.folder}/url}}", "--dry-run", "--json", check=0)
    assert told.json["configuration"] == f"url = {{file {house.folder}/url}}"
    assert told.err == ""
    ended = house.cdpoll("db", "move", "--to", with_secret, check=0)
    assert "warning: others can read this command line" in ended.err
    refused = house.cdpoll("record", "c", check=78)
    for text in (told.text, ended.text, ended.err, refused.err):
        assert secret not in text
    assert secret.encode() not in house.database.read_bytes()
