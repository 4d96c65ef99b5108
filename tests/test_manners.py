"""The daemon's manners: reload, clock jumps, storage and network that fail, the journal, root."""

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.cdpoll_process import House, begin, until
from worker.clock import Clock
from worker.config import load
from worker.daemon.loop import Loop
from worker.gateways.signals import Signals
from worker.log import make_log
from worker.store import look
from worker.store.db import Store


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Clock()) as opened:
        yield opened


@pytest.fixture
def house(tmp_path: Path, sandbox: Sandbox) -> House:
    return House(tmp_path, sandbox)


def codes(house: House) -> list[str]:
    return [problem["code"] for problem in house.status()["problems"]]


# --- reload


def test_reload_takes_the_new_configuration(house: House, sandbox: Sandbox) -> None:
    house.write(api_client_id="somebody-else")
    house.record(*begin(sandbox, 1))
    with house.start() as daemon:
        daemon.ready()
        until(lambda: house.status()["api"]["paused"], "the pause")
        house.write(api_client_id="sandbox")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.hear("RELOADING=1")
        assert int(daemon.hear("MONOTONIC_USEC=").partition("=")[2]) > 0
        daemon.hear("READY=1")
        house.rows("UPDATE lane SET resumes_at = 1")
        until(lambda: house.value("SELECT state FROM tasks") == "concluded", "the result")
        assert daemon.stopped() == 0


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"polling_burst": "many"}, "[polling] burst"),
        ({"store_path": "/nowhere/else.db"}, "[store] cannot change"),
        ({"api_base_url": "http://127.0.0.1:1/rcm/eligibility/v1"}, "another origin"),
        ({"api_client_secret": "{env NOT_THERE_AT_ALL}"}, "NOT_THERE_AT_ALL"),
    ],
)
def test_a_bad_configuration_changes_nothing_and_is_said(
    house: House, sandbox: Sandbox, keys: dict[str, str], said: str
) -> None:
    good = dict(house.values)
    with house.start() as daemon:
        daemon.ready()
        house.write(**keys)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.hear("READY=1")
        house.write(**good)
        (problem,) = [p for p in house.status()["problems"] if p["code"] == "reload_refused"]
        assert said in problem["hint"]
        house.record(*begin(sandbox, 1))
        until(lambda: house.value("SELECT state FROM tasks") == "concluded", "the result, by the old configuration")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.hear("READY=1")
        assert "reload_refused" not in codes(house)
        assert daemon.stopped() == 0


# --- the clock


class SetClock(Clock):
    """The real clocks, the wall one off by ``off`` ms."""

    off = 0

    def now(self) -> int:
        return super().now() + self.off


@pytest.mark.parametrize(("jump", "way"), [(-7_200_000, "back by 2 h"), (7_200_000, "forward by 2 h")])
def test_a_clock_that_jumps_is_named_and_holds_up_nothing(house: House, sandbox: Sandbox, jump: int, way: str) -> None:
    never = begin(sandbox, 1, "SBX-NEVER")
    house.record(*never)
    clock, signals = SetClock(), Signals()
    house.rows("UPDATE tasks SET due_at = ?", clock.now() + 4 * 3_600_000)
    with Store(house.database) as store:
        before = house.value("SELECT due_at FROM tasks")
        loop = Loop(
            load(str(house.config), {}), "forever", clock, signals, store, make_log("json", "error", clock), None, None
        )
        assert loop.step() > clock.now()
        clock.off = jump
        loop.step()
        if jump < 0:
            assert abs(house.value("SELECT due_at FROM tasks") - (before + jump)) < 5000, "due times follow the clock"
        else:
            assert house.value("SELECT due_at FROM tasks") == before
        found = {p.code: p.hint for p in look.problems(store, clock.now(), loop.schedule, alive=True)}
        assert way in found["clock_jumped"]
        loop.close()


# --- storage


def test_a_database_that_cannot_be_written_is_survived(house: House, sandbox: Sandbox) -> None:
    (wanted,) = begin(sandbox, 1)
    house.record(wanted)
    house.rows("UPDATE tasks SET due_at = due_at + 3600000")
    with house.start() as daemon:
        daemon.ready()
        # Another process holds the write lock for longer than the daemon is ready to wait.
        with Store(house.database) as other:
            other.conn.execute("BEGIN IMMEDIATE")
            other.conn.execute("UPDATE tasks SET due_at = 1")
            daemon.hear("STATUS=cannot write the database")
            other.conn.execute("COMMIT")
        until(lambda: house.value("SELECT state FROM tasks") == "concluded", "the result")
        assert daemon.stopped() == 0
    events = [entry["event"] for entry in daemon.logged()]
    assert sum(event.startswith("the database cannot be written") for event in events) == 1
    assert "the database can be written again" in events


# --- the network


def test_a_vendor_that_vanishes_is_named_and_survived(house: House, sandbox: Sandbox) -> None:
    house.write(polling_cadence="50ms x1.4 600ms 10%")
    ids = begin(sandbox, 8)
    sandbox.stop()
    house.record(*ids)
    with house.start() as daemon:
        daemon.ready()
        until(lambda: "api_unreachable" in codes(house), "the problem")
        assert house.status()["api"]["reason"] == "unreachable (token_connect)"
        sandbox.start()
        until(lambda: house.status()["tasks"]["concluded"] == 8, "all results")
        assert codes(house) == []
        assert daemon.stopped() == 0
    assert [e["event"] for e in daemon.logged() if e["event"].startswith("api ")] == ["api paused", "api answers again"]
    assert house.value("SELECT max(failures) FROM tasks") == 0, "an outage is nobody's failure"


# --- the journal


def test_lines_carry_priorities_only_where_the_journal_reads_them(house: House, tmp_path: Path) -> None:
    with (tmp_path / "journal").open("wb") as journal:
        found = os.fstat(journal.fileno())
        env = house.environment(JOURNAL_STREAM=f"{found.st_dev}:{found.st_ino}")
        subprocess.run(house.line("run", "--once"), stderr=journal, env=env, check=True)
    lines = (tmp_path / "journal").read_text().splitlines()
    assert lines
    assert all(line.startswith("<6>{") for line in lines)
    env = house.environment(JOURNAL_STREAM="1:2")
    done = subprocess.run(house.line("run", "--once"), capture_output=True, env=env, check=True)
    assert done.stderr.startswith(b"{")


# --- root


OWNER = """
import os, sys
from pathlib import Path
from cli.opening import become_owner
become_owner(Path(sys.argv[1]))
print(os.getuid(), os.getgid(), sorted(os.getgroups()))
"""


def test_root_becomes_the_owner_of_the_state_directory(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(state, nobody.pw_uid, nobody.pw_gid)
        expected = f"{nobody.pw_uid} {nobody.pw_gid} "
    else:
        expected = f"{os.getuid()} {os.getgid()} "
    for database in (state / "cdpoll.db", state / "deeper" / "cdpoll.db"):
        done = subprocess.run([sys.executable, "-c", OWNER, str(database)], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(expected), done.stderr
        assert "0" not in done.stdout.partition("[")[2].strip("]\n").split(", ") or os.geteuid() != 0
