"""The real ``cdpoll`` as a process: a folder with a configuration, a database, and a simulated vendor to ask."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from sandbox import examples
from sandbox.server import Sandbox
from tests.support import forks
from tests.support.engine import elsewhere, url_of

CDPOLL = Path(sys.executable).parent / "cdpoll"
ROOT = forks.ROOT

# Far longer than anything here takes: who waits so long has found a fault.
DEADLINE = 60.0


NOWHERE = "http://127.0.0.1:9"

# Status, headers and body of a response.
Answer = tuple[int, list[tuple[str, str]], bytes]


class Pollable(Protocol):
    """A process, as far as :func:`until` asks."""

    returncode: int | None

    def poll(self) -> int | None: ...


def until(condition: Callable[[], object], what: str, process: Pollable | None = None, *, every: float = 0.02) -> None:
    """Wait until ``condition`` holds; fail when it does not come, or when ``process`` ends before. It is asked every
    ``every`` seconds."""
    tick = threading.Event()
    for _ in range(int(DEADLINE / every)):
        if condition():
            return
        ended = process is not None and process.poll() is not None
        assert not ended, f"the process ended with {process and process.returncode} before: {what}"
        tick.wait(every)
    raise AssertionError(f"never came: {what}")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. ``out`` is bytes, for bodies are."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out.decode()


class House:
    """A folder with everything an installation has; the vendor is ``sandbox``; without one, no vendor answers."""

    def __init__(self, folder: Path, sandbox: Sandbox | None = None, /, **keys: str) -> None:
        """``keys`` override what stands in the configuration, as ``section_key``; an empty text leaves it out."""
        self.folder = folder
        self.database = folder / "data" / "cdpoll.db"
        self.config = folder / "cdpoll.ini"
        self.log = folder / "daemon.log"
        (folder / "secret").write_text("sandbox-secret" if sandbox is None else sandbox.account.client_secret)
        (folder / "secret").chmod(0o600)
        self.values = {
            "api_base_url": (NOWHERE if sandbox is None else sandbox.origin) + "/rcm/eligibility/v1",
            "api_client_id": "sandbox",
            "api_client_secret": f"{{file {folder / 'secret'}}}",
            "api_timeout": "10s",
            "store_path": str(self.database),
            "store_url": url_of(self.database),
            "polling_requests_per_second": "1000",
            "polling_burst": "1000",
            "polling_max_in_flight": "4",
            "polling_cadence": "50ms x1.4 200ms 10%",
            "polling_min_interval": "50ms",
        }
        self.ways: dict[str, dict[str, str]] = {}
        """The keys of each ``[deliver.NAME]``, for the next :meth:`write`."""
        self.write(**keys)

    def write(self, **keys: str) -> None:
        """Write the configuration anew, with other values for some keys."""
        self.values.update(keys)
        lines: list[str] = []
        for section in dict.fromkeys(key.partition("_")[0] for key in self.values):
            found = {k.partition("_")[2]: v for k, v in self.values.items() if k.startswith(section + "_") and v}
            lines += [f"[{section}]", *(f"{key} = {value}" for key, value in found.items())] if found else []
        for name, way in self.ways.items():
            lines += [f"[deliver.{name}]", *(f"{key} = {value}" for key, value in way.items())]
        self.config.write_text("\n".join(lines) + "\n")
        self.config.chmod(0o600)

    def write_store_alone(self, more: str = "") -> None:
        """Write a configuration that says where the database is, and ``more``."""
        keys = {"path": str(self.database), "url": url_of(self.database)}
        lines = [f"{name} = {value}\n" for name, value in keys.items() if value]
        self.config.write_text("".join(["[store]\n", *lines, more]))

    def environment(self, **more: str) -> dict[str, str]:
        """Ours, without anything that steers cdpoll or a service."""
        steering = (
            "CDPOLL_",
            "NOTIFY_SOCKET",
            "WATCHDOG_",
            "XDG_",
            "JOURNAL_STREAM",
            "PYTHON",
            "LC_",
            "LANG",
            "COLUMNS",
        )
        kept = {k: v for k, v in os.environ.items() if not k.startswith(steering)}
        return {**kept, "HOME": str(self.folder), **more}

    def line(self, *args: str) -> list[str]:
        return [str(CDPOLL), "--config", str(self.config), *args]

    def cdpoll(self, *args: str, stdin: bytes = b"", check: int | None = None, **env: str) -> Ended:
        """Run one command to its end; ``check`` is the exit code it must have."""
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin)
            given.seek(0)
            streams = (given.fileno(), out.fileno(), err.fileno())
            if env:  # some of it is for the interpreter
                code = subprocess.run(
                    self.line(*args), stdin=given, stdout=out, stderr=err, env=self.environment(**env), timeout=DEADLINE
                ).returncode
            else:
                line = ("--config", str(self.config), *args)
                code = forks.start(line, self.environment(), streams).wait(DEADLINE)
            out.seek(0)
            err.seek(0)
            ended = Ended(code, out.read(), err.read().decode("utf-8", "backslashreplace"))
        assert "Traceback" not in ended.err, ended.err
        assert check is None or ended.code == check, (ended.code, ended.err)
        return ended

    def start(self, *args: str, **env: str) -> "Daemon":
        """Start ``cdpoll run`` with ``args``; its stderr goes to ``self.log``, its messages to systemd are heard."""
        return Daemon(self, ("run", *args), env)

    def deliver(self, *args: str, **env: str) -> "Daemon":
        """Start ``cdpoll deliver``, likewise."""
        return Daemon(self, ("deliver", *args), env)

    def record(self, *ids: str, check: int = 0) -> Any:
        return self.cdpoll("record", "--json", *ids, check=check).json

    def ingest(self, *paths: Path, check: int | None = None) -> list[dict[str, Any]]:
        """Read files in, or without any make one round over the drop; what is said of each file."""
        files: list[dict[str, Any]] = self.cdpoll("ingest", "--json", *map(str, paths), check=check).json["files"]
        return files

    def problems(self) -> dict[str, str]:
        """What ``status`` names, by its code, with the hint; that no daemon runs is no news here."""
        return {one["code"]: one["hint"] for one in self.status()["problems"] if one["code"] != "daemon_down"}

    def status(self) -> Any:
        return self.cdpoll("status", "--json", check=0).json

    def rows(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        """What a stranger with the driver's own module reads, or changes."""
        return elsewhere(self.database, sql, *params, wait_ms=30_000)

    def value(self, sql: str, *params: object) -> Any:
        return self.rows(sql, *params)[0][0]


