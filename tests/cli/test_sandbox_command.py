"""``cdpoll sandbox`` and ``cdpoll demo`` as anybody would start them."""

import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from cli.demo import postgresql
from sandbox.callback.target import CALLBACK_PATH
from tests.support.callback_receiver import SECRET, Receiver
from tests.support.cdpoll_process import CDPOLL, DEADLINE, House, until
from tests.support.postgres import programs
from tests.support.rehearsing import free_port, started
from worker.config import load
from worker.core.errors import StorageFailed


def test_the_sandbox_hands_out_a_configuration_that_works_and_ends_with_sigterm(tmp_path: Path) -> None:
    house, port = House(tmp_path), free_port()
    line = [str(CDPOLL), "sandbox", "--port", str(port), "--speed", "600", "--dir", str(tmp_path / "s")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as vendor:
        try:
            assert vendor.stdout is not None
            printed = ""
            while "give_up_after" not in printed:
                read = vendor.stdout.readline()
                assert read, vendor.communicate()[1]
                printed += read
            kept = tmp_path / "s" / "cdpoll.ini"
            assert kept.read_text().strip() == printed.strip()
            assert kept.stat().st_mode & 0o777 == 0o600
            assert f"http://127.0.0.1:{port}/rcm/eligibility/v1" in printed
            house.config = kept
            house.cdpoll("record", "nobody-knows-it", check=0)
            house.cdpoll("run", "--once", check=0)
            assert house.cdpoll("show", "nobody-knows-it", "--json", check=0).json["last_error"] == "not_found"
            second = subprocess.run(line, capture_output=True, text=True, timeout=DEADLINE)
            assert (second.returncode, f"port {port}" in second.stderr) == (75, True)
        finally:
            vendor.send_signal(signal.SIGTERM)
        assert vendor.wait(DEADLINE) == 0


def test_its_own_checks_give_tasks_to_poll_whatever_else_goes_wrong_at_the_vendor(tmp_path: Path) -> None:
    house = House(tmp_path)
    faults = "503@-1d,token_refused@-1d,link_lines"
    with started(house, f"cdpoll sandbox --port 0 --checks 21 --faults '{faults}'"):
        assert house.cdpoll("config", "check", check=0).err == ""
        tasks = house.cdpoll("tasks", "--json", check=0).json["tasks"]
        assert {ref for task in tasks for ref in task["refs"]} == {f"ACCT{n:06d}" for n in range(1, 22)} - {
            "ACCT000019"
        }
        assert len(tasks) == 25
        assert "checks     21 made, 25 tasks recorded" in (tmp_path / "sandbox.err").read_text()
    first = house.cdpoll("db", "path", check=0).text
    with started(house, "cdpoll sandbox --port 0 --checks 3 --faults link_unreadable"):
        assert house.cdpoll("db", "path", check=0).text != first
        assert house.cdpoll("unreadable", "list", "--json", check=0).json["unreadable"]
        assert "3 headers unreadable" in (tmp_path / "sandbox.err").read_text()


def test_what_ends_there_is_delivered_and_counted(tmp_path: Path) -> None:
    house, secret = House(tmp_path), tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    with Receiver() as receiver:
        url = receiver.server.url + CALLBACK_PATH
        line = f"cdpoll sandbox --port 0 --speed 3600 --checks 9 --callback-url {url} --faults callback_lost=1x"
        with started(house, line, "--callback-secret-file", str(secret)):
            look = (tmp_path / "cdpoll-sandbox" / "url").read_text().strip() + "/sandbox/callbacks"
            until(lambda: httpx.get(look).json()["counts"]["accepted"] == 8, "all but one are delivered")
            section = load(str(house.config), {}).require_callback()
            assert (section.listen, section.client_secret.reveal()) == (url.split("/")[2], SECRET)
        assert {body["status"] for body in receiver.bodies} <= {"success", "failure"}
    assert "callbacks  8 accepted, 1 lost" in (tmp_path / "sandbox.err").read_text()


def test_mistakes_in_the_options_of_callbacks(tmp_path: Path) -> None:
    def told(*options: str) -> tuple[int, str]:
        line = [str(CDPOLL), "sandbox", "--port", "0", "--dir", str(tmp_path / "s"), *options]
        done = subprocess.run(line, capture_output=True, text=True, timeout=DEADLINE)
        return done.returncode, done.stderr

    url = ("--callback-url", "http://127.0.0.1:1/")
    (tmp_path / "empty").write_text("\n")
    for options, code, words in (
        (("--callback-generation", "older"), 2, "go with --callback-url"),
        (("--callback-url", "http://192.0.2.1/"), 78, "must begin with https://"),
        ((*url, "--callback-secret-file", str(tmp_path / "none")), 78, "No such file"),
        ((*url, "--callback-secret-file", str(tmp_path / "empty")), 78, "is empty"),
        ((*url, "--callback-ca", str(tmp_path / "empty")), 78, "--callback-ca"),
    ):
        assert (found := told(*options))[0] == code, found
        assert words in found[1]
        assert "Traceback" not in found[1]


def test_faults_are_listed_and_mistakes_in_them_explained() -> None:
    listed = subprocess.run(
        [str(CDPOLL), "sandbox", "--faults", "help"], capture_output=True, text=True, timeout=DEADLINE
    )
    assert (listed.returncode, "404_then_found" in listed.stdout) == (0, True)
    wrong = subprocess.run(
        [str(CDPOLL), "sandbox", "--faults", "404_than"], capture_output=True, text=True, timeout=DEADLINE
    )
    assert (wrong.returncode, "did you mean" in wrong.stderr) == (78, True)


def test_times_are_explained_and_so_are_mistakes_in_them() -> None:
    line = [str(CDPOLL), "sandbox", "--times"]
    listed = subprocess.run([*line, "help"], capture_output=True, text=True, timeout=DEADLINE)
    assert (listed.returncode, "RTCOB=1m-30m" in listed.stdout) == (0, True)
    wrong = subprocess.run([*line, "RTCBO=1m"], capture_output=True, text=True, timeout=DEADLINE)
    assert (wrong.returncode, "--times: RTCBO=1m: there is no family" in wrong.stderr) == (78, True)


def test_the_demo_accounts_for_everything_in_a_small_run(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(CDPOLL), "demo", "--tasks", "20", "--dir", str(tmp_path / "d")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"unaccounted for\s+│\s+0", done.stdout)
    (database,) = (tmp_path / "d").glob("*/cdpoll.db")
    assert str(database) in done.stdout
    assert database.parent.stat().st_mode & 0o077 == 0
    looked = [str(CDPOLL), "--config", str(database.with_name("cdpoll.ini")), "status", "--check"]
    status = subprocess.run(looked, capture_output=True, text=True, timeout=DEADLINE)
    assert (status.returncode, status.stdout[:9]) == (0, "CDPOLL OK")  # though no daemon lives any more


def test_two_daemons_on_a_server_account_for_everything_with_one_killed(tmp_path: Path) -> None:
    programs()
    done = subprocess.run(
        [str(CDPOLL), "demo", "--postgres", "--tasks", "20", "--dir", str(tmp_path / "d")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"unaccounted for\s+│\s+0", done.stdout)
    assert re.search(r"results when one of them was killed.*│\s+\d+", done.stdout)
    assert "To read it" not in done.stdout  # the server has ended
    (log,) = (tmp_path / "d").glob("*/west/daemon.log")
    assert '"event": "stopped"' not in log.read_text()


def test_without_postgresql_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgresql, "_PACKAGED", tmp_path)
    with pytest.raises(StorageFailed) as caught:
        postgresql.DemoServer()
    assert caught.value.message == "no PostgreSQL is installed here"
    assert caught.value.hint.startswith("apt-get install postgresql")
