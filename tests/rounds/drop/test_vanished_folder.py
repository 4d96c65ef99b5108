"""A folder of an object store is there only while something lies in it: it goes with its last file, and comes again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.drop_house import SETTLE, DropHouse, batch
from tests.support.sshd import Sshd
from worker.gateways.sftp.drop import DropSettings
from worker.store.opening import open_store
from worker.store.state import drop as rounds

GONE = "the drop's folder went with its last file: it counts as empty"


def picture(house: DropHouse) -> dict[str, Any]:
    with open_store(house.path) as store:
        return rounds.picture(store)


@pytest.fixture
def house(tmp_path: Path, server: Sshd) -> DropHouse:
    return DropHouse(tmp_path, server)


@pytest.fixture
def bucket(house: DropHouse) -> Path:
    folder = house.drop / "bucket"
    folder.mkdir()
    (folder / "a.x12").write_text(batch("A"))
    return folder


@pytest.fixture
def settings(house: DropHouse, bucket: Path) -> DropSettings:
    return replace(house.rules.drop, folder=str(bucket))


def test_a_folder_that_goes_with_its_last_file_is_an_empty_one(
    house: DropHouse, bucket: Path, settings: DropSettings
) -> None:
    assert house.states(drop=settings) == [("a.x12", "ingested")]
    (bucket / "a.x12").unlink()
    bucket.rmdir()
    for _ in range(2):
        assert house.round(drop=settings).failure is None
        assert picture(house)["absent"], "no alarm, but it is said"
    assert [event for event, _ in house.log.lines].count(GONE) == 1
    bucket.mkdir()
    (bucket / "b.x12").write_text(batch("B"))
    assert house.states(drop=settings) == [("b.x12", "ingested")]
    assert not picture(house)["absent"]


def test_with_a_file_that_was_not_fetched_yet_it_is_a_problem(
    house: DropHouse, bucket: Path, settings: DropSettings
) -> None:
    assert house.round(drop=settings).unsettled == ["a.x12"]
    (bucket / "a.x12").unlink()
    bucket.rmdir()
    failure = house.round(drop=settings, wait=SETTLE).failure
    assert failure is not None
    assert failure.code == "drop_missing"
