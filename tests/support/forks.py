"""The real command line in a process of its own, without the quarter second that an interpreter takes to start.

A server, one for each process of the tests, imports the whole program once and forks for each command. The child has
the arguments, the environment, the standard streams, the folder and the limits that it is given, and runs ``cdpoll``
from its first line to its end. (What is about the start of an interpreter needs a real one: see ``House.line``.)
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.support import made_once
from tests.support.mortal import Moment

ROOT = Path(__file__).parents[2]

_ASKING = threading.Lock()

SERVER = """
import sys
from tests.support.forks import serve
serve(int(sys.argv[1]))
"""


class Forked:
    """A command that runs or has ended; ``returncode`` as of :class:`subprocess.Popen`, once it is known."""

    def __init__(self, told: socket.socket) -> None:
        self._told = told.makefile("rb")
        told.close()
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self._read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises TimeoutError."""
        if self.returncode is None and not select.select([self._told], [], [], timeout)[0]:
            raise TimeoutError(f"process {self.pid} still runs")
        return self._read()

    def _read(self) -> int:
        if self.returncode is None:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended, and its code is on the way
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    args: Sequence[str], env: Mapping[str, str], streams: tuple[int, int, int], last: Moment | None = None
) -> Forked:
    """Start ``cdpoll`` with these arguments; it dies at the moment ``last``."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    told, tell = socket.socketpair()
    asked = {
        "args": list(args),
        "env": dict(env),
        "cwd": str(Path.cwd()),
        "umask": _umask(),
        "limit": limit,
        "last": last,
    }
    message = json.dumps(asked).encode()
    with tell, _ASKING:
        socket.send_fds(_server(), [b"%10d" % len(message)], [*streams, tell.fileno()])
        _server().sendall(message)
    return Forked(told)


def _umask() -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Umask:")]
    return int(line.split()[1], 8)


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair()
    steering = ("PYTHON", "LC_", "LANG")
    env = {key: value for key, value in os.environ.items() if not key.startswith(steering)}
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
            env=env,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def import_all() -> None:
    """Import the whole program, also what a command imports late."""
    for name in ("cli", "worker"):
        for module in pkgutil.walk_packages([str(ROOT / name)], name + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def serve(descriptor: int) -> None:
    """The server: until the other side of its socket is closed."""
    import_all()
    made_once.copy_from_now_on()
    gc.freeze()  # else the first collection in a command copies all that was imported
    control = socket.socket(fileno=descriptor)
    running: dict[int, tuple[int, int]] = {}  # by a descriptor of the process: its id, and where its end is told
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    while True:
        for ready, _ in waiting.poll():
            if ready != control.fileno():
                waiting.unregister(ready)
                os.close(ready)
                pid, tell = running.pop(ready)
                _say(tell, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
                os.close(tell)
                continue
            head, descriptors, _, _ = socket.recv_fds(control, 10, 4)
            if not head:
                return
            message = b""
            while len(message) < int(head):
                message += control.recv(int(head) - len(message))
            *streams, tell = descriptors
            pid = os.fork()
            if not pid:
                control.close()
                for one in (tell, *running, *(told for _, told in running.values())):
                    os.close(one)
                _attend(json.loads(message), streams)
            _say(tell, pid)
            about = os.pidfd_open(pid)
            running[about] = pid, tell
            waiting.register(about, select.POLLIN)
            for one in streams:
                os.close(one)


def _say(tell: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the test has ended
        os.write(tell, b"%d\n" % number)


def _attend(asked: dict[str, object], streams: Sequence[int]) -> None:
    # Where the tests run in the background of a shell, Ctrl-C is ignored, and every process would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    _run(**asked)  # type: ignore[arg-type]


def _run(
    args: list[str], env: dict[str, str], cwd: str, umask: int, limit: tuple[int, int], last: list[object] | None
) -> None:
    from cli.main import main
    from tests.support.mortal import Moment, die_at
    from worker import log
    from worker.store.schema import creation

    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    os.umask(umask)
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    if last is not None:
        creation.build = made_once.build  # its statements are among the moments
        die_at(Moment(*last))  # type: ignore[arg-type]
    sys.argv = ["cdpoll", *args]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    log.flush()  # at its end an interpreter would do that by itself
    os._exit(code)
