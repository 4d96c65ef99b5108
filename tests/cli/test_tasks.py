"""``cdpoll tasks``: the list, as JSON, as CSV and as a table."""

import csv
import re
from pathlib import Path

from tests.support.cdpoll_process import House
from tests.support.database import conclude, record
from tests.support.polled_bodies import a_body, a_path
from worker.clock import Clock
from worker.store.opening import open_store

DAY, HOUR = 86_400_000, 3_600_000
COLUMNS = ["id", "state", "outcome", "refs", "recorded_at", "due_at", "polls", "last_error", "subtenant"]


def test_the_list_has_the_promised_shape(house: House) -> None:
    house.cdpoll("record", "b", "a", "--ref", "R1", check=0)
    listed = house.cdpoll("tasks", "--json", check=0).json
    assert [row["id"] for row in listed["tasks"]] == ["b", "a"]
    assert listed["tasks"][0].keys() == {
        "id",
        "state",
        "outcome",
        "refs",
        "subtenant",
        "recorded_at",
        "due_at",
        "concluded_at",
        "abandoned_at",
        "purged_at",
        "polls",
        "last_error",
        "verified",
    }
    assert listed["tasks"][0]["refs"] == ["R1"]
    lines = house.cdpoll("tasks", check=0).text.splitlines()
    assert [line.split()[0] for line in lines] == ["id", "b", "a"]


def test_an_empty_list_is_a_list(house: House) -> None:
    house.cdpoll("run", "--once", check=0)
    assert house.cdpoll("tasks", "--json", check=0).json == {"tasks": []}
    said = house.cdpoll("tasks", check=0)
    assert (said.text, said.err) == ("", "cdpoll: no task was recorded yet\n")


def test_an_empty_list_says_why(house: House) -> None:
    house.record("a", "b", "c")
    house.rows("UPDATE tasks SET last_error = 'http_422' WHERE id <> 'c'")
    house.rows("UPDATE tasks SET last_error = 'timeout' WHERE id = 'c'")
    for args, said in (
        (("--overdue",), "no task is overdue"),
        (("--state", "concluded"), "no task is concluded"),
        (("--ref", "R9"), "no such task has that ref; refs keep their letter case"),
        (("--subtenant", "east"), "no such task was recorded with that subtenant; subtenants keep their letter case"),
        (("--review",), "no concluded task needs a person"),
        (
            ("--failing", "NO_SUCH"),
            "no pending task fails with NO_SUCH; the last polls failed with: http_422 (2 tasks), timeout (1 task)",
        ),
    ):
        ended = house.cdpoll("tasks", *args, check=0)
        assert (ended.text, ended.err) == ("", f"cdpoll: {said}\n")
    house.rows("UPDATE tasks SET last_error = NULL")
    assert house.cdpoll("tasks", "--failing", check=0).err == "cdpoll: no pending task fails\n"


def test_filters_that_contradict_each_other_are_usage_errors(house: House) -> None:
    house.record("a")
    for state in ("concluded", "abandoned"):
        for narrowed in ("--failing", "--overdue"):
            assert "leave out --state" in house.cdpoll("tasks", "--state", state, narrowed, check=2).err
    house.cdpoll("tasks", "--state", "pending", "--overdue", check=0)


def test_times_are_told_from_now(house: House) -> None:
    house.record("a", "b", "c", "d", "e")
    house.cdpoll("abandon", "e", check=0)
    now = Clock().now()
    house.rows("UPDATE tasks SET recorded_at = ?", now - 3 * HOUR)
    for task, due in (("a", now + 5 * HOUR + 60_000), ("b", now - HOUR - 60_000)):
        house.rows("UPDATE tasks SET due_at = ? WHERE id = ?", due, task)
    house.rows(
        "UPDATE tasks SET state = 'concluded', outcome = 'success', due_at = NULL, concluded_at = ? WHERE id = 'c'",
        now - 49 * HOUR,
    )
    house.rows("UPDATE tasks SET abandoned_at = ? WHERE id = 'e'", now - 2 * HOUR)
    house.rows("UPDATE tasks SET due_at = ? WHERE id = 'd'", now + 20 * HOUR)
    told = [line.split("  ") for line in house.cdpoll("tasks", check=0).text.splitlines()]
    cells = [[cell.strip() for cell in line if cell] for line in told]
    assert cells == [
        ["id", "state", "outcome", "when", "polls", "recorded"],
        ["a", "pending", "due in 5 h", "0", "3 h ago"],
        ["b", "pending", "due for 1 h", "0", "3 h ago"],
        ["c", "concluded", "success", "2 d ago", "0", "3 h ago"],
        ["d", "pending", "due in 19 h", "0", "3 h ago"],
        ["e", "abandoned", "2 h ago", "0", "3 h ago"],
    ]


