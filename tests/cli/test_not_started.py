"""Where no daemon runs, `status` says why none can start, or that one is starting."""

import os
from pathlib import Path
from typing import Any

import pytest

from cli.opening import opened
from tests.support.cdpoll_process import House
from worker.store.db.lock import DaemonLock, holder

START = "mend it, then start the daemon (systemctl start cdpoll, or cdpoll run)"


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.record("a")
    return made


def down(house: House) -> str:
    """The hint of `daemon_down`, which is one in all places."""
    (problem,) = house.cdpoll("problems", "list", "--json", check=0).json["problems"]
    assert problem["code"] == "daemon_down"
    assert house.status()["problems"][0]["hint"] == problem["hint"]
    assert problem["hint"] in house.cdpoll("status", check=0).text
    assert house.cdpoll("status", "--check", check=2).text.startswith("CDPOLL CRITICAL - daemon_down")
    return str(problem["hint"])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"polling_brust": "5"}, "[polling] brust: unknown key"),
        (
            {"api_client_secret": "{file /nonexistent/secret}"},
            "/nonexistent/secret cannot be used: no such file",
        ),
        ({"api_base_url": "http://127.0.0.1:10/x"}, "[api] base_url: the database "),
        ({"api_client_id": ""}, "[api]: client_id is missing; write it under [api]"),
        ({"api_ca_file": "/nonexistent/ca.pem"}, "[api] ca_file: /nonexistent/ca.pem is not there; name a PEM file"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_a_configuration_that_keeps_the_daemon_from_starting(house: House, keys: dict[str, str], said: str) -> None:
    assert "configuration" not in down(house)
    house.write(**keys)
    house.cdpoll("run", "--once", check=78)
    hint = down(house)
    assert hint.startswith(f"no daemon is polling: the configuration cannot be used: {house.config}:")
    assert said in hint
    assert hint.endswith(START)


def test_only_the_first_of_several_mistakes_is_told_whole(house: House) -> None:
    house.write(polling_brust="5", polling_cadence="soon")
    assert " (and 1 more: `cdpoll config check`); mend it" in down(house)


@pytest.mark.parametrize("secret", ["{credential client_secret}", "{env CDPOLL_TEST_NOT_SET}"])
def test_what_only_the_service_is_handed_is_no_mistake(house: House, secret: str) -> None:
    house.write(api_client_secret=secret)
    assert "configuration" not in down(house)


def test_nothing_to_run(house: House) -> None:
    house.write(**{key: "" for key in house.values if key.startswith("api_")})
    assert "[api] is missing: this installation can record, and read files that are named, but not poll" in down(house)
    house.write(store_runs="once")
    assert house.status()["problems"] == []


def test_callbacks_alone_are_something_to_run(house: House) -> None:
    keys = {key: "" for key in house.values if key.startswith("api_")}
    house.write(**keys, callback_client_id="vendor", callback_client_secret="a-secret")
    assert "configuration" not in down(house)
    ended = house.cdpoll("config", "check")
    assert (ended.code, "[api]" in ended.err) == (0, False)


def test_a_file_that_this_user_may_not_read_is_no_mistake(house: House, tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.ini").write_bytes("[api]".encode("utf-16"))
    assert "configuration" not in down(house)


def test_a_daemon_that_is_starting(house: House) -> None:
    assert house.status()["daemon"]["starting"] is None
    lock = DaemonLock(house.database)
    try:
        told: dict[str, Any] = house.status()
        assert told["daemon"]["starting"] == os.getpid()
        assert told["problems"] == []
        assert house.cdpoll("status", "--check", check=0).text.startswith("CDPOLL OK")
        screen = house.cdpoll("status", check=0).text
        assert f"STARTING   a daemon is starting (process {os.getpid()}); 1 task pending" in screen
        assert "never ran here" not in screen
        # Long after it took the lock, and with no sign of going on:
        os.utime(house.database.with_name("cdpoll.db.lock"), (1, 1))
        (problem,) = house.status()["problems"]
        assert problem["code"] == "daemon_stuck"
        assert f"process {os.getpid()} has finished no pass for " in problem["hint"]
        assert f"STUCK, process {os.getpid()} finishes no pass" in house.cdpoll("status", check=0).text
        lock.still_working()
        assert house.status()["problems"] == []
    finally:
        lock.release()
    assert holder(house.database) is None
    assert down(house)


def test_a_database_that_is_being_brought_up_to_date(house: House) -> None:
    house.rows("PRAGMA user_version = 20")
    assert "of an earlier cdpoll" in house.cdpoll("status", check=74).err
    lock = DaemonLock(house.database)
    for command in (["status"], ["record", "b"]):
        ended = house.cdpoll(*command, check=75)
        assert f"of an earlier cdpoll (schema 20); process {os.getpid()} holds the daemon's lock" in ended.err
        assert "try again in a moment; or it is the daemon of before: restart it" in ended.err
    lock.release()


@pytest.mark.parametrize(("create", "longest_ms"), [(False, 5_000), (True, 15_000)])
def test_who_looks_waits_less_long_for_a_lock_than_nagios_does(house: House, create: bool, longest_ms: int) -> None:
    mask = os.umask(0)
    try:
        with opened({"config": str(house.config)}, create=create) as here:
            ((waits_ms,),) = [tuple(row) for row in here.store.read("PRAGMA busy_timeout")]
    finally:
        os.umask(mask)
    assert 2_000 < waits_ms <= longest_ms


def test_a_check_that_cannot_look_says_what_to_do(house: House) -> None:
    house.database.unlink()
    said = house.cdpoll("status", "--check", check=3).text
    assert said.startswith(f"CDPOLL UNKNOWN - {house.database} is gone: there was a database, as its marker")
    assert "`cdpoll db forget`" in said
    assert said.count("\n") == 1
