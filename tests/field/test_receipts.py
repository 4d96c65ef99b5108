"""Receipts and JSON lines that were damaged on their way to ``cdpoll record``: what they name is recorded, what may be
half an id is not, and the rest is kept for a person."""

import json
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House

CD = "/coverage-discovery"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def accepted(*ids: str) -> str:
    items = [{"status": 202, "body": {"id": one, "name": "Nightly"}, "href": f"{CD}/{one}"} for one in ids]
    return json.dumps(items)


def test_both_ids_of_a_receipt_that_says_id_twice(house: House) -> None:
    body = b'{"id": "one", "id": "two", "name": "Nightly"}'
    done = house.cdpoll("record", "--json", "--body", "-", stdin=body, check=0)
    assert done.json["recorded"] == ["one", "two"]
    assert "a key stands twice" in done.err


@pytest.mark.parametrize(
    "item",
    [
        f'"body": {{"id": "one", "name": "N", "id": "two"}}, "href": "{CD}/one"',
        f'"body": {{"id": "one", "name": "N"}}, "href": "{CD}/one", "href": "{CD}/two"',
    ],
)
def test_both_ids_of_an_item_whose_other_half_says_one(house: House, item: str) -> None:
    body = f'[{{"status": 202, {item}}}]'.encode()
    done = house.cdpoll("record", "--json", "--body", "-", stdin=body, check=0)
    assert sorted(done.json["recorded"]) == ["one", "two"]


def test_a_207_that_was_cut(house: House) -> None:
    whole = accepted("first", "second", "third")
    cut = whole[: whole.index("third") + 3]
    done = house.cdpoll("record", "--json", "--body", "-", "--ref", "R", stdin=cut.encode(), check=65)
    assert done.json["recorded"] == ["first", "second"]
    assert house.rows("SELECT id FROM tasks ORDER BY seq") == [("first",), ("second",)]
    ((raw, ref),) = house.rows("SELECT raw, ref FROM unreadable")
    assert raw == cut[cut.rindex("{", 0, cut.index("thi")) - len('{"status": 202, "body": ') :]
    assert ref == "R"
    assert "unreadable" in house.problems()


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"id": "a", "name":', accepted("a").encode()[:30]])
def test_a_body_of_which_nothing_can_be_read_is_kept(house: House, body: bytes) -> None:
    done = house.cdpoll("record", "--json", "--body", "-", stdin=body, check=65)
    assert done.json["recorded"] == []
    kept = "".join(raw for (raw,) in house.rows("SELECT raw FROM unreadable ORDER BY seq")).encode()
    assert kept in (body, body[1:])


def test_a_body_without_end_is_bounded(house: House, tmp_path: Path) -> None:
    endless = tmp_path / "endless"
    with endless.open("wb") as file:
        file.truncate(1 << 40)
    done = house.cdpoll("record", "--json", "one", "--body", str(endless), check=65)
    assert done.json["recorded"] == ["one"]
    assert "larger than 16 MiB" in done.err


def test_json_lines_as_powershell_writes_them(house: House) -> None:
    lines = "".join(f'{{"id": "task-{n}", "ref": "Zażółć {n}"}}\r\n' for n in range(3000))
    done = house.cdpoll("record", "--json", "--jsonl", "-", stdin=lines.encode("utf-16"), check=0)
    assert len(done.json["recorded"]) == 3000
    assert (
        house.value("SELECT ref FROM refs WHERE task = (SELECT seq FROM tasks WHERE id = 'task-2999')") == "Zażółć 2999"
    )


def test_a_dump_as_powershell_writes_it(house: House) -> None:
    dump = f'HTTP/1.1 200 OK\r\nlink: <{CD}/one>; rel="related"\r\n\r\n'.encode("utf-16")
    assert house.cdpoll("record", "--json", "--headers", "-", stdin=dump, check=0).json["recorded"] == ["one"]


def test_lines_of_two_writers_that_ran_into_each_other(house: House) -> None:
    lines = b'{"id": "one"}{"id": "two"}\n{"id": "thr{"id": "four"}\n{"id": "five", "ref": "a", "ref": "b"}\n{"id": "si'
    done = house.cdpoll("record", "--json", "--jsonl", "-", stdin=lines, check=65)
    assert done.json["recorded"] == ["one", "two", "five"]
    assert [item["reason"].partition(":")[0] for item in done.json["unreadable"]] == ["line 2", "line 3", "line 4"]
    assert house.value("SELECT count(*) FROM refs") == 0
