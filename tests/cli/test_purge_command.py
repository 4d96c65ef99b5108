"""``cdpoll purge``, and what ``status`` says of what is removed and of the disk."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.main import call
from tests.support.cdpoll_process import House
from tests.support.planted import LONG_AGO, plant
from worker.clock import Clock
from worker.rounds.retention import purge as module
from worker.rounds.retention.purge import Purged, Terms, purge
from worker.store.opening import open_store
from worker.store.retention.undelivered import Limit

DAY_MS = 86_400_000


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.database.parent.mkdir()
    with open_store(house.database, create=True) as store:
        plant(store, tmp_path)
    return house


def test_without_yes_nothing_is_changed(house: House) -> None:
    before = house.rows("SELECT * FROM tasks") + house.rows("SELECT * FROM meta")
    told = house.cdpoll("purge", "--older-than", "30d", check=0).text
    assert "  2 tasks\n" in told
    assert "batchs" not in told
    assert "quarantines" not in told
    assert "nothing was changed; --yes does it" in told
    assert house.rows("SELECT * FROM tasks") + house.rows("SELECT * FROM meta") == before


def test_an_age_is_needed(house: House) -> None:
    assert "write a number with a unit" in house.cdpoll("purge", "--older-than", "old", check=2).err
    house.cdpoll("purge", check=2)


@pytest.mark.parametrize("age", ["0d", "99999999d"])
def test_an_age_of_nothing_and_one_before_all_time_are_refused(house: House, age: str) -> None:
    assert "36500d at most" in house.cdpoll("purge", "--older-than", age, "--yes", check=2).err
    assert house.rows("SELECT id FROM tasks WHERE purged_at IS NOT NULL") == []


def test_it_stands_among_what_was_done_by_hand(house: House) -> None:
    house.cdpoll("purge", "--older-than", "30d", "--yes", check=0)
    assert "purged: older than 30 d: 2 tasks" in house.cdpoll("problems", "acts", check=0).text


def test_one_that_fails_in_the_middle_stands_there_too(house: House) -> None:
    house.rows("CREATE TRIGGER broken BEFORE UPDATE OF purged_at ON files BEGIN SELECT raise(ABORT, 'broken'); END")
    assert house.cdpoll("purge", "--older-than", "30d", "--yes").code != 0
    assert house.value("SELECT count(*) FROM tasks WHERE purged_at IS NOT NULL") == 2
    assert house.rows("SELECT act, object FROM acts") == [("began a purge", "older than 30 d")]


class Disk(NamedTuple):
    free_bytes: int
    read_only: bool = False


def test_what_cannot_be_rewritten_is_told_until_it_was(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, "disk_of", lambda _folder: Disk(100_000))
        assert call(["--config", str(house.config), "purge", "--older-than", "30d", "--yes", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["done"], told["rewritten"]) == (True, False)
    assert told["why_not"].startswith("0 MB are free on the disk of ")
    left = house.status()["retention"]["not_rewritten"]
    assert left["rows"] > 2
    assert left["hindrance"] == told["why_not"]
    assert "still stands in the file of the database" in house.problems()["not_rewritten"]
    assert "not yet rewritten in the file" in house.cdpoll("status", check=0).text
    house.cdpoll("purge", "--older-than", "30d", "--yes", check=0)
    left = house.status()["retention"]["not_rewritten"]
    assert left == {"rows": 0, "since": None, "hindrance": None}
    assert "not_rewritten" not in house.problems()
    assert "nothing is purged by itself, last purged " in house.cdpoll("status", check=0).text


@pytest.mark.parametrize(("days", "told"), [(7, False), (9, True)])
def test_it_is_a_problem_when_the_weekly_rewriting_did_not_come(house: House, days: int, told: bool) -> None:
    with open_store(house.database) as store:
        at = store.now(Clock()) - days * DAY_MS
        for _ in purge(store, Terms(Limit(LONG_AGO + DAY_MS)), at, Purged()):
            pass
    assert ("not_rewritten" in house.problems()) == told


def test_the_disk_is_told_of_once_there_is_a_measure(house: House) -> None:
    assert house.status()["disk"]["lasts_days"] is None
    with open_store(house.database) as store:
        size, free = store.file_bytes()
        days = [[store.now(Clock()) - 2 * DAY_MS, size - free - 80_000]]
        with store.write():
            store.execute("INSERT INTO meta (key, value) VALUES ('sizes', :v)", {"v": json.dumps({"days": days})})
    disk = house.status()["disk"]
    assert 20_000 < disk["grows_bytes_per_day"] <= 45_000
    assert disk["lasts_days"] > 0
    assert "the database grows by 0.0 MB a day, measured over 2 days" in house.cdpoll("status", check=0).text
