"""A small app, served as the commands do, as a process with a socket that is handed over: with TLS, limits, processes.

``say`` writes anew how it is served; a SIGHUP has the process read it.
"""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from flask import Flask, request

from tests.support.cdpoll_process import DEADLINE, until
from tests.support.served import handed, killed
from worker.clock import Clock
from worker.config import Config
from worker.core.errors import CdpollError
from worker.log import make_log
from worker.web.serve import Served, serve
from worker.web.tls import Pair

MOST_BYTES = 25_000_000


@dataclass(slots=True)
class ServedApp:
    """The process, and where it answers."""

    port: int
    process: "subprocess.Popen[bytes]"
    folder: Path

    def say(self, how: Served) -> None:
        _write(self.folder, how)

    def reload(self) -> None:
        """SIGHUP, until the process says that it has done it."""
        before = self.said().count("Booting worker")
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.said().count("Booting worker") > before, "a new worker process", self.process)

    def said(self) -> str:
        return (self.folder / "served.log").read_text()

    def connect(self, context: ssl.SSLContext | None = None) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
        return plain if context is None else context.wrap_socket(plain, server_hostname="127.0.0.1")

    def ask(self, question: bytes, context: ssl.SSLContext | None = None) -> bytes:
        """All that is answered until the connection ends."""
        with closing(self.connect(context)) as connection:
            connection.sendall(question)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer


@contextmanager
def served_app(folder: Path, how: Served | None = None, **env: str) -> Iterator[ServedApp]:
    """Killed at the end if need be."""
    _write(folder, how or Served("local", ""))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = [sys.executable, "-m", "tests.support.served_app", str(folder)]
        process = handed(listener, line, os.environ | env, folder / "served.log")
        served = ServedApp(listener.getsockname()[1], process, folder)
        try:
            until(lambda: "Booting worker" in served.said(), "a worker process", process)
            yield served
        finally:
            killed(process)


def _write(folder: Path, how: Served) -> None:
    (folder / "how.json").write_text(json.dumps(asdict(how), default=str))


def _read(folder: Path) -> Served:
    found: dict[str, Any] = json.loads((folder / "how.json").read_text())
    how = Served(**found)
    pair = found["pair"]
    return how if pair is None else replace(how, pair=Pair(Path(pair["certificate"]), Path(pair["key"])))


def _make(_: Config) -> Flask:
    app = Flask(__name__, static_folder=None)

    @app.get("/healthz")
    def healthz() -> str:
        return "ok\n"

    @app.post("/take")
    def take() -> tuple[str, int]:
        # One more, because werkzeug cuts chunks that exceed it off, and says nothing.
        request.max_content_length = MOST_BYTES + 1
        size = len(request.get_data())
        forwarded_for = request.environ.get("HTTP_X_FORWARDED_FOR")
        return f"{size} bytes by {request.scheme} for {forwarded_for}\n", 200 if size <= MOST_BYTES else 413

    return app


def main() -> None:
    # Our commands let it through again; the process of the tests has it blocked where it has loaded them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    folder = Path(sys.argv[1])
    how = cast(Config, _read(folder))
    log = make_log("json", "info", Clock())
    try:
        serve(how, lambda: cast(Config, _read(folder)), _make, log, lambda found: cast(Served, found))
    except CdpollError as error:
        print(error.message, file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
