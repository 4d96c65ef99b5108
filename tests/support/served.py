"""`cdpoll serve` as a process, on a socket that is handed over as systemd does it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from tests.support.cdpoll_process import DEADLINE, ROOT, House

# The process of the tests has SIGHUP blocked where it has loaded our commands.
_HAND_OVER = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], sys.argv[2:])
"""

_WITH_DEADLINE = """
import sys
from dataclasses import replace
from cli.main import main
from worker.web import serve
deadline_s = float(sys.argv.pop(1))
begin = serve.serve
def by_then(config, read, make, log, say_how):
    begin(config, read, make, log, lambda found: replace(say_how(found), head_s=deadline_s, deadline_s=deadline_s))
serve.serve = by_then
main()
"""


def numbers(exposed: str) -> dict[str, float]:
    """What /metrics says, by name and labels as they are written."""
    rows = re.findall(r"^(\w+(?:\{[^}]*\})?) (\S+)$", exposed, re.MULTILINE)
    return {name: float(number) for name, number in rows}


@dataclass(frozen=True, slots=True)
class Got:
    """An answer; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(slots=True)
class Served:
    """The process, and where it answers. ``log`` is what it said on standard error."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: Path
    host: str = field(default="127.0.0.1")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, method: str = "GET", **headers: str) -> Got:
        """Ask; underscores in names of headers stand for hyphens."""
        with closing(HTTPConnection(self.host, self.port, timeout=DEADLINE)) as connection:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, told, answer.read().decode())

    def metrics(self) -> dict[str, float]:
        return numbers(self.get("/metrics").text)

    def stopped(self) -> int:
        self.process.terminate()
        return self.process.wait(DEADLINE)


def handed(listener: socket.socket, line: list[str], env: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """The process of a command line that gets a listening socket as from systemd; ``log`` has its standard error."""
    with log.open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-c", _HAND_OVER, str(listener.fileno()), *line],
            stdin=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(listener.fileno(),),
            env=env,
            cwd=ROOT,
            start_new_session=True,
        )


def killed(process: "subprocess.Popen[bytes]") -> None:
    """With its children, unless it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(DEADLINE)


@contextmanager
def served(house: House, deadline_s: float | None = None, *, what: str = "local", **env: str) -> Iterator[Served]:
    """Killed at the end if need be. ``deadline_s``: of a connection, in place of the usual one."""
    line = house.line("serve", what)
    if deadline_s is not None:
        line = [sys.executable, "-c", _WITH_DEADLINE, str(deadline_s), *line[1:]]
    log = house.folder / "served.log"
    log.unlink(missing_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = handed(listener, line, house.environment(**env), log)
        try:
            yield Served(listener.getsockname()[1], process, log)
        finally:
            killed(process)
