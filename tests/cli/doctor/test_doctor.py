"""`cdpoll doctor` as a whole: on a sound installation, on broken ones, and with everything that hangs."""

import json
import re
import subprocess
import threading
from pathlib import Path

import pytest

from cli.doctor import command
from cli.doctor.deadline import Running, within
from cli.doctor.finding import CHECKS, good
from sandbox.server import Sandbox
from tests.cli.doctor.looking import doctor
from tests.support.cdpoll_process import CDPOLL, ROOT, House, until
from worker.clock import Clock
from worker.core.errors import StorageFailed


def test_before_the_first_task_all_is_well_but_that_no_daemon_polls(house: House, sandbox: Sandbox) -> None:
    found = doctor(house)
    assert found.failed == {"daemon"}
    assert found.one("daemon")["words"].startswith("no daemon is polling (")
    assert "systemctl start cdpoll" in found.one("daemon")["cure"]
    assert "not there yet" in found.one("database")["words"]
    assert not house.database.exists()
    house.write(store_runs="once")
    found = doctor(house)
    assert (found.code, found.failed, found.not_checked) == (0, set(), set())
    assert {one["check"] for one in found.findings} == {
        "configuration", "files", "disk", "dns", "tcp", "tls", "clock", "token", "healthcheck", "discovery", "database",
        "limits",
    }  # fmt: skip


def test_a_daemon_that_polls_is_seen_and_every_problem_of_status(house: House) -> None:
    house.record("a")
    house.cdpoll("abandon", "a", check=0)
    with house.start() as daemon:
        daemon.ready()
        until(lambda: house.status()["daemon"]["alive"], "a beat", daemon.process)
        found = doctor(house)
        assert found.levels("daemon") == ["OK"]
        assert str(daemon.process.pid) in found.one("daemon")["words"]
        assert found.one("watchdog")["level"] == "WARN"
        assert [one["words"].partition(":")[0] for one in found.findings if one["check"] == "problem"] == [
            one["code"] for one in house.status()["problems"]
        ]
        assert found.levels("problem") == ["WARN"]
        assert found.code == 0
        daemon.stopped()
    assert "daemon_down: no daemon is polling" in str(doctor(house).findings)


def test_the_text_says_the_same_with_the_cure_below(house: House) -> None:
    ended = house.cdpoll("doctor", check=1)
    lines = ended.text.splitlines()
    assert ended.err == ""
    assert re.fullmatch(
        "OK    token                a token came, good for .*", next(one for one in lines if "token" in one)
    )
    place = next(n for n, one in enumerate(lines) if one.startswith("FAIL  daemon "))
    assert lines[place + 1].startswith(" " * 27 + "cure: start it")
    summary = "1 FAIL, 2 WARN, 11 OK; read as [a-z]+; 3 requests to the vendor, and nothing was changed there"
    assert re.fullmatch(summary, lines[-1])


def test_it_asks_three_times_and_changes_nothing(house: House, sandbox: Sandbox) -> None:
    picture = doctor(house).picture
    assert (picture["requests"], picture["logins"]) == (3, 0)
    assert sandbox.requests == {("token", 200): 1, ("healthcheck", 200): 1, ("discovery_list", 200): 1}
    assert sandbox.tasks == []


def test_every_mistake_is_told_and_the_rest_is_checked_all_the_same(house: House) -> None:
    house.write(
        api_timeout="soon", polling_burst="many", api_client_secret="{file /nonexist/secret}", store_runs="once"
    )
    found = doctor(house)
    assert found.failed == {"configuration"}
    said = [one["words"] for one in found.findings if one["level"] == "FAIL"]
    assert [re.search(r"\[(\w+)\] (\w+):", line)[2] for line in said] == ["timeout", "burst", "client_secret"]  # type: ignore[index]
    assert found.not_checked == {"token", "healthcheck", "discovery"}
    assert found.one("tcp")["level"] == "OK"
    assert found.one("database")["level"] == "OK"


@pytest.mark.parametrize("text", [None, "", "nonsense", "[api]\n", "[stor]\npath = x\n", "[store]\npath = :memory:\n"])
def test_a_configuration_of_which_little_is_left(house: House, text: str | None) -> None:
    house.config.unlink()
    if text is not None:
        house.config.write_text(text)
    found = doctor(house)
    assert "configuration" in found.failed
    assert found.code == 1


def test_a_configuration_that_is_no_text_or_no_file(house: House) -> None:
    house.config.write_bytes(b"[api]\n\xff\xfe\0")
    assert "configuration" in doctor(house).failed
    house.config.unlink()
    house.config.mkdir()
    assert "configuration" in doctor(house).failed


def test_no_secret_is_printed(house: House) -> None:
    (house.folder / "secret").write_text("PLANTED-SECRET")
    assert "PLANTED" not in json.dumps(doctor(house).picture)
    house.write(api_client_secret="PLANTED-SECRET", api_proxy="http://u:PLANTED-SECRET@127.0.0.1:9")
    assert "PLANTED" not in json.dumps(doctor(house).picture)


def test_what_hangs_is_left_behind_with_what_it_had_found() -> None:
    never = threading.Event()

    def hanging():  # type: ignore[no-untyped-def]
        yield good("first", "well")
        never.wait()
        yield good("second", "well")

    first, told = Running("slow", hanging, 100, Clock()).findings()
    assert (first.check, told.check, told.level) == ("first", "slow", "FAIL")
    assert "did not end within 100 ms" in told.words
    with pytest.raises(TimeoutError):
        within(0.05, never.wait)
    never.set()


def test_a_fault_of_its_own_is_a_line_and_no_traceback() -> None:
    def broken():  # type: ignore[no-untyped-def]
        yield good("first", "well")
        raise KeyError("PLANTED")

    def refused():  # type: ignore[no-untyped-def]
        raise StorageFailed("it is gone", "look for it")
        yield

    _, told = Running("odd", broken, 5000, Clock()).findings()
    assert (told.level, "PLANTED" in told.words, "KeyError at test_doctor.py:" in told.words) == ("FAIL", False, True)
    (told,) = Running("odd", refused, 5000, Clock()).findings()
    assert (told.words, told.cure) == ("it is gone", "look for it")


def test_all_groups_together_end_in_half_a_minute() -> None:
    assert 2 * command.READING_S + command.GROUP_MS / 1000 < 30


def test_the_page_lists_every_check() -> None:
    page = (ROOT / "docs" / "operations.md").read_text().partition("\n## The doctor\n")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall("`([^`]+)`", row)) == sorted(CHECKS)


def test_it_needs_no_home_and_no_configuration_named(tmp_path: Path) -> None:
    ended = subprocess.run(
        [CDPOLL, "doctor", "--json"],
        env={"PATH": "/usr/bin:/bin", "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
    )
    found = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr) == (1, b"")
    if not Path("/etc/cdpoll/cdpoll.ini").exists():
        assert "no configuration: looked at" in found["findings"][0]["words"]