def test_the_list_fits_the_terminal_and_ids_are_never_cut(house: House) -> None:
    ids = [f"{n:08}-aaaa-bbbb-cccc-dddddddddddd" for n in range(3)]
    for task in ids:
        house.cdpoll("record", task, "--ref", f"a-long-key-of-{task}", check=0)
    house.rows("UPDATE tasks SET last_error = ?", "a_very_long_code_of_an_error_that_never_ends")
    for width in ("80", "60", "200"):
        text = house.cdpoll("tasks", check=0, COLUMNS=width).text.splitlines()
        assert all(len(line) <= int(width) for line in text)
        assert [line.split()[0] for line in text[1:]] == ids
    narrow = house.cdpoll("tasks", "--failing", check=0, COLUMNS="80").text.splitlines()
    assert all(len(line) <= 80 and "  a_very" in line for line in narrow[1:])
    piped = house.cdpoll("tasks", check=0).text
    assert f"a-long-key-of-{ids[0]}" in piped
    assert "a_very_long_code_of_an_error_that_never_ends" in piped


def test_the_list_is_read_page_by_page_and_whole(house: House) -> None:
    lines = "\n".join(f'{{"id": "t{n}", "ref": "r{n}"}}' for n in range(1201))
    house.cdpoll("record", "--jsonl", "-", stdin=lines.encode(), check=0)
    listed = house.cdpoll("tasks", "--json", check=0).json["tasks"]
    assert [(row["id"], row["refs"]) for row in listed] == [(f"t{n}", [f"r{n}"]) for n in range(1201)]


def test_the_list_by_state_and_overdue(house: House) -> None:
    house.record("young", "old", "gone")
    house.cdpoll("abandon", "gone", check=0)
    house.rows("UPDATE tasks SET life_from = life_from - ? WHERE id = 'old'", 2 * DAY)
    assert "gone" in house.cdpoll("tasks", "--state", "abandoned", check=0).text
    assert house.cdpoll("tasks", "--state", "concluded", check=0).text == ""
    overdue = house.cdpoll("tasks", "--overdue", "--json", check=0).json["tasks"]
    assert [row["id"] for row in overdue] == ["old"]
    assert {"code": "overdue", "count": 1} in [
        {key: problem[key] for key in ("code", "count")} for problem in house.status()["problems"]
    ]


def test_the_list_of_those_that_fail(house: House) -> None:
    house.record("fine", "lost", "odd", "gone")
    house.rows("UPDATE tasks SET last_error = 'timeout' WHERE id IN ('lost', 'gone')")
    house.rows("UPDATE tasks SET last_error = 'http_422' WHERE id = 'odd'")
    house.cdpoll("abandon", "gone", check=0)

    def failing(*code: str) -> list[tuple[str, str]]:
        listed = house.cdpoll("tasks", "--failing", *code, "--json", check=0).json["tasks"]
        return [(row["id"], row["last_error"]) for row in listed]

    assert failing() == [("lost", "timeout"), ("odd", "http_422")]
    assert failing("http_422") == failing("failing_http_422") == [("odd", "http_422")]
    assert failing("http_500") == []
    assert "http_422" in house.cdpoll("tasks", "--failing", "http_422", check=0).text


def test_the_list_of_one_ref_and_of_so_many(house: House) -> None:
    for ref, ids in (("R1", "ab"), ("R2", "bc"), ("R1", "d")):
        house.cdpoll("record", *ids, "--ref", ref, check=0)

    def listed(*args: str) -> str:
        return "".join(row["id"] for row in house.cdpoll("tasks", *args, "--json", check=0).json["tasks"])

    assert (listed("--ref", "R1"), listed("--ref", "r1")) == ("abd", "")
    assert listed("--ref", "R1", "--state", "concluded") == ""
    assert (listed("--limit", "2"), listed("--ref", "R1", "--limit", "2"), listed("--limit", "9")) == (
        "ab",
        "ab",
        "abcd",
    )
    house.cdpoll("tasks", "--limit", "0", check=2)


