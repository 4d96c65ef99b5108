"""Answers that are expected without an id, through the commands: told, found in a batch, sent out, listed, dropped."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import House
from tests.support.x12_samples import ACTIVE, a_file, a_set, subscriber

ONE = {
    "trace_number": "OURS-1",
    "originator_id": "9000000001",
    "ref": "account 7",
    "member_id": "M0001",
    "correlation_id": "c-7",
    "subtenant": "clinic",
}
OTHER = {"trace_number": "T2", "ref": "account 8", "birth_date": "1970-02-03"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def tell(house: House, *lines: dict[str, str]) -> Any:
    given = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return house.cdpoll("record", "--json", "--jsonl", "-", stdin=given, check=0).json


def batch(house: House, name: str = "one.x12", member: str = "M0001") -> dict[str, Any]:
    file = house.folder / name
    file.write_text(a_file(a_set(subscriber(ACTIVE, member=member))))
    (said,) = house.ingest(file, check=0)
    return said


def exported(house: House) -> list[dict[str, Any]]:
    return [json.loads(line) for line in house.cdpoll("export", check=0).out.splitlines()]


@pytest.mark.parametrize("first", ["told", "brought"])
def test_its_answer_goes_out_with_ref_correlation_id_and_subtenant_and_without_an_id(house: House, first: str) -> None:
    if first == "told":
        assert tell(house, ONE, OTHER)["expected"] == 2
    assert batch(house)["matched"] == int(first == "told")
    if first == "brought":
        tell(house, ONE, OTHER)
    (one,) = exported(house)
    keys = ("kind", "id", "ref", "correlation_id", "subtenant", "outcome", "source")
    assert [one[key] for key in keys] == ["batch", None, "account 7", "c-7", "clinic", None, "batch"]
    assert one["batch"]["match"] == "matched"
    (line,) = house.cdpoll("found", "--json", "--ref", "account 7", check=0).json["found"]
    assert [line[key] for key in ("ref", "id", "subtenant", "match")] == ["account 7", None, "clinic", "matched"]
    assert house.value("SELECT refs || ' ' || correlation_id FROM found_coverage") == "account 7 c-7"
    assert house.cdpoll("files", "--json", check=0).json["files"][0]["matched"] == 1
    assert house.status()["expected"] == {"waiting": 1, "answered": 1, "oldest_age_s": pytest.approx(0, abs=60)}


def test_a_way_for_one_subtenant_brings_it_and_one_for_another_does_not(house: House) -> None:
    for name, tag in (("mine", "clinic"), ("theirs", "other")):
        (house.folder / name).mkdir()
        house.ways[name] = {"kind": "directory", "path": str(house.folder / name), "subtenant": tag}
    house.write()
    tell(house, ONE)
    batch(house)
    house.cdpoll("deliver", "--once", check=0)
    (file,) = (house.folder / "mine").glob("*.json")
    assert json.loads(file.read_text())["ref"] == "account 7"
    assert not list((house.folder / "theirs").iterdir())


def test_what_is_waited_for_is_listed_and_dropped_and_what_was_answered_stays(house: House) -> None:
    tell(house, ONE, OTHER, {**OTHER, "trace_number": "OURS-1", "originator_id": "other", "ref": "account 9"})
    batch(house)
    _, second, third = house.cdpoll("expected", "list", check=0).text.splitlines()
    assert second.split()[0::2] == ["2", "T2;", "8"]
    assert third.endswith("OURS-1; account 9")
    batch(house, "two.x12", member="M0002")
    told = house.cdpoll("expected", "list", "--json", check=0).json["expected"]
    assert [(one["number"], one["candidates"]) for one in told] == [(2, 0), (3, 1)]
    assert "no answer is waited for that long" in house.cdpoll("expected", "list", "--overdue", "1d", check=0).err
    assert house.cdpoll("expected", "list", "--overdue", "1d", "--json", check=0).json == {"expected": []}
    house.rows("UPDATE expected SET recorded_at = recorded_at - 90000000 WHERE seq = 2")
    told = house.cdpoll("expected", "list", "--overdue", "1d", "--json", check=0).json["expected"]
    assert [one["ref"] for one in told] == ["account 8"]
    assert b"2 answers of batches waited for, the oldest for " in house.cdpoll("status").out
    assert "none of these numbers" in house.cdpoll("expected", "drop", "1", "7", check=65).err
    assert house.cdpoll("expected", "drop", "1", "2", check=1).text == "dropped 2\n"
    assert house.cdpoll("expected", "drop", "--all", check=0).text == "dropped 1\n"
    assert "no answer is waited for" in house.cdpoll("expected", "list", check=0).err
    assert [one["ref"] for one in exported(house)] == ["account 7", None]
    house.cdpoll("expected", "drop", check=2)


def test_a_purge_keeps_the_ref_as_long_as_its_answer_and_what_is_undelivered(house: House) -> None:
    tell(house, ONE, OTHER)
    batch(house)
    house.rows("UPDATE expected SET recorded_at = 1")
    removed = house.cdpoll("purge", "--older-than", "1d", "--yes", "--json", check=0).json["removed"]
    assert (removed["expected"], removed["files"]) == (1, 0)
    assert [one["ref"] for one in exported(house)] == ["account 7"]
    (house.folder / "out").mkdir()
    house.ways["mine"] = {"kind": "directory", "path": str(house.folder / "out")}
    house.write()
    house.rows("UPDATE files SET done_at = 1")
    house.rows("UPDATE results SET received_at = 1")
    assert house.cdpoll("purge", "--older-than", "1d", "--yes", "--json", check=0).json["removed"]["expected"] == 0
    house.cdpoll("deliver", "--once", check=0)
    removed = house.cdpoll("purge", "--older-than", "1d", "--yes", "--json", check=0).json["removed"]
    assert (removed["expected"], removed["files"]) == (1, 1)
    assert house.rows("SELECT ref FROM expected") == []
