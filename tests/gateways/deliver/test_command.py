"""Results handed to real child processes."""

import json
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.letters import letter
from worker.core.delivery import Delivered, Letter, LetterRefused, ReceiverDown, Sent
from worker.gateways.deliver.command import Command

NOW = 1_750_000_000_000
LONG_MS = 20_000

Run = Callable[..., Sent]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Hand a result to a script of the shell."""

    def sent(script: str, one: Letter | None = None, timeout_ms: int = LONG_MS) -> Sent:
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        program.chmod(0o755)
        return Command((str(program), "first", "second third"), timeout_ms).send(one or letter(7, "secret-ref"), NOW)

    return sent


def test_what_it_is_given(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDPOLL_API_CLIENT_SECRET", "hunter2")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    one = letter(7, "secret-ref", id_="a.7")
    script = "cat >body; tr '\\0' '\\n' </proc/$$/environ >environ; tr '\\0' '\\n' </proc/$$/cmdline >cmdline"
    assert run(f"{script}; ls /proc/$$/fd >fds; ps -o sid= -p $$ >sid; echo $$ >pid", one) == Delivered()
    assert (tmp_path / "body").read_bytes() == one.body
    assert sorted((tmp_path / "environ").read_text().splitlines()) == [
        "CDPOLL_ID=a.7",
        "CDPOLL_SEQ=7",
        "LANG=de_DE.UTF-8",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]
    assert (tmp_path / "cmdline").read_text().splitlines()[-2:] == ["first", "second third"]
    assert "secret-ref" not in (tmp_path / "cmdline").read_text()
    assert (tmp_path / "sid").read_text().strip() == (tmp_path / "pid").read_text().strip()
    assert len((tmp_path / "fds").read_text().split()) <= 5  # 0, 1, 2, the script itself, and a file of ls


def test_without_a_task_there_is_no_id(run: Run, tmp_path: Path) -> None:
    assert run("env >environ", letter(7, id_=None)) == Delivered()
    assert "CDPOLL_ID" not in (tmp_path / "environ").read_text()


@pytest.mark.parametrize("code", [1, 2, 65, 74, 126, 255])
def test_what_is_refused(run: Run, tmp_path: Path, code: int) -> None:
    sent = run(f"echo secret-ref; echo secret-ref >&2; exit {code}")
    assert sent == LetterRefused(f"exit_{code}", f"{tmp_path}/program exited {code}")


def test_try_again_later(run: Run, tmp_path: Path) -> None:
    assert run("exit 75") == ReceiverDown("exit_75", f"{tmp_path}/program exited 75: try again later")


def test_ended_by_a_signal(run: Run, tmp_path: Path) -> None:
    assert run("kill -SEGV $$") == LetterRefused("signal_11", f"{tmp_path}/program was ended by signal 11")


def test_it_need_not_read_what_it_is_given(run: Run) -> None:
    large = letter(7, padding="x" * 1_000_000)
    assert run("exit 0", large) == Delivered()
    assert run("exec <&-; exit 3", large) == LetterRefused("exit_3", sent_detail(run("exit 3", large)))


def sent_detail(sent: Sent) -> str:
    assert isinstance(sent, LetterRefused)
    return sent.detail


def gone(pid: int) -> bool:
    """Whether a process has ended; one that no parent has asked about yet has ended, too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def ended(pids: list[int]) -> bool:
    """Whether they end. A killed process is there until the kernel has come to it, which is no time of ours."""
    for pid in pids:
        for _ in range(100_000):
            if gone(pid):
                break
            os.sched_yield()
        else:
            return False
    return True


def test_what_it_leaves_running_may_keep_its_input_open(run: Run, tmp_path: Path) -> None:
    large = letter(7, filler="x" * 1_000_000)
    script = "exec 3<&0; setsid sh -c 'echo $$ >pid; exec sleep 60 <&3' & until test -s pid; do sleep 0.01; done"
    try:
        assert run(script, large) == Delivered()
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_at_the_time_limit_it_is_killed_with_all_that_it_has_started(run: Run, tmp_path: Path) -> None:
    child = "sh -c 'trap \"\" TERM HUP; sleep 600' &"
    script = f"trap '' TERM; {child} echo $! $$ >pids; wait; sleep 600"
    sent = run(script, letter(7, padding="x" * 1_000_000), timeout_ms=2_000)
    assert sent == ReceiverDown("timeout", f"{tmp_path}/program did not end within 2 s, and was killed")
    pids = [int(text) for text in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert ended(pids)


def test_what_it_leaves_running_is_killed_when_it_ends(run: Run, tmp_path: Path) -> None:
    assert run("sleep 600 & echo $! >pids") == Delivered()
    assert ended([int((tmp_path / "pids").read_text())])


def test_what_cannot_be_started(tmp_path: Path) -> None:
    program = tmp_path / "program"
    way = Command((str(program),), LONG_MS)
    said = f"{program} cannot be started: "
    assert way.send(letter(1), NOW) == ReceiverDown("missing", said + "no such file or directory")
    program.write_text("#!/nonexist/interpreter\n")
    assert way.send(letter(1), NOW) == ReceiverDown("denied", said + "it may not be executed (chmod +x)")
    program.chmod(0o755)
    none = "its first line names '/nonexist/interpreter', which is not there"
    assert way.send(letter(1), NOW) == ReceiverDown("missing", said + none)
    program.write_bytes(b"#!/bin/sh\r\nexit 0\r\n")
    ends = "its lines end with CR and LF; write them with LF alone"
    assert way.send(letter(1), NOW) == ReceiverDown("missing", said + ends)
    program.write_text("no program")
    neither = "it is no program, and no script that begins with #!"
    assert way.send(letter(1), NOW) == ReceiverDown("not_a_program", said + neither)
    program.write_text("#!/bin/sh\nexit 0\n")
    assert way.send(letter(1), NOW) == Delivered()
    assert stat.S_ISDIR(tmp_path.stat().st_mode)
    sent = Command((str(tmp_path),), LONG_MS).send(letter(1), NOW)
    assert sent == ReceiverDown("denied", f"{tmp_path} cannot be started: it is a folder")


def test_one_after_the_other_each_gets_its_own(run: Run, tmp_path: Path) -> None:
    for number in range(1, 11):
        assert run("cat >>all; echo >>all", letter(number)) == Delivered()
    assert [json.loads(line)["seq"] for line in (tmp_path / "all").read_text().splitlines()] == list(range(1, 11))


def test_it_gets_no_file_that_is_to_be_inherited(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        assert run("ls -l /proc/$$/fd >fds") == Delivered()
    assert "lock" not in (tmp_path / "fds").read_text()


def test_a_pipe_that_is_shut_ends_it(run: Run) -> None:
    """Python ignores SIGPIPE, and a program would inherit that."""
    assert run("kill -PIPE $$; exit 3") == LetterRefused("signal_13", sent_detail(run("kill -PIPE $$")))


def test_it_hears_the_signals_that_cdpoll_holds_back() -> None:
    """Not by a script of the shell: dash hears them in any case."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    program = ("/bin/grep", "-q", "^SigBlk:[[:space:]]*0*$", "/proc/self/status")
    try:
        assert Command(program, LONG_MS).send(letter(7), NOW) == Delivered()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
