"""What was incomplete once stays on the server, in every later copy: nothing proves that one to be whole."""

from pathlib import Path

import pytest

from tests.support.drop_house import DropHouse, batch
from tests.support.engine import elsewhere
from tests.support.sshd import Sshd
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.store.batch import quarantine
from worker.store.opening import open_store


@pytest.fixture
def house(tmp_path: Path, server: Sshd) -> DropHouse:
    found = DropHouse(tmp_path, server)
    found.put("a.x12", batch("A")[:-30])
    found.put("b.x12", batch("B"))
    assert found.states(after="delete") == [("a.x12", "incomplete"), ("b.x12", "ingested")]
    return found


def on_the_server(house: DropHouse) -> list[str]:
    return sorted(path.name for path in house.drop.iterdir() if path.is_file())


def was_incomplete(house: DropHouse) -> list[tuple[str, str, int]]:
    return elsewhere(house.path, "SELECT name, state, was_incomplete FROM files ORDER BY name")


@pytest.mark.parametrize("after", ["delete", "move"])
def test_its_whole_copy_is_stored_and_left_there(house: DropHouse, after: str) -> None:
    (house.drop / "done").mkdir(exist_ok=True)
    house.put("a.x12", batch("A"), age=5)
    assert house.states(after=after, move_to=str(house.drop / "done")) == [("a.x12", "ingested")]
    assert house.states(after=after, move_to=str(house.drop / "done")) == []
    assert on_the_server(house) == ["a.x12"]
    assert was_incomplete(house) == [("a.x12", "ingested", 1), ("b.x12", "ingested", 0)]


def test_so_is_one_of_its_name_that_comes_after_it_had_left(house: DropHouse) -> None:
    house.put("a.x12", batch("A"), age=5)
    assert house.states(after="delete") == [("a.x12", "ingested")]
    (house.drop / "a.x12").unlink()
    assert house.states(after="delete") == []
    assert house.rows("SELECT count(*) FROM remote_files") == [(0,)]
    house.put("a.x12", batch("C"), age=3)
    assert house.states(after="delete") == [("a.x12", "ingested")]
    assert on_the_server(house) == ["a.x12"]


def test_so_is_one_whose_whole_bytes_came_another_way(house: DropHouse, tmp_path: Path) -> None:
    given = tmp_path / "mail.x12"
    given.write_text(batch("A"))
    with open_store(house.path) as store, given.open("rb") as file:
        assert ingest(store, BatchFile(file, given.name, "path"), house.clock.at).state == "ingested"
    house.put("a.x12", batch("A"), age=5)
    assert house.states(after="delete") == [("a.x12", "known")]
    assert on_the_server(house) == ["a.x12"]
    # It waits for nothing any more.
    assert was_incomplete(house) == [("b.x12", "ingested", 0), ("mail.x12", "ingested", 1)]


def test_so_is_one_that_a_person_dropped_when_it_was_incomplete(house: DropHouse) -> None:
    ((cut,),) = house.rows("SELECT seq FROM files WHERE state = 'incomplete'")
    with open_store(house.path) as store:
        assert quarantine.drop_file(store, cut, house.clock.at, "ann")
    house.put("a.x12", batch("A"), age=5)
    assert house.states(after="delete") == [("a.x12", "ingested")]
    assert on_the_server(house) == ["a.x12"]