class Daemon:
    """A running ``cdpoll run`` or ``deliver``, with a socket that hears what it tells systemd. Killed at the end if
    need be."""

    def __init__(self, house: House, args: tuple[str, ...], env: dict[str, str]) -> None:
        # In the abstract namespace: a path in a test's folder may be too long for a socket.
        name = f"cdpoll-test-{os.getpid()}-{id(self)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind("\0" + name)
        self._socket.settimeout(DEADLINE)
        self.heard: list[str] = []
        self._unread = 0  # index of the first one that no test has waited for
        self.house = house
        line = ("--config", str(house.config), *args)
        with house.log.open("ab") as log, Path(os.devnull).open("r+b") as null:
            streams = (null.fileno(), null.fileno(), log.fileno())
            self.process = forks.start(line, house.environment(NOTIFY_SOCKET="@" + name, **env), streams)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._socket.close()

    def hear(self, what: str) -> str:
        """Wait for a message with ``what`` in it, and hand back the line of it that has it."""
        while True:
            while self._unread < len(self.heard):
                self._unread += 1
                if what in self.heard[self._unread - 1]:
                    return self.heard[self._unread - 1]
            self._receive()

    def ready(self) -> Self:
        self.hear("READY=1")
        return self

    def _receive(self) -> None:
        self.heard += self._socket.recv(65536).decode().splitlines()

    def heard_by_now(self) -> list[str]:
        """Everything it ever said, what has not been waited for included."""
        self._socket.setblocking(False)
        try:
            while True:
                self._receive()
        except BlockingIOError:
            return self.heard

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """Wait for the end; the exit code."""
        return self.process.wait(DEADLINE)

    def stopped(self) -> int:
        """Ask it to end, and wait; the exit code."""
        self.terminate()
        return self.end()

    def logged(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.house.log.read_text().splitlines()]


def begin(sandbox: Sandbox, count: int, words: str = "SBX-NOW-NOTHING", *, first: int = 0) -> list[str]:
    """Let ``count`` patients be checked at the vendor; the ids of the discoveries that it began."""
    before = {task.id for task in sandbox.tasks}
    for n in range(first, first + count):
        post(sandbox, "/", examples.real_time_request(n, 1, words.removeprefix("SBX-")))
    return [task.id for task in sandbox.tasks if task.id not in before]


def token(sandbox: Sandbox) -> str:
    return str(json.loads(_send(sandbox, sandbox.token_url, sandbox.credentials(), {})[2])["access_token"])


def post(sandbox: Sandbox, path: str, body: object) -> Answer:
    """POST to the vendor's API; status, headers, body."""
    held = getattr(sandbox, "_test_token", None)
    if held is None:
        held = token(sandbox)
        sandbox._test_token = held  # type: ignore[attr-defined]
    return _send(sandbox, sandbox.base_url + path, body, {"authorization": f"Bearer {held}"})


def _send(sandbox: Sandbox, url: str, body: object, headers: dict[str, str]) -> Answer:
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=DEADLINE)) as connection:
        connection.request("POST", parts.path, json.dumps(body), {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()


def dump(status: int, headers: list[tuple[str, str]]) -> bytes:
    """What ``curl -D -`` writes of an answer."""
    lines = [f"HTTP/1.1 {status} OK", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """Let no file of this process, or of one it starts, grow past ``limit`` bytes: the tests' full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
