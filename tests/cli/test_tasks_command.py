"""A task's life in a person's hands: ``poll``, ``retry``, ``abandon``, ``unreadable``, ``show``."""

import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until

DAY, HOUR = 86_400_000, 3_600_000
COLUMNS = ["id", "state", "outcome", "refs", "recorded_at", "due_at", "polls", "last_error"]


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
        "states": [{"id": wanted, "state": "concluded", "outcome": "failure", "last_error": None, "verified": None}],
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
        said = house.cdpoll("poll", wanted, check=77).err
        assert "could not be asked: HTTP 40" in said
        assert "check client_id and client_secret" in said
    sandbox.stop()
    assert "the connection is refused" in house.cdpoll("poll", wanted, check=69).err
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
    assert re.match(
        r"still pending at the age of \S+ .*, class quick\+.*: .* it has finished with a chance of \d+%", why(pending)
    )
    assert why(lost).startswith("the vendor did not know the id yet (404): ")
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
