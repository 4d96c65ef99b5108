"""What `cdpoll status` shows to people: verdicts first, in colour on a terminal only, wrapped, and drawn anew."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from worker.clock import Clock
from worker.store.views.verdicts import Installation, verdicts

MINUTE = 60_000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A command on a terminal of 80 columns and 24 lines."""

    def __init__(self, house: House, *args: str, **env: str) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._ours = ours
        self.process = subprocess.Popen(
            house.line(*args),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=house.environment(TERM="xterm", **env),
            # The tests may have been started where SIGINT is ignored; a terminal's commands never are.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )
        os.close(theirs)
        os.set_blocking(ours, False)
        self.text = ""

    def read(self) -> str:
        """All that was written so far."""
        try:
            while data := os.read(self._ours, 65536):
                self.text += data.decode()
        except OSError:
            pass
        return self.text

    def end(self) -> str:
        until(lambda: self.read() is None or self.process.poll() is not None, "its end")
        return self.read().replace("\r\n", "\n")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@contextmanager
def terminal(house: House, *args: str, **env: str) -> Iterator[Terminal]:
    opened = Terminal(house, *args, **env)
    try:
        yield opened
    finally:
        opened.close()


def shown(house: House, *args: str, **env: str) -> str:
    with terminal(house, *args, **env) as opened:
        return opened.end()


def told(house: House) -> dict[str, tuple[str, str]]:
    """By name the state and the words of the verdicts."""
    lines = house.cdpoll("status", check=0).text.splitlines()[:3]
    return {line[:10].strip(): (line[11:21].strip(), line[22:]) for line in lines}


@pytest.fixture
def batch_only(tmp_path: Path) -> House:
    keys = dict.fromkeys(("api_base_url", "api_client_id", "api_client_secret", "api_timeout"), "")
    drop = {"host": "localhost", "username": "u", "include": "*.x12"}
    house = House(tmp_path, **keys, **{f"sftp_{key}": value for key, value in drop.items()})
    house.write(sftp_password=f"{{file {tmp_path / 'secret'}}}", sftp_known_hosts=str(tmp_path / "secret"))
    house.record("a")
    house.rows("DELETE FROM tasks")
    return house


def test_three_verdicts_come_first(tmp_path: Path) -> None:
    with Sandbox(Clock()) as sandbox:
        house = House(tmp_path, sandbox)
        house.record(*begin(sandbox, 2, "SBX-NEVER"))
        verdicts = told(house)
        assert verdicts["Work"][0] == "STOPPED"
        assert re.match("the daemon never ran here; 2 tasks pending, (2|none) due now", verdicts["Work"][1])
        assert verdicts["Parts"] == ("NOT WELL", "1 critical problem")
        assert verdicts["Picture"] == ("fresh", "read from the database just now; cdpoll has never polled here")
        house.write(polling_cadence="10m x1.4 20m 10%")
        with house.start() as daemon:
            daemon.ready()
            until(lambda: house.value("SELECT min(polls) FROM tasks"), "polls", daemon.process)
            verdicts = told(house)
            assert verdicts["Work"] == ("flowing", "2 tasks pending, none due now")
            assert verdicts["Parts"] == ("well", "no problems")
            assert verdicts["Picture"][0] == "fresh"
            assert re.fullmatch(r"as of [0-9]\.[0-9] s ago", verdicts["Picture"][1])
            picture = house.status()
            assert picture["verdicts"]["work"]["state"] == "flowing"
            assert picture["environment"] == {"origin": sandbox.origin, "kind": "simulated"}
            assert picture["daemon"]["pid"] == daemon.process.pid
            assert picture["daemon"]["passes"] >= 1
            house.rows("UPDATE tasks SET due_at = due_at - ?, leased_until = NULL", 60 * MINUTE)
            house.rows("UPDATE api SET reason = 'unreachable', code = 'timeout', resumes_at = ?", Clock().now() + 5000)
            assert told(house)["Work"][0] == "PAUSED"
            daemon.process.kill()
            daemon.end()
        assert re.fullmatch(r"the daemon was last seen [0-9]+ s ago", told(house)["Picture"][1])
        assert told(house)["Work"] == ("STOPPED", told(house)["Work"][1])


def test_a_daemon_that_finishes_no_pass_is_not_said_to_flow(house: House) -> None:
    house.record("a")
    picture = house.status()
    picture["daemon"] |= {"alive": True, "beat_age_ms": 52_000}
    found = verdicts(picture, Installation(api=True, daemon=True), Clock().now())["work"]
    assert (found.state, found.words.partition(";")[0]) == ("HELD BACK", "the daemon has finished no pass for 52 s")


def test_the_limiter_holding_work_back_is_said_in_words(house: House) -> None:
    house.record("a")
    house.write(polling_requests_per_second="6")
    house.rows("UPDATE api SET pace = ?, eased_at = ?", 16_667, Clock().now())
    assert "slowed from 6/s to 0.1/s by refusals, full again in about 20 min if none follow" in (
        house.cdpoll("status", check=0).text
    )
    api = house.status()["api"]
    assert api["pace"] == pytest.approx(0.0167, abs=0.0001)
    assert 1190 < api["full_pace_in_s"] <= 1200


def test_what_came_in_and_out_is_told_of_the_last_hour_and_day(house: House) -> None:
    house.record("new", "older", "old")
    now = Clock().now()
    house.rows("UPDATE tasks SET recorded_at = ? WHERE id = 'older'", now - 90 * MINUTE)
    house.rows("UPDATE tasks SET recorded_at = ? WHERE id = 'old'", now - 25 * 60 * MINUTE)
    for task, ago in ((1, 0), (2, 90 * MINUTE), (3, 25 * 60 * MINUTE)):
        columns = "task, source, revision, outcome, received_at, body"
        house.rows(
            f"INSERT INTO results ({columns}) VALUES (?, 'poll', 1, 'failure', ?, x'')",
            task,
            now - ago,
        )
    text = house.cdpoll("status", check=0).text
    assert "last hour  1 task recorded, 1 concluded" in text
    assert "last day   2 tasks recorded, 2 concluded" in text
    nothing = {"files": 0, "answers": 0}
    assert house.status()["traffic"] == {
        "hour": {"recorded": 1, "concluded": 1, **nothing},
        "day": {"recorded": 2, "concluded": 2, **nothing},
    }


def test_an_installation_for_batches_alone_has_no_lines_of_the_api(batch_only: House) -> None:
    names = [line[:10].strip() for line in batch_only.cdpoll("status", check=0).text.splitlines() if line]
    assert set(names) >= {"Work", "drop", "files", "last day", "database", "config"}
    assert not {"vendor", "api", "token", "requests", "polling", "waiting", "concluded"} & set(names)
    assert "recorded" not in batch_only.cdpoll("status", check=0).text
    assert {"api", "token", "polling", "tasks"} <= batch_only.status().keys()


def test_a_terminal_has_colours_and_no_line_is_longer_than_it(house: House) -> None:
    house.record(*(f"t{n}" for n in range(60)))
    for n in range(60):
        house.rows("UPDATE tasks SET failures = 3, last_error = ? WHERE id = ?", f"http_{500 + n}", f"t{n}")
    text = shown(house, "status")
    assert "\x1b[31m\x1b[1mSTOPPED\x1b[0m" in text
    bare = _COLOUR.sub("", text)
    paths = (str(house.database), str(house.config))
    assert [line for line in bare.splitlines() if len(line) > 80 and not line.endswith(paths)] == []
    assert "61 problems:" in bare
    assert "and 55 more; all of them: cdpoll status | less" in bare
    piped = house.cdpoll("status", check=0).text
    assert "\x1b" not in piped
    assert piped.count("keep failing") == 60
    assert "\x1b" not in shown(house, "status", NO_COLOR="1")
    assert bare.replace("\n           ", " ").splitlines()[5] == piped.splitlines()[5]


def test_it_is_drawn_anew_until_it_is_interrupted(house: House) -> None:
    house.record("a")
    with terminal(house, "status", "--watch") as opened:
        until(lambda: "1 task pending" in opened.read(), "the first screen", opened.process)
        house.record("b")
        until(lambda: "2 tasks pending" in opened.read(), "the second screen", opened.process)
        moved = house.database.rename(house.database.with_name("elsewhere"))
        until(lambda: "cdpoll: " in opened.read(), "what cannot be read", opened.process)
        moved.rename(house.database)
        before = len(opened.read())
        until(lambda: "2 tasks pending" in opened.read()[before:], "the third screen", opened.process)
        opened.process.send_signal(signal.SIGINT)
        opened.end()
        assert opened.process.returncode == 130
    assert "Traceback" not in opened.text


def test_a_warning_stands_on_the_screen_and_not_behind_it(house: House) -> None:
    house.record("a")
    house.write(polling_burst="many")
    with terminal(house, "status", "--watch") as opened:
        until(lambda: "more lines" in opened.read(), "the screen", opened.process)
    assert re.match(r"\x1b\[Hwarning: the configuration has a mistake", opened.text)


def test_what_is_no_terminal_is_not_watched(house: House) -> None:
    house.record("a")
    assert "--watch needs a terminal" in house.cdpoll("status", "--watch", check=2).err
    for other in ("--json", "--check"):
        house.cdpoll("status", "--watch", other, check=2)
