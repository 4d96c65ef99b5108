"""The daemon's manners: reload, clock jumps, storage and network that fail, the journal, root."""

import os
import pwd
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import DEADLINE, ROOT, House, begin, until
from tests.support.database import MACHINE
from tests.support.frozen_clock import FrozenClock
from tests.support.loop_by_hand import loop_by_hand
from tests.support.x12_samples import a_file
from worker.clock import Clock
from worker.daemon.loop import Loop
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import api
from worker.store.tasks import polling as tasks
from worker.store.views.problems import Machine, StatusRules, problems


def codes(house: House) -> list[str]:
    return [problem["code"] for problem in house.status()["problems"]]


# --- a fault of our own


def test_a_fault_of_our_own_is_said_and_does_not_spin(
    house: House, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.record(*begin(sandbox, 1))
    house.rows("UPDATE tasks SET due_at = 1")

    def broken(*_: object, **__: object) -> list[tuple[int, str]]:
        raise KeyError("a name that nobody may see")

    monkeypatch.setattr("worker.store.tasks.polling.due", broken)
    with running(house) as (loop, store, clock):
        assert loop.step() > clock.now() + 1000
        said = problems(store, clock.now(), StatusRules(loop.schedule), MACHINE, alive=True)
        (found,) = [p for p in said if p.code == "internal_fault"]
        assert found.severity == "critical"
        assert "KeyError at test_manners.py" in found.hint
        assert "nobody may see" not in found.hint


# --- the clock


@contextmanager
def running(house: House) -> Iterator[tuple[Loop, Store, FrozenClock]]:
    """The loop in this process, to be stepped by hand."""
    with loop_by_hand(house) as made:
        yield made.loop, made.store, made.clock


@pytest.mark.parametrize(("jump", "way"), [(-7_200_000, "back by 2 h"), (7_200_000, "forward by 2 h")])
def test_a_clock_that_jumps_is_named_and_holds_up_nothing(house: House, sandbox: Sandbox, jump: int, way: str) -> None:
    never = begin(sandbox, 1, "SBX-NEVER")
    house.record(*never)
    house.rows("UPDATE tasks SET due_at = ?", Clock().now() + 4 * 3_600_000)
    before = house.value("SELECT due_at FROM tasks")
    with running(house) as (loop, store, clock):
        assert loop.step() > clock.now()
        clock.jump(jump)
        loop.step()
        if jump < 0:
            assert abs(house.value("SELECT due_at FROM tasks") - (before + jump)) < 5000, "due times follow the clock"
        else:
            assert house.value("SELECT due_at FROM tasks") == before
        found = {p.code: p.hint for p in problems(store, clock.now(), StatusRules(loop.schedule), MACHINE, alive=True)}
        assert way in found["clock_jumped"]
        clock.jump(2 * 86_400_000)
        loop.step()
        clock.jump(2 * 86_400_000)
        loop.step()
        assert (
            "forward by 2 d"
            in {p.code: p.hint for p in problems(store, clock.now(), StatusRules(loop.schedule), MACHINE, alive=True)}[
                "clock_jumped"
            ]
        )


@pytest.mark.parametrize("jump", [-7_200_000, 7_200_000])
def test_a_jump_while_the_api_is_paused_makes_no_task_older_or_younger(house: House, jump: int) -> None:
    house.record("a")
    with running(house) as (loop, store, clock):
        loop.step()
        now = clock.now()
        house.rows("UPDATE api SET reason = 'unreachable', paused_at = ?, resumes_at = ?", now, now + 60_000)
        ages = []
        for by in (0, jump):
            clock.jump(by)
            loop.step()
            paused_total = api.get(store).breaker.paused_until_now(clock.now())
            (task,) = tasks.by_seq(store, [1], paused_total).values()
            ages.append(task.life(clock.now()))
        assert ages[0] == ages[1]


# --- storage


def test_a_database_that_cannot_be_written_is_survived(house: House, sandbox: Sandbox) -> None:
    (wanted,) = begin(sandbox, 1)
    house.record(wanted, *begin(sandbox, 1, "SBX-NEVER", first=1))  # this one has something to save all the time
    house.rows("UPDATE tasks SET due_at = due_at + 3600000 WHERE id = ?", wanted)
    with house.start() as daemon:
        daemon.ready()
        # Another process holds the write lock for longer than the daemon is ready to wait.
        with open_store(house.database) as other:
            other.conn.execute("BEGIN IMMEDIATE")
            other.conn.execute("UPDATE tasks SET due_at = 1 WHERE id = ?", (wanted,))
            daemon.hear("STATUS=critical: cannot write the database")
            until(lambda: "database_unwritable" in house.problems(), "the problem", daemon.process)
            assert house.status()["verdicts"]["work"]["state"] == "HELD BACK"
            other.conn.execute("COMMIT")
        until(lambda: house.value("SELECT state FROM tasks WHERE id = ?", wanted) == "concluded", "the result")
        assert daemon.stopped() == 0
    (begun,) = [entry for entry in daemon.logged() if entry["event"] == "problem begins"]
    assert (begun["code"], begun["level"]) == ("database_unwritable", "error")
    assert str(house.database) in begun["hint"]
    assert "fuser -v" in begun["hint"]


@pytest.mark.parametrize(
    ("machine", "code"),
    [
        (Machine(daemon_exists=True, free_bytes=1), "disk_full"),
        (Machine(daemon_exists=True, free_bytes=10**12, read_only=True), "disk_read_only"),
        (Machine(daemon_exists=True, free_bytes=None), "disk_unreadable"),
    ],
)
def test_a_disk_in_trouble_is_named(store: Store, machine: Machine, code: str) -> None:
    (found,) = problems(store, Clock().now(), StatusRules(), machine, alive=True)
    assert (found.code, found.severity) == (code, "critical")


def test_a_daemon_that_finishes_no_pass_is_stuck_and_one_that_is_gone_is_down(house: House) -> None:
    with house.start() as daemon:
        daemon.ready()
        # It is stopped while we hold the database's lock, and so holds none itself.
        with closing(sqlite3.connect(house.database, timeout=DEADLINE, isolation_level=None)) as ours:
            ours.execute("BEGIN EXCLUSIVE")
            daemon.process.send_signal(signal.SIGSTOP)
            ours.execute("UPDATE daemons SET beat_at = beat_at - 600000")
            ours.execute("COMMIT")
        house.database.with_name("cdpoll.db.beat").unlink(missing_ok=True)  # it is younger than the row
        assert codes(house) == ["daemon_stuck"]
        daemon.process.kill()
        daemon.end()
        assert codes(house) == ["daemon_down"]


def test_the_daemon_leaves_no_core_file(house: House) -> None:
    with house.start() as daemon:
        daemon.ready()
        limits = Path(f"/proc/{daemon.process.pid}/limits").read_text()
        (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert line.split()[4:6] == ["0", "0"]


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
    begun = [e["code"] for e in daemon.logged() if e["event"] == "problem begins"]
    assert begun == ["api_unreachable"]
    assert house.value("SELECT max(failures) FROM tasks") == 0, "an outage is no failure of a task"


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
from cli.opening import settle_in
settle_in(Path(sys.argv[1]))
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


LATE = """
import os, pwd, sys
from importlib.abc import MetaPathFinder

class TooLate(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] not in sys.stdlib_module_names:
            raise ImportError(f"imported as the owner: {name}")

def become(uid):
    sys.meta_path.insert(0, TooLate())
    print("became the owner", file=sys.stderr)

os.geteuid = lambda: 0
os.initgroups = os.setgroups = os.setgid = lambda *_: None
os.setuid = become
from cli.main import call
sys.exit(call(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "command",
    [
        ["record", "x"],
        ["status"],
        ["tasks"],
        ["show", "first"],
        ["run", "--once"],
        ["ingest", "{folder}/batch.x12"],
        ["files"],
        ["quarantine", "list"],
        ["db", "integrity"],
    ],
    ids=" ".join,
)
def test_root_imports_what_it_needs_before_it_becomes_the_owner(house: House, command: list[str]) -> None:
    """cdpoll may lie where the owner of the state directory cannot read."""
    house.record("first")
    (house.folder / "batch.x12").write_text(a_file())
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(house.database.parent, nobody.pw_uid, nobody.pw_gid)
    line = [part.format(folder=house.folder) for part in command]
    done = subprocess.run(
        [sys.executable, "-c", LATE, "--config", str(house.config), *line],
        capture_output=True,
        cwd=ROOT,
        env=house.environment(),
        text=True,
        timeout=60,
    )
    assert "became the owner" in done.stderr
    assert "imported as the owner" not in done.stderr
    assert done.returncode == 0, done.stderr


# --- what else must not end it


def test_a_machine_that_slept_gives_up_nothing(house: House, sandbox: Sandbox) -> None:
    house.record(*begin(sandbox, 1, "SBX-NEVER"))
    with running(house) as (loop, _, clock):
        loop.step()
        clock.jump(46 * 86_400_000)
        house.rows("UPDATE tasks SET due_at = 1")
        loop.step()
        until(lambda: loop.step() and house.value("SELECT polls FROM tasks") > 0, "a look")
        assert house.value("SELECT state FROM tasks") == "pending", (
            "the time that the machine slept is no part of a task's life"
        )


def test_a_database_that_is_replaced_ends_the_daemon_so_that_a_restart_opens_the_new_one(house: House) -> None:
    house.write(polling_cadence="200ms x1.4 15m 10%")
    with house.start() as daemon:
        daemon.ready()
        other = house.database.with_name("other.db")
        other.write_bytes(house.database.read_bytes())
        other.rename(house.database)
        assert daemon.end() == 74
    assert any("replaced" in line["event"] for line in daemon.logged())  # a lane may say more behind it


def test_a_log_that_cannot_be_written_ends_nothing(house: House, sandbox: Sandbox) -> None:
    house.record(*begin(sandbox, 1))
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(house.line("run", "--until-idle"), stderr=full, env=house.environment(), timeout=60)
    assert done.returncode == 0
    closed = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *house.line("run", "--once")], env=house.environment(), timeout=60
    )
    assert closed.returncode == 0
    assert house.value("SELECT state FROM tasks") == "concluded"


def test_a_second_name_for_the_database_is_the_same_database(house: House) -> None:
    with house.start() as daemon:
        daemon.ready()
        link = house.database.with_name("link.db")
        link.symlink_to(house.database)
        house.cdpoll("run", "--once", check=75, CDPOLL_STORE_PATH=str(link))
        assert daemon.stopped() == 0


def test_three_ids_of_somebody_else_are_no_wrong_environment(house: House, sandbox: Sandbox) -> None:
    house.write(polling_not_found_grace="1s")
    house.record(*begin(sandbox, 10), "x-1", "x-2", "x-3")
    house.rows("UPDATE tasks SET due_at = 1")
    house.cdpoll("run", "--once", check=0)
    house.rows("UPDATE tasks SET not_found_since = not_found_since - 5000 WHERE not_found_since IS NOT NULL")
    assert "not_found" in codes(house)
    house.rows("DELETE FROM tasks WHERE state = 'concluded'")
    assert "wrong_environment" in codes(house)