def test_the_list_of_one_subtenant(house: House) -> None:
    house.cdpoll("record", "a", "b", "--subtenant", "north", check=0)
    house.cdpoll("record", "c", "--subtenant", "south", "--ref", "R1", check=0)
    house.cdpoll("record", "b", "d", "--ref", "R1", check=0)

    def listed(*args: str) -> list[tuple[str, str | None]]:
        rows = house.cdpoll("tasks", *args, "--json", check=0).json["tasks"]
        return [(row["id"], row["subtenant"]) for row in rows]

    assert listed() == [("a", "north"), ("b", "north"), ("c", "south"), ("d", None)]
    assert listed("--subtenant", "north") == [("a", "north"), ("b", "north")]
    assert listed("--subtenant", "north", "--ref", "R1") == [("b", "north")]
    assert (listed("--subtenant", "North"), listed("--subtenant", "")) == ([], [])
    _, *rows = csv.reader(house.cdpoll("tasks", "--csv", check=0).text.splitlines())
    assert [row[-1] for row in rows] == ["north", "north", "south", ""]


def test_the_limit_is_that_of_all_pages(house: House) -> None:
    lines = "\n".join(f'{{"id": "t{n}"}}' for n in range(700))
    house.cdpoll("record", "--jsonl", "-", stdin=lines.encode(), check=0)
    assert len(house.cdpoll("tasks", "--limit", "600", check=0).text.splitlines()) == 601


def test_the_list_as_csv_runs_nothing_in_a_spreadsheet(house: House) -> None:
    house.cdpoll("record", "a", "--ref", "=1+1", check=0)
    house.cdpoll("record", "a", "--ref", 'say "x", y', check=0)
    house.cdpoll("record", "--ref", "\t=2", "--", "-b", check=0)
    header, *rows = csv.reader(house.cdpoll("tasks", "--csv", check=0).text.splitlines())
    assert header == COLUMNS
    assert [(row[0], row[3], row[6], row[7]) for row in rows] == [
        ("a", '\'=1+1; say "x", y', "0", ""),
        ("'-b", "'\\t=2", "0", ""),
    ]
    house.cdpoll("tasks", "--csv", "--json", check=2)


def test_the_list_of_those_to_review(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.database.parent.mkdir()
    with open_store(house.database, create=True) as store:
        record(store, "a", ref="=R1")
        mute = [a_path(None, "payer_unavailable", name, payer) for name, payer in (("RTCOB", "RT"), ("HMO", "H"))]
        conclude(store, a_body(status="failure", unsuccessful=mute))
        record(store, "b")
        conclude(store, a_body("b"), 2)
    first, second = house.cdpoll("tasks", "--review", "--json", check=0).json["tasks"]
    assert (first["id"], first["review"][0]["path"], second["review"][0]["kind"]) == ("a", "RTCOB", "no_path")
    assert set(COLUMNS) <= first.keys()
    text = house.cdpoll("tasks", "--review", check=0).text.splitlines()
    assert text[0].split() == ["id", "outcome", "concluded", "ref"]
    assert re.fullmatch(r"a +failure  \d+ (s|min|h|d) ago +=R1", text[1])
    assert text[2:4] == [
        "  RTCOB (RT); HMO (H): not searched: the payer gave no answer",
        "      -> send the inquiry again later, or ask the payer",
    ]
    assert text[5] == "  the vendor says success and names no path that found coverage"
    header, *rows = csv.reader(house.cdpoll("tasks", "--review", "--csv", check=0).text.splitlines())
    assert header[:6] == ["id", "refs", "outcome", "concluded_at", "kind", "path"]
    assert [row[:3] for row in rows] == [["a", "'=R1", "failure"], ["a", "'=R1", "failure"], ["b", "", "success"]]
    house.cdpoll("record", "a", "--ref", "R" * 1000, check=0)
    narrow = house.cdpoll("tasks", "--review", check=0, COLUMNS="64").text.splitlines()
    assert max(len(line) for line in narrow) <= 64
    assert narrow[1].endswith("…")
    assert narrow[2:5] == [
        "  RTCOB (RT); HMO (H): not searched: the payer gave no answer",
        "      -> send the inquiry again later, or ask the payer",
        f"{'b':<36}  success  {narrow[4][47:]}",
    ]
    assert header[-1] == "subtenant"
    house.cdpoll("record", "b", "--subtenant", "north", check=0)
    (mine,) = house.cdpoll("tasks", "--review", "--subtenant", "north", "--json", check=0).json["tasks"]
    assert (mine["id"], mine["subtenant"]) == ("b", "north")
    house.cdpoll("tasks", "--review", "--overdue", check=2)
    house.cdpoll("tasks", "--review", "--state", "pending", check=2)
