"""``cdpoll status``, ``show`` and ``db``: the whole picture with nothing, with a dead daemon, and with a living one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from worker.clock import Clock

STATUS: dict[str, Any] = {
    "verdicts": {"work", "parts", "picture"},
    "environment": {"origin", "kind"},
    "daemon": {"alive", "beat_age_s", "beat_age_ms", "version", "pid", "started_at", "passes"},
    "tasks": {"pending", "due", "concluded", "abandoned"},
    "outcomes": {"success", "failure"},
    "oldest_pending_age_s": None,
    "oldest_due_age_s": None,
    "traffic": {"hour", "day"},
    "api": {"paused", "reason", "resumes_at", "pace", "full_pace_in_s"},
    "polling": {
        *("schedule", "delay_per_request_s", "results", "polls_per_result", "delay_s"),
        *("requests_per_second", "requests_today", "daily_budget"),
    },
    "token": {"expires_in_s"},
    "files": set(),
    "deliveries": {"alive", "pid", "version", "beat_age_s", "ways"},
    "backup": {"snapshot_at", "verified_at", "verified_snapshot_at"},
    "problems": None,
    "config": None,
    "database": None,
}
SHOW = {
    *(
        "id",
        "state",
        "outcome",
        "name",
        "class",
        "why",
        "source",
        "refs",
        "correlation_id",
        "trace_id",
        "recorded_at",
        "due_at",
    ),
    *("concluded_at", "concluded_by", "polls", "failures", "last_error", "revisions", "paths", "history"),
}
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def codes(picture: Any) -> list[str]:
    assert all(
        p.keys() == {"code", "count", "hint", "severity", "since", "daemon"} and p["hint"] and p["count"] >= 1
        for p in picture["problems"]
    )
    return [p["code"] for p in picture["problems"]]


# --- status


def test_without_a_database_status_says_where_it_should_be(house: House) -> None:
    ended = house.cdpoll("status", "--json", check=74)
    assert str(house.database) in ended.err
    assert "cdpoll record" in ended.err
    assert ended.out == b""
    assert not house.database.exists()


def test_the_shape_of_the_json_where_no_daemon_ever_ran(house: House) -> None:
    house.record("a", "b")
    picture = house.status()
    assert STATUS.keys() <= picture.keys()
    for key, inside in STATUS.items():
        assert inside is None or inside <= picture[key].keys(), key
    assert set(picture["daemon"].values()) == {"cdpoll", False, None}
    assert picture["daemons"] == []
    assert picture["tasks"] == {"pending": 2, "due": picture["tasks"]["due"], "concluded": 0, "abandoned": 0}
    assert picture["outcomes"] == {"success": 0, "failure": 0}
    assert picture["oldest_pending_age_s"] >= 0
    assert picture["api"] == {
        "paused": False,
        "reason": None,
        "resumes_at": None,
        "pace": 1.0,
        "full_pace_in_s": None,
    }
    assert picture["token"] == {"expires_in_s": None}
    assert codes(picture) == ["daemon_down"]
    assert (picture["config"], picture["database"]) == (str(house.config), str(house.database))


def test_the_text_says_the_same_to_people(house: House) -> None:
    house.record("a")
    text = house.cdpoll("status", check=0).text
    for part in ("NOT RUNNING", "never ran", "pending", "daemon_down", str(house.database), str(house.config)):
        assert part in text


def test_status_needs_no_secret_and_no_api(house: House) -> None:
    house.record("a")
    (house.folder / "secret").unlink()
    assert house.status()["tasks"]["pending"] == 1
    house.write(**{key: "" for key in house.values if key.startswith("api_")})
    assert house.status()["tasks"]["pending"] == 1


def test_a_living_daemon_then_none(tmp_path: Path) -> None:
    with Sandbox(Clock()) as sandbox:
        house = House(tmp_path, sandbox)
        house.record(*begin(sandbox, 3))
        with house.start() as daemon:
            daemon.ready()
            until(lambda: house.value("SELECT count(*) FROM results") == 3, "three results", daemon.process)
            picture = house.status()
            assert picture["daemon"]["alive"] is True
            assert picture["daemon"]["beat_age_s"] >= 0
            assert picture["daemon"]["version"]
            assert picture["tasks"] == {"pending": 0, "due": 0, "concluded": 3, "abandoned": 0}
            assert picture["outcomes"] == {"success": 0, "failure": 3}
            assert picture["oldest_pending_age_s"] is None
            assert picture["problems"] == []
            assert house.cdpoll("status", "--check", check=0).text.startswith("CDPOLL OK - ")
            daemon.process.kill()
            daemon.end()
            # The beat is fresh, but its process is gone.
            assert house.status()["daemon"]["alive"] is False
            assert house.cdpoll("status", "--check", check=2).text.startswith("CDPOLL CRITICAL - daemon_down 1")


@pytest.mark.parametrize(
    ("faults", "code", "exit_code"),
    [("429:600@/coverage-discovery", "api_rate_limited", 1), ("forbidden@GET", "api_credentials", 2)],
)
def test_a_paused_api(tmp_path: Path, faults: str, code: str, exit_code: int) -> None:
    with Sandbox(Clock(), faults=faults) as sandbox:
        house = House(tmp_path, sandbox, polling_cadence="50ms x1.4 60s 10%")
        house.record(*begin(sandbox, 2))
        with house.start() as daemon:
            daemon.ready()
            until(lambda: house.value("SELECT reason FROM api"), "a pause", daemon.process)
            picture = house.status()
            assert picture["api"]["paused"] is True
            assert code.removeprefix("api_") in picture["api"]["reason"]
            assert ISO.fullmatch(picture["api"]["resumes_at"])
            assert codes(picture) == [code]
            assert picture["tasks"]["pending"] == 2
            checked = house.cdpoll("status", "--check", check=exit_code).text
            assert code in checked
            assert "PAUSED" in house.cdpoll("status").text


def test_check_is_one_line_with_performance_data(house: House) -> None:
    house.record("a", "b")
    text = house.cdpoll("status", "--check", check=2).text
    assert len(text.splitlines()) == 1
    line, _, data = text.partition("|")
    assert line.startswith("CDPOLL CRITICAL - daemon_down 1")
    numbers = dict(part.split("=") for part in data.split())
    assert {"pending", "due", "concluded", "abandoned", "oldest_s"} <= numbers.keys()
    assert (numbers["pending"], numbers["concluded"]) == ("2", "0")


def test_check_that_cannot_tell_is_3_in_one_line(house: House) -> None:
    for wrong in ({}, {"polling_burst": "many", "polling_max_in_flight": "more"}):
        house.write(**wrong)
        ended = house.cdpoll("status", "--check", check=3)
        assert ended.text.startswith("CDPOLL UNKNOWN - ")
        assert len(ended.text.splitlines()) == 1
        assert ended.err == (
            "warning: the configuration has 2 mistakes beside [store]; `cdpoll config check` lists them\n"
            if wrong
            else ""
        )


def test_problems_are_counted(house: House) -> None:
    house.record(*(f"t{n}" for n in range(6)))
    house.cdpoll("record", "no/id", check=65)
    house.rows("UPDATE tasks SET state = 'abandoned', due_at = NULL WHERE id = 't0'")
    house.rows("UPDATE tasks SET failures = 3, last_error = 'http_422' WHERE id IN ('t1', 't2')")
    house.rows("UPDATE tasks SET failures = 1, last_error = 'timeout' WHERE id = 't3'")
    house.rows("UPDATE tasks SET last_error = 'wrong_id', failures = 1 WHERE id = 't4'")
    house.rows("UPDATE tasks SET life_from = life_from - 90000000 WHERE id = 't5'")
    picture = house.status()
    counted = {p["code"]: p["count"] for p in picture["problems"]}
    assert counted == {
        "daemon_down": 1,
        "failing_http_422": 2,
        "wrong_id": 1,
        "overdue": 1,
        "abandoned": 1,
        "unreadable": 1,
    }
    assert picture["tasks"]["abandoned"] == 1


@pytest.mark.parametrize(
    ("missing", "answered", "code"), [(2, 0, "not_found"), (4, 5, "not_found"), (4, 3, "wrong_environment")]
)
def test_most_ids_unknown_hints_at_the_environment(house: House, missing: int, answered: int, code: str) -> None:
    house.record(*(f"t{n}" for n in range(missing + answered)))
    house.rows("UPDATE tasks SET polls = 1, last_poll_at = recorded_at")
    house.rows(
        "UPDATE tasks SET not_found_since = recorded_at - 86400000, last_error = 'not_found' WHERE seq <= ?", missing
    )
    assert code in codes(house.status())


def test_a_clock_set_back_makes_no_negative_age(house: House) -> None:
    house.record("a")
    house.rows("UPDATE tasks SET recorded_at = recorded_at + 3600000, life_from = life_from + 3600000")
    assert house.status()["oldest_pending_age_s"] == 0


def test_an_age_is_bounded_by_what_the_daemon_has_seen(house: House) -> None:
    """The clock was ten years off at recording. The daemon has noticed, and has moved where the life begins."""
    house.record("a")
    house.rows("UPDATE tasks SET recorded_at = recorded_at - 315360000000")
    assert house.status()["oldest_pending_age_s"] < 60
    house.rows("UPDATE tasks SET life_from = life_from - 3600000")
    assert 3600 <= house.status()["oldest_pending_age_s"] < 3660


def test_no_ref_is_ever_in_status(house: House) -> None:
    house.cdpoll("record", "a", "--ref", "MRN-4711", check=0)
    for how in ([], ["--json"], ["--check"]):
        ended = house.cdpoll("status", *how)
        assert "MRN-4711" not in ended.text + ended.err


# --- show


def test_show_of_an_unknown_id_is_65(house: House) -> None:
    house.record("known")
    for task_id in ("unknown", "KNOWN", "no/id"):
        ended = house.cdpoll("show", task_id, check=65)
        assert "no task" in ended.err
        assert ended.out == b""


def test_show_of_a_pending_task(house: House) -> None:
    house.cdpoll("record", "a", "--ref", "r2", "--correlation-id", "c", check=0)
    house.cdpoll("record", "a", "--ref", "r1", check=0)
    shown = house.cdpoll("show", "a", "--json", check=0).json
    assert shown.keys() >= SHOW
    assert "body" not in shown
    assert (shown["state"], shown["outcome"], shown["source"], shown["correlation_id"]) == ("pending", None, "id", "c")
    assert shown["refs"] == ["r2", "r1"]
    assert ISO.fullmatch(shown["recorded_at"])
    assert ISO.fullmatch(shown["due_at"])
    assert (shown["concluded_at"], shown["polls"], shown["revisions"], shown["paths"]) == (None, 0, 0, [])
    assert [h["event"] for h in shown["history"]] == ["recorded", "ref_added"]
    assert all(h.keys() == {"at", "event", "detail"} for h in shown["history"])
    assert "no body yet" in house.cdpoll("show", "a", "--body", check=0).text
    assert house.cdpoll("show", "a", "--body", "--json", check=0).json["body"] is None


def test_show_of_a_concluded_task_with_its_body(tmp_path: Path) -> None:
    with Sandbox(Clock()) as sandbox:
        house = House(tmp_path, sandbox)
        (task_id,) = begin(sandbox, 1, "SBX-NOW-FOUND")
        house.cdpoll("record", task_id, "--ref", "r", check=0)
        assert house.cdpoll("run", "--until-idle").code == 0
    shown = house.cdpoll("show", task_id, "--json", check=0).json
    assert (shown["state"], shown["outcome"], shown["concluded_by"]) == ("concluded", "success", "poll")
    assert (shown["due_at"], shown["revisions"], shown["polls"]) == (None, 0, 1)
    assert ISO.fullmatch(shown["concluded_at"])
    assert [h["event"] for h in shown["history"]] == ["recorded", "concluded"]
    paths = {"list", "position", "name", "status", "payer_id", "transaction_id", "reason"}
    assert shown["paths"]
    assert all(path.keys() == paths for path in shown["paths"])
    assert "eligible" in {path["status"] for path in shown["paths"]}
    body = house.value("SELECT body FROM results")
    assert json.loads(body)["id"] == task_id
    with_body = house.cdpoll("show", task_id, "--body", check=0)
    assert with_body.out.endswith(b"\n" + body + b"\n")
    assert house.cdpoll("show", task_id, "--body", "--json", check=0).json["body"] == body.decode()
    text = house.cdpoll("show", task_id, check=0).text
    assert "coverage found" in text
    assert body.decode() not in text


def test_the_body_comes_out_byte_for_byte_whatever_it_holds(house: House) -> None:
    house.record("a")
    body = b'{"name": "Caf\xe9 \xff\x00"}'
    house.rows(
        "INSERT INTO results (task, source, revision, received_at, body, body_sha256) VALUES (1, 'poll', 1, 0, ?, '')",
        body,
    )
    assert body in house.cdpoll("show", "a", "--body", check=0).out
    assert "Caf" in house.cdpoll("show", "a", "--body", "--json", check=0).json["body"]


# --- db


def test_where_the_database_is_also_before_there_is_one(house: House) -> None:
    assert house.cdpoll("db", "path", check=0).text == f"{house.database}\n"
    assert not house.database.exists()


def test_a_whole_database(house: House) -> None:
    assert str(house.database) in house.cdpoll("db", "integrity", check=74).err
    house.record("a")
    assert "whole" in house.cdpoll("db", "integrity", check=0).text
    found = house.cdpoll("db", "integrity", "--json", check=0).json
    assert (found["ok"], found["wrong"], found["database"]) == (True, [], str(house.database))


def test_a_corrupted_database_is_74(house: House) -> None:
    house.record(*(f"t{n}" for n in range(400)))
    data = bytearray(house.database.read_bytes())
    for page in range(8, len(data) // 4096):  # the schema stays legible
        data[page * 4096 + 8 : page * 4096 + 200] = b"\xa5" * 192
    house.database.write_bytes(data)
    ended = house.cdpoll("db", "integrity", check=74)
    assert ended.out or ended.err
    house.database.write_bytes(b"not a database" * 999)
    assert "restore" in house.cdpoll("db", "integrity", check=74).err


def test_a_row_that_refers_to_nothing_is_74(house: House) -> None:
    house.record("a")
    house.rows("INSERT INTO refs (task, ref, added_at) VALUES (77, 'r', 0)")
    found = house.cdpoll("db", "integrity", "--json", check=74).json
    assert (found["ok"], len(found["wrong"])) == (False, 1)


def test_a_critical_problem_cannot_be_hidden(house: House) -> None:
    house.record("a")
    assert "daemon_down is critical" in house.cdpoll("problems", "ack", "daemon_down", check=65).err
    house.cdpoll("status", "--check", check=2)
