"""Serves the app by gunicorn: one worker process with threads, on a loopback address or a socket of systemd's.

Control socket and HTTP/2 are off. A connection is shut when its request is not answered in time, and there are more
threads than clients that stall by mistake: with eight, sixty of these kept a health probe waiting for 80 s.
"""

import math
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.gthread import ThreadWorker

from worker.config import Config
from worker.core.errors import CdpollError, TryLater, place_of
from worker.gateways.systemd import watchdog_interval
from worker.rounds.log_lines import Log
from worker.web.probe import begin_probing

# They are made when they are needed.
THREADS = 96
CONNECTIONS = 128

DEADLINE_S = 10.0


class BoundedWorker(ThreadWorker):  # type: ignore[misc]
    """A thread is never kept for longer than the deadline of the :class:`Server`."""

    def handle(self, conn: Any) -> Any:
        timer = threading.Timer(self.app.deadline_s, _shut, [conn.sock])
        timer.daemon = True
        timer.start()
        try:
            return super().handle(conn)
        finally:
            timer.cancel()


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is over


class GunicornLog:
    """What gunicorn says, as lines of our log. Of errors their kind and place: a text may quote what was asked for."""

    log: Log

    def __init__(self, cfg: Any) -> None:
        self.cfg = cfg  # gunicorn looks at it at a reload

    def setup(self, cfg: Any) -> None: ...

    def debug(self, *_: Any, **__: Any) -> None: ...

    def info(self, message: str, *args: Any, **_: Any) -> None:
        self.log.info("web server", said=message % args if args else message)

    def warning(self, message: str, *_: Any, **__: Any) -> None:
        error = sys.exc_info()[1]
        if error is None:
            self.log.warning("web server", said=message)
            return
        # What gunicorn says of an error ends with its text, which quotes the line that could not be read.
        place = f"{type(error).__name__} at {place_of(error)}"
        self.log.warning("web server", said=message.partition(": ")[0], place=place)

    error = critical = exception = warning

    def log_at(self, _level: Any, message: str, *args: Any, **_: Any) -> None:
        self.warning(message, *args)

    def access(self, *_: Any) -> None: ...

    def reopen_files(self) -> None: ...

    def close_on_exec(self) -> None: ...


class Server(BaseApplication):  # type: ignore[misc]
    """``read`` and ``reload`` are called in the main process, ``load`` in its worker process."""

    def __init__(
        self,
        options: dict[str, Any],
        config: Config,
        read: Callable[[], Config],
        make: Callable[[Config], Flask],
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.deadline_s = deadline_s
        self._options = options
        self._config = config
        self._read = read
        self._make = make
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def reload(self) -> None:
        try:
            self._config = self._read()
        except CdpollError as error:
            first = error.message.splitlines()[0]
            GunicornLog.log.error("reload refused; the configuration in force stays", mistake=first)
        super().reload()

    def load(self) -> Flask:
        return self._make(self._config)


def serve(
    config: Config,
    read: Callable[[], Config],
    make: Callable[[Config], Flask],
    log: Log,
    deadline_s: float = DEADLINE_S,
) -> None:
    """Serve until SIGTERM what ``make`` makes of the configuration. SIGHUP has it read anew; one with a mistake changes
    nothing. ``deadline_s``: from the first byte of a request to the last one of its answer.

    Ends with SystemExit. Raises TryLater where the address is taken.
    """
    GunicornLog.log = log
    options: dict[str, Any] = {
        "workers": 1,
        "worker_class": BoundedWorker,
        "threads": THREADS,
        "worker_connections": CONNECTIONS,
        "keepalive": 2,
        "graceful_timeout": math.ceil(deadline_s),
        "control_socket_disable": True,
        "http_protocols": "h1",
        "limit_request_fields": 50,
        "limit_request_field_size": 4096,
        "forwarded_allow_ips": "",
        "umask": 0o007,
        "proc_name": "cdpoll serve local",
        "logger_class": GunicornLog,
    }
    if (interval_ms := watchdog_interval()) is not None:
        options["when_ready"] = lambda arbiter: begin_probing(arbiter.LISTENERS[0].sock, interval_ms)
    listener = None if _handed_over() else _listener(config.local.listen)
    if listener is not None:
        options["bind"] = [f"fd://{listener.fileno()}"]
    Arbiter(Server(options, config, read, make, deadline_s)).run()


def _handed_over() -> bool:
    """Whether systemd has handed this process a socket; gunicorn takes it by itself."""
    return os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS", "0") != "0"


def _listener(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, int(port)))
        made.listen(CONNECTIONS)
    except OSError as error:
        raise TryLater(
            f"[local] listen: {listen}: {(error.strerror or type(error).__name__).lower()}",
            "does another `cdpoll serve local` run, or cdpoll-local.socket? Else set another port",
        ) from None
    return made
