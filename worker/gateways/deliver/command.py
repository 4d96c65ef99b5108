"""A way out into a program: it is started for each result, one at a time, and reads it from its standard input.

It gets no more of ours than that: a clean environment, no argument of the result's (arguments and environments can be
read by others), and no open file. What it prints is not kept, because it may be patient data. When it has ended, or its
time is over, what it has started is killed with it, unless that left its process group.
"""

import contextlib
import errno
import io
import os
import re
import select
import signal
import stat
from pathlib import Path

from worker.core.delivery import Delivered, Letter, LetterRefused, ReceiverDown, Sent
from worker.core.instant import words
from worker.files import open_regular
from worker.ownership import obstacle

_FIRST_LINE_BYTES = 256  # that the kernel reads
_TEMPORARY_EXIT = 75  # EX_TEMPFAIL of sysexits.h
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CODES = {errno.ENOENT: "missing", errno.ENOTDIR: "missing", errno.EACCES: "denied", errno.ENOEXEC: "not_a_program"}


class Command:
    """Starts one program, given with its arguments, in the working directory of this process."""

    def __init__(self, argv: tuple[str, ...], timeout_ms: int) -> None:
        """``timeout_ms``: how long one run may take."""
        self._argv = argv
        self._timeout_ms = timeout_ms

    def close(self) -> None:
        """Nothing is held."""

    def send(self, letter: Letter, now: int) -> Sent:  # noqa: ARG002 - as every way out has it
        """Hand one result to the program, and wait for its end."""
        about = {"CDPOLL_SEQ": str(letter.number)}
        about |= {} if letter.id is None else {"CDPOLL_ID": letter.id}
        return run_program(self._argv, letter.body, about, self._timeout_ms)


def run_program(argv: tuple[str, ...], body: bytes, about: dict[str, str], timeout_ms: int) -> Sent:
    """Start a program with ``body`` as its input, and wait for its end. ``about`` is added to its environment."""
    program = argv[0]
    try:
        with _input_of(body) as given:
            process = _start(argv, given, {"PATH": _PATH, "LANG": os.environ.get("LANG", "C.UTF-8"), **about})
    except OSError as error:
        return trouble_with_program(program) or _not_started(program, error)
    try:
        in_time = _ends_within(timeout_ms, process)
    finally:
        _kill_group(process)  # the group keeps its number until its leader has been waited for
        _, status = os.waitpid(process, 0)
    if not in_time:
        said = f"{program} did not end within {words(timeout_ms)}, and was killed"
        return ReceiverDown("timeout", said)
    return _sent(program, os.waitstatus_to_exitcode(status))


def _start(argv: tuple[str, ...], given: io.FileIO, environment: dict[str, str]) -> int:
    """The process, as the leader of a session of its own, with ``given`` as its input and no other open file.

    `cdpoll deliver` holds SIGTERM and others back in all its threads, and a child would inherit that: what the
    program starts (`timeout`, a Java that is to end) could not be ended by them. subprocess can clear the mask by
    a function of ours between fork and exec only, which is not safe where other threads live.
    """
    others = (int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    return os.posix_spawn(
        argv[0],
        argv,
        environment,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, given.fileno(), 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            *((os.POSIX_SPAWN_CLOSE, number) for number in others if number > 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # Python ignores these
    )


def _input_of(body: bytes) -> io.FileIO:
    """A file in memory alone. A pipe that is not read would hold up its writer for as long as anything
    that the program has started keeps it open, and it would be cut when this process is killed."""
    given = io.FileIO(os.memfd_create("result"), "r+")
    view = memoryview(body)
    while view:
        view = view[given.write(view) :]
    given.seek(0)
    return given


def _ends_within(time_ms: int, process: int) -> bool:
    """Wait for its end. The process is still there, as a zombie, when this returns."""
    end = os.pidfd_open(process)
    try:
        poll = select.poll()
        poll.register(end, select.POLLIN)
        return bool(poll.poll(time_ms))
    finally:
        os.close(end)


def trouble_with_program(program: str) -> ReceiverDown | None:
    """Why a program cannot be started, as far as it can be seen."""
    path = Path(program)
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        return _not_started(program, error)
    if is_folder:
        return ReceiverDown("denied", f"{program} cannot be started: it is a folder")
    if os.access(path, os.X_OK, effective_ids=True):
        wrong = _wrong_interpreter(path)
        return None if wrong is None else ReceiverDown("missing", f"{program} cannot be started: {wrong}")
    shut = obstacle(path, write=False)
    said = "it may not be executed (chmod +x)" if shut is None else f"{shut.words}; {shut.cure}"
    return ReceiverDown("denied", f"{program} cannot be started: {said}")


def _wrong_interpreter(script: Path) -> str | None:
    """What is wrong with the program that the first line of a script names. (The error that a start gives is that of a
    script that is not there.)"""
    try:
        with open_regular(script) as file:
            first = file.read(_FIRST_LINE_BYTES).partition(b"\n")[0]
    except OSError:
        return None  # a program need not be readable
    if not first.startswith(b"#!"):
        return None
    interpreter = os.fsdecode(re.split(rb"[ \t]+", first[2:].strip(b" \t"))[0])
    if not interpreter or "\0" in interpreter or os.path.lexists(interpreter):
        return None
    if interpreter.endswith("\r"):
        return "its lines end with CR and LF; write them with LF alone"
    return f"its first line names {interpreter!r}, which is not there"


def _not_started(program: str, error: OSError) -> ReceiverDown:
    reason = (error.strerror or type(error).__name__).lower()
    if error.errno == errno.ENOEXEC:
        reason = "it is no program, and no script that begins with #!"
    return ReceiverDown(_CODES.get(error.errno or 0, "failed"), f"{program} cannot be started: {reason}")


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _sent(program: str, code: int) -> Sent:
    if code == 0:
        return Delivered()
    if code == _TEMPORARY_EXIT:
        return ReceiverDown("exit_75", f"{program} exited 75: try again later")
    if code < 0:
        return LetterRefused(f"signal_{-code}", f"{program} was ended by signal {-code}")
    return LetterRefused(f"exit_{code}", f"{program} exited {code}")
