"""A start on a full disk waits for room; any other failure ends the daemon."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import worker.daemon.starting
from tests.support.cdpoll_process import ROOT, House, until
from worker.clock import Clock
from worker.config import load
from worker.core.errors import ServerLost, StorageFailed
from worker.daemon.orders import Mode
from worker.daemon.starting import LONGEST_WAIT_FOR_SERVER_MS, LONGEST_WAIT_MS, wait_for_storage
from worker.gateways.machine import Disk
from worker.gateways.systemd import Notify
from worker.log import make_log
from worker.store.db.failures import FREE_SPACE

AWAY = ServerLost("postgresql://db/cdpoll: connection refused", "cdpoll goes on when the server can be reached again")
FULL = StorageFailed("/x/cdpoll.db: database or disk is full", FREE_SPACE)
IO_ERROR = StorageFailed("/x/cdpoll.db: disk I/O error", "see `cdpoll db integrity`")


class Waiting(Clock):
    """Notes the waits, and does not wait."""

    def __init__(self, stop_after: int = 1000) -> None:
        self.waits: list[int] = []
        self.stop_after = stop_after

    def wait(self, event: threading.Event, ms: int) -> bool:
        self.waits.append(ms)
        return len(self.waits) == self.stop_after


class Told(Notify):
    """Keeps what systemd would hear."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def send(self, *lines: str) -> None:
        self.lines += lines


def failing(*errors: StorageFailed | ServerLost) -> Callable[[], int]:
    """A start that fails so often, then ends with 7."""
    left = list(errors)

    def start() -> int:
        if left:
            raise left.pop(0)
        return 7

    return start


def begin(start: Callable[[], int], clock: Waiting, told: Told, folder: Path) -> int:
    return wait_for_storage(start, folder, clock, threading.Event(), told, make_log("json", "info", clock))


def test_a_full_disk_is_waited_for_less_and_less_often_and_systemd_hears_why(tmp_path: Path) -> None:
    clock, told = Waiting(), Told()
    assert begin(failing(*[FULL] * 6), clock, told, tmp_path) == 7
    assert clock.waits == [5_000, 10_000, 20_000, 40_000, LONGEST_WAIT_MS, LONGEST_WAIT_MS]
    assert told.lines[0] == f"STATUS=not started, tried again in 5 s: {FULL.message}; {FREE_SPACE}"
    longer = [int(line.partition("=")[2]) // 1000 for line in told.lines if line.startswith("EXTEND_TIMEOUT_USEC=")]
    assert [one > wait for one, wait in zip(longer, clock.waits, strict=True)] == [True] * 6


def test_so_is_a_server_that_cannot_be_reached_and_more_often(tmp_path: Path) -> None:
    clock, told = Waiting(), Told()
    assert begin(failing(*[AWAY] * 4), clock, told, tmp_path) == 7
    assert clock.waits == [5_000, *[LONGEST_WAIT_FOR_SERVER_MS] * 3]
    assert told.lines[0] == f"STATUS=not started, tried again in 5 s: {AWAY.message}; {AWAY.hint}"


def test_sigterm_ends_the_waiting(tmp_path: Path) -> None:
    assert begin(failing(*[FULL] * 9), Waiting(stop_after=2), Told(), tmp_path) == 0


def test_sqlite_may_call_it_an_io_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.daemon.starting, "disk_of", lambda _folder: Disk(4096, read_only=False))
    clock = Waiting()
    assert begin(failing(IO_ERROR), clock, Told(), tmp_path) == 7
    assert clock.waits == [5_000]


@pytest.mark.parametrize("read_only", [False, True])
def test_what_needs_a_person_ends_the_daemon_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    monkeypatch.setattr(worker.daemon.starting, "disk_of", lambda _folder: Disk(1 << 40, read_only))
    clock = Waiting()
    with pytest.raises(StorageFailed):
        begin(failing(IO_ERROR), clock, Told(), tmp_path)
    assert clock.waits == []


class NoSignals:
    """Signals that never come: the handling of the real ones would stay in this process."""

    interrupted = False

    def __init__(self) -> None:
        self.stop = threading.Event()

    def listen(self) -> None: ...


@pytest.mark.parametrize("mode", ["forever", "once", "until-idle"])
def test_the_daemon_waits_and_what_ends_by_itself_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    def full(*_args: object, **_keys: object) -> None:
        raise FULL

    monkeypatch.setattr(worker.daemon, "open_store", full)
    monkeypatch.setattr(worker.daemon, "Signals", NoSignals)
    config, clock = load(None, {"CDPOLL_STORE_PATH": str(tmp_path / "cdpoll.db")}), Waiting(stop_after=2)
    if mode == "forever":
        assert worker.daemon.run(config, mode, clock) == 0
        assert clock.waits == [5_000, 10_000]
    else:
        with pytest.raises(StorageFailed):
            worker.daemon.run(config, mode, clock)


# `cdpoll run`, with a signal that comes while the configuration is read for the first time.
EARLY = """
import os, sys
import cli.run
from cli.main import main
number, read, came = int(sys.argv[1]), cli.run.load, []
def load(*words):
    if not came:
        came.append(os.kill(os.getpid(), number))
    return read(*words)
cli.run.load = load
sys.argv = ["cdpoll", *sys.argv[2:]]
main()
"""


def early(house: House, number: signal.Signals, *words: str) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-c", EARLY, str(number.value), "--config", str(house.config), "run", *words]
    with house.log.open("wb") as log:
        return subprocess.Popen(line, stderr=log, cwd=ROOT, env=house.environment())


def events(house: House) -> list[str]:
    return [json.loads(line)["event"] for line in house.log.read_text().splitlines()]


def test_a_reload_that_is_asked_for_during_the_start_is_made_after_it(tmp_path: Path) -> None:
    house = House(tmp_path)
    with early(house, signal.SIGHUP) as process:
        until(lambda: "reloaded" in events(house), "the reload", process)
        process.terminate()
        assert process.wait(60) == 0
    assert [event for event in events(house) if "re" in event or "st" in event][:2] == ["started", "reloaded"]


@pytest.mark.parametrize(
    ("number", "words", "code"),
    [
        (signal.SIGTERM, (), 0),
        (signal.SIGTERM, ("--once",), 75),
        (signal.SIGTERM, ("--until-idle",), 75),
        (signal.SIGINT, (), 130),
    ],
)
def test_a_wish_to_end_during_the_start_is_one_line(
    tmp_path: Path, number: signal.Signals, words: tuple[str, ...], code: int
) -> None:
    house = House(tmp_path)
    with early(house, number, *words) as process:
        assert process.wait(60) == code
    assert events(house) == ["stopped before the start"]
    assert not house.database.exists()
