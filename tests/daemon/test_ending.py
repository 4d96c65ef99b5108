"""How a run of the daemon ends: by which signal, with which exit code, and what its last line says."""

import re
import signal
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin
from tests.support.held_vendor import HeldVendor


def test_a_run_that_ends_by_itself_says_what_it_did(house: House, sandbox: Sandbox) -> None:
    house.record(*begin(sandbox, 3), *begin(sandbox, 1, "SBX-NEVER"))
    with house.start("--once") as daemon:
        assert daemon.end() == 0
    lines = daemon.logged()
    done = [line for line in lines if line["event"] == "concluded"]
    assert len(done) == 3
    assert all(line["outcome"] == "failure" and line["age"] for line in done)
    assert {line["task"] for line in done} < {task.id for task in sandbox.tasks}
    last = lines[-1]
    assert (last["event"], last["polls"], last["concluded"], last["still_pending"]) == ("stopped", 4, 3, 1)
    assert re.fullmatch(r"\d+ m?s", last["took"])


def test_a_run_until_idle_that_the_vendor_refuses_says_so_at_the_end(house: House, sandbox: Sandbox) -> None:
    house.record(*begin(sandbox, 1))
    sandbox.set_faults("token_refused")
    with house.start("--once") as daemon:
        assert daemon.end() == 77
    last = daemon.logged()[-1]
    assert last["cause"] == "HTTP 401 (invalid_client), when a token was asked for"
    assert "client_secret" in last["cure"]
    assert (last["polls"], last["still_pending"], last["api_paused"]) == (1, 1, "token_http_401_invalid_client")


@pytest.mark.parametrize("mode", [(), ("--until-idle",)])
def test_ctrl_c_lets_the_requests_finish_and_is_130(house: House, sandbox: Sandbox, mode: tuple[str, ...]) -> None:
    house.record(*begin(sandbox, 1))
    with HeldVendor(sandbox) as vendor, house.start(*mode) as daemon:
        vendor.wait_for(1)
        daemon.process.send_signal(signal.SIGINT)
        daemon.hear("STOPPING=1")
        vendor.let_go()
        assert daemon.end() == 130
    assert house.value("SELECT state FROM tasks") == "concluded"


def test_two_ways_to_end_are_a_mistake(house: House) -> None:
    ended = house.cdpoll("run", "--once", "--until-idle", check=2)
    assert "give one of them" in ended.err


def test_a_pause_that_keeps_no_task_waiting_is_no_failure_of_a_run(tmp_path: Path) -> None:
    house = House(tmp_path)  # no vendor answers
    house.record("a")
    house.cdpoll("run", "--once", check=69)
    house.cdpoll("run", "--once", check=69)
    house.cdpoll("abandon", "a", check=0)
    assert house.status()["api"]["paused"]
    house.cdpoll("run", "--once", check=0)
