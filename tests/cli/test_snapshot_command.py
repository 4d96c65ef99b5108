"""``cdpoll db snapshot`` and ``cdpoll db verify-restore``, and what ``status`` tells of them."""

from pathlib import Path

import pytest

from tests.support.cdpoll_process import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.record("a", "b")
    return made


def test_a_snapshot_and_its_restore_on_trial_are_told_by_status(house: House) -> None:
    copy = house.folder / "copy.db"
    assert house.status()["backup"] == {"snapshot_at": None, "verified_at": None, "verified_snapshot_at": None}
    assert "\nbackup" not in house.cdpoll("status", check=0).text
    taken = house.cdpoll("db", "snapshot", str(copy), "--json", check=0).json
    assert (taken["tasks"], taken["concluded"]) == (2, 0)
    assert "none was restored on trial yet" in house.cdpoll("status", check=0).text
    told = house.cdpoll("db", "verify-restore", str(copy), "--json", check=0).json
    assert told["ok"]
    assert told["counts"]["tasks"] == {"noted": 2, "restored": 2, "live": 2}
    backup = house.status()["backup"]
    assert backup["snapshot_at"] == backup["verified_snapshot_at"] == taken["taken_at"] == told["taken_at"]
    assert backup["verified_at"] is not None
    (line,) = (one for one in house.cdpoll("status", check=0).text.splitlines() if one.startswith("backup"))
    assert "last snapshot" in line
    assert "restored on trial, and good," in line
    acts = house.cdpoll("problems", "acts", "--json", check=0).json["acts"]
    assert [(one["act"], one["object"]) for one in acts] == [
        ("found a snapshot good", taken["taken_at"]),
        ("took a snapshot", None),
        ("began a snapshot", None),
    ]


def test_one_that_is_no_good_is_74_and_is_not_noted_as_verified(house: House) -> None:
    copy = house.folder / "copy.db"
    house.cdpoll("db", "snapshot", str(copy), check=0)
    house.cdpoll("db", "snapshot", str(copy), check=65)
    copy.write_bytes(copy.read_bytes()[:-8192])
    assert f"{copy}: " in house.cdpoll("db", "verify-restore", str(copy), check=74).text
    assert house.status()["backup"]["verified_at"] is None
    assert house.rows("SELECT act, object FROM acts ORDER BY seq DESC LIMIT 1") == [("found a snapshot bad", None)]


def test_one_that_is_not_there_is_no_fault_of_the_database(house: House) -> None:
    told = house.cdpoll("db", "verify-restore", str(house.folder / "none.db"), check=74).err
    assert told.splitlines() == [
        f"cdpoll: {house.folder}/none.db: No such file or directory",
        "        name a snapshot that this user may read",
    ]


def test_a_folder_that_is_not_there_is_named(house: House) -> None:
    ended = house.cdpoll("db", "snapshot", str(house.folder / "none" / "snap.db"), check=65)
    assert f"{house.folder / 'none'} is no folder" in ended.err


def test_a_file_that_is_no_database_is_named_once(house: House) -> None:
    file = house.folder / "notes.txt"
    file.write_text("no database at all, but long enough to be read as the head of one" * 20)
    ended = house.cdpoll("db", "verify-restore", str(file), check=74)
    assert (ended.text + ended.err).count(str(file)) == 1


def test_beside_a_daemon(house: House) -> None:
    copy = house.folder / "copy.db"
    with house.start():
        house.cdpoll("db", "snapshot", str(copy), check=0)
        assert "can be restored" in house.cdpoll("db", "verify-restore", str(copy), check=0).text
