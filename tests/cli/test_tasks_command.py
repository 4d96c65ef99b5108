"""A task's life in a person's hands: ``tasks``, ``poll``, ``retry``, ``abandon``, ``unreadable``, ``show``."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from tests.support.database import conclude, record
from tests.support.polled_bodies import a_body, a_path
from worker.store.opening import open_store

DAY = 86_400_000
COLUMNS = ["id", "state", "outcome", "refs", "recorded_at", "due_at", "polls", "last_error"]


# --- the list


def test_the_list_has_the_promised_shape(house: House) -> None:
    house.cdpoll("record", "b", "a", "--ref", "R1", check=0)
    listed = house.cdpoll("tasks", "--json", check=0).json
    assert [row["id"] for row in listed["tasks"]] == ["b", "a"]
    assert listed["tasks"][0].keys() == {
        "id",
        "state",
        "outcome",
        "refs",
        "recorded_at",
        "due_at",
        "polls",
        "last_error",
    }
    assert listed["tasks"][0]["refs"] == ["R1"]
    assert [line.split()[0] for line in house.cdpoll("tasks", check=0).text.splitlines()] == ["b", "a"]


def test_an_empty_list_is_a_list(house: House) -> None:
    house.cdpoll("run", "--once", check=0)
    assert house.cdpoll("tasks", "--json", check=0).json == {"tasks": []}
    assert house.cdpoll("tasks", check=0).text == ""


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


def test_the_limit_is_that_of_all_pages(house: House) -> None:
    lines = "\n".join(f'{{"id": "t{n}"}}' for n in range(700))
    house.cdpoll("record", "--jsonl", "-", stdin=lines.encode(), check=0)
    assert len(house.cdpoll("tasks", "--limit", "600", check=0).text.splitlines()) == 600


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
    assert text[0].split() == ["a", "failure", "2027-01-15T08:01:00Z", "=R1"]
    assert text[1:3] == [
        "  RTCOB (RT); HMO (H): not searched: the payer gave no answer",
        "      -> send the inquiry again later, or ask the payer",
    ]
    assert text[4] == "  the vendor says success and names no path that found coverage"
    header, *rows = csv.reader(house.cdpoll("tasks", "--review", "--csv", check=0).text.splitlines())
    assert header[:6] == ["id", "refs", "outcome", "concluded_at", "kind", "path"]
    assert [row[:3] for row in rows] == [["a", "'=R1", "failure"], ["a", "'=R1", "failure"], ["b", "", "success"]]
    house.cdpoll("tasks", "--review", "--overdue", check=2)
    house.cdpoll("tasks", "--review", "--state", "pending", check=2)


# --- show names its task


def test_show_takes_the_beginning_of_an_id(house: House) -> None:
    house.record("abc-1", "abc-2", "xyz-1", "xyz")
    assert house.cdpoll("show", "x", check=65).out == b""
    for name, shown in (("abc-1", "abc-1"), ("xyz", "xyz"), ("xyz-", "xyz-1")):
        assert house.cdpoll("show", name, "--json", check=0).json["id"] == shown
    several = house.cdpoll("show", "abc", check=65).err
    assert "several tasks begin with abc: abc-1, abc-2" in several
    assert house.cdpoll("show", "", check=65).out == b""
    assert house.cdpoll("show", "ABC-1", check=65).out == b""
    house.record(*(f"many-{n:02}" for n in range(11)))
    assert "many-09, and more" in house.cdpoll("show", "many", check=65).err


def test_show_by_ref(house: House) -> None:
    house.cdpoll("record", "a", "b", "--ref", "BOTH", check=0)
    house.cdpoll("record", "b", "--ref", "ONE", check=0)
    assert house.cdpoll("show", "--ref", "ONE", "--json", check=0).json["id"] == "b"
    text = house.cdpoll("show", "--ref", "BOTH", check=0).text
    assert [line.split()[1] for line in text.splitlines() if line.startswith("task ")] == ["a", "b"]
    assert "several tasks have this ref: a, b" in house.cdpoll("show", "--ref", "BOTH", "--json", check=65).err
    unknown = house.cdpoll("show", "--ref", "SECRET-REF", check=65)
    assert "SECRET-REF" not in unknown.err
    house.cdpoll("show", check=2)
    house.cdpoll("show", "a", "--ref", "ONE", check=2)


# --- by hand


def test_poll_without_a_daemon_asks_by_itself(house: House, sandbox: Sandbox) -> None:
    (wanted, other) = begin(sandbox, 2)
    house.record(wanted, other)
    ended = house.cdpoll("poll", wanted, "--json", check=0)
    assert ended.json == {
        "done": [wanted],
        "refused": [],
        "by": "command",
        "states": [{"id": wanted, "state": "concluded", "outcome": "failure", "last_error": None}],
    }
    assert dict(house.rows("SELECT id, state FROM tasks")) == {wanted: "concluded", other: "pending"}


def test_poll_with_a_daemon_leaves_it_to_the_daemon(tmp_path: Path, sandbox: Sandbox) -> None:
    house = House(tmp_path, sandbox, polling_cadence="1s x1.4 15m 10%")
    (wanted,) = begin(sandbox, 1)
    house.record(wanted)
    house.rows("UPDATE tasks SET due_at = due_at + 3600000")
    with house.start() as daemon:
        daemon.ready()
        assert house.cdpoll("poll", wanted, "--json", check=0).json["by"] == "daemon"
        until(lambda: house.value("SELECT state FROM tasks") == "concluded", "the look")
        assert daemon.stopped() == 0


def test_poll_says_why_it_could_not(house: House, sandbox: Sandbox) -> None:
    (wanted,) = begin(sandbox, 1)
    house.record(wanted)
    for fault in ("forbidden@GET", "token_refused"):
        sandbox.set_faults(fault)
        house.cdpoll("poll", wanted, check=77)
    sandbox.stop()
    house.cdpoll("poll", wanted, check=69)
    assert house.value("SELECT state FROM tasks") == "pending"


@pytest.mark.parametrize("command", ["poll", "retry", "abandon"])
def test_unknown_ids_are_65_and_a_part_is_1(house: House, sandbox: Sandbox, command: str) -> None:
    (known,) = begin(sandbox, 1)
    house.record(known)
    assert "is not recorded here" in house.cdpoll(command, "nobody", check=65).err
    ended = house.cdpoll(command, "nobody", known, "--json", check=1)
    assert (ended.json["done"], [row["id"] for row in ended.json["refused"]]) == ([known], ["nobody"])
    house.cdpoll(command, check=2)


@pytest.mark.parametrize("command", ["poll", "retry", "abandon"])
def test_a_concluded_task_is_refused(house: House, sandbox: Sandbox, command: str) -> None:
    (done,) = begin(sandbox, 1)
    house.record(done)
    house.cdpoll("run", "--until-idle", check=0)
    before = house.rows("SELECT * FROM tasks")
    assert "is concluded" in house.cdpoll(command, done, check=65).err
    assert house.rows("SELECT * FROM tasks") == before


def test_abandon_and_retry(house: House, sandbox: Sandbox) -> None:
    (wanted,) = begin(sandbox, 1)
    house.record(wanted)
    house.rows("UPDATE tasks SET life_from = life_from - ?, failures = 4, last_error = 'timeout'", 90 * DAY)
    house.cdpoll("abandon", wanted, check=0)
    assert "retry` revives it" in house.cdpoll("poll", wanted, check=65).err
    house.cdpoll("run", "--until-idle", check=0)
    assert sandbox.log == [entry for entry in sandbox.log if entry[0] == "POST"], "an abandoned task is not asked for"
    house.cdpoll("retry", wanted, check=0)
    assert house.rows("SELECT state, failures, last_error, abandoned_at FROM tasks") == [("pending", 0, None, None)]
    assert house.value("SELECT life_from > recorded_at - 1000 FROM tasks") == 1, "its life begins anew"
    house.cdpoll("run", "--until-idle", check=0)
    story = house.cdpoll("show", wanted, "--json", check=0).json
    assert [entry["event"] for entry in story["history"]] == ["recorded", "abandoned", "retried", "concluded"]


def test_a_task_given_up_is_visible_and_a_late_result_concludes_it(house: House, sandbox: Sandbox) -> None:
    (wanted,) = begin(sandbox, 1, "SBX-NEVER")
    house.record(wanted)
    house.rows("UPDATE tasks SET life_from = life_from - ?, due_at = 1", 46 * DAY)
    house.rows("UPDATE tasks SET last_poll_at = recorded_at - ?, polls = 9, polls_outlived = 2", DAY // 4)
    house.cdpoll("run", "--once", check=0)
    assert house.value("SELECT state FROM tasks") == "abandoned"
    assert "abandoned" in [problem["code"] for problem in house.status()["problems"]]


def test_show_says_why_the_next_look_is_when_it_is(house: House, sandbox: Sandbox) -> None:
    pending, lost = begin(sandbox, 1, "SBX-NEVER")[0], "lost"
    house.record(pending, lost)

    def why(task: str) -> str:
        return str(house.cdpoll("show", task, "--json", check=0).json["why"])

    assert why(pending) == "the first poll"
    house.rows("UPDATE tasks SET due_at = 1")
    house.cdpoll("run", "--once", check=0)
    assert re.match(r"still pending at \S+ .*, class quick\+.*: .* it is done with \d+% chance", why(pending))
    assert why(lost).startswith("the vendor did not know it: ")
    house.cdpoll("retry", lost, check=0)
    assert why(lost) == "a fresh start by hand"
    house.rows("UPDATE api SET reason = 'rate_limited', code = 'http_429', paused_at = 1, resumes_at = 99999999999999")
    assert why(pending).startswith("the API is paused (rate_limited, http_429)")


# --- what could not be read


def test_what_could_not_be_read_is_listed_and_dropped(house: House) -> None:
    house.cdpoll("record", "--link", "</coverage-discovery/x12>; rel=related", "--ref", "ACCT-1", check=65)
    assert [p["code"] for p in house.status()["problems"]][-1] == "unreadable"
    (item,) = house.cdpoll("unreadable", "list", "--json", check=0).json["unreadable"]
    assert (item["raw"], item["ref"]) == ("</coverage-discovery/x12>; rel=related", "ACCT-1")
    assert "coverage-discovery/x12" in house.cdpoll("unreadable", "list", check=0).text
    house.cdpoll("unreadable", "drop", "77", check=65)
    house.cdpoll("unreadable", "drop", str(item["number"]), "77", check=1)
    assert "unreadable" not in [p["code"] for p in house.status()["problems"]]


# --- completion


def test_ids_are_completed(house: House) -> None:
    house.record("abc-1", "abc-2", "xyz")
    words: dict[str, Any] = {
        "COMP_WORDS": f"cdpoll --config {house.config} show ab",
        "COMP_CWORD": "4",
        "_CDPOLL_COMPLETE": "bash_complete",
    }
    assert house.cdpoll(**words).text.split() == ["plain,abc-1", "plain,abc-2"]
    house.config.unlink()
    assert house.cdpoll(**words).text.strip() == ""
