"""Serves an app by gunicorn: processes with threads, on an address or on a socket of systemd's, with TLS or without.

Control socket and HTTP/2 are off. There are more threads than clients that stall by mistake: with eight, sixty of these
kept a health probe waiting for 80 s.
"""

import errno
import math
import os
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.systemd import SD_LISTEN_FDS_START

from worker.config import Config
from worker.core.errors import CdpollError, TryLater
from worker.gateways.systemd import watchdog_interval
from worker.rounds.log_lines import Log
from worker.web.bounded import BoundedWorker
from worker.web.gunicorn_log import GunicornLog
from worker.web.probe import begin_probing
from worker.web.tls import Pair, context_of
from worker.web.unix import unix_listener

_BIND_TRIES, _BIND_AGAIN_S = 25, 0.2

Address = tuple[Any, ...] | str
"""Of a socket: host and port, and more with IPv6; of a Unix socket its path."""


@dataclass(frozen=True, slots=True)
class Served:
    """How it is served. ``name``: of the command, the section and the units: `local` or `callback`.

    ``pair``: with TLS. ``threads`` are made when they are needed; ``connections``: how many are open at once, in each
    worker process. ``head_s``: for the handshake and the head of a request; ``deadline_s``: from there to the last byte
    of its answer. ``head_bytes``: of one header at most. ``socket``: a Unix socket, which it listens on as well.
    """

    name: str
    listen: str
    pair: Pair | None = None
    workers: int = 1
    threads: int = 96
    connections: int = 128
    head_s: float = 10.0
    deadline_s: float = 30.0
    head_bytes: int = 4096
    socket: Path | None = None


class Server(BaseApplication):  # type: ignore[misc]
    """``read``, ``say_how`` and ``reload`` are called in the main process, ``make`` in its worker processes. These get
    certificate and key as the main process last read them whole."""

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        make: Callable[[Config], Flask],
        say_how: Callable[[Config], Served],
        options: dict[str, Any],
    ) -> None:
        self.served = say_how(config)
        self.context: ssl.SSLContext | None = None if self.served.pair is None else context_of(self.served.pair)
        self._config, self._read, self._make, self._say_how = config, read, make, say_how
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        tls: dict[str, Any] = {}
        if self.context is not None:
            # gunicorn takes the name for a sign that there is TLS, and opens no file by it.
            tls = {"certfile": os.devnull, "ssl_context": lambda _cfg, _default: self.context}
        for name, value in (self._options | tls).items():
            self.cfg.set(name, value)

    def reload(self) -> None:
        try:
            config = self._read()
            served = self._say_how(config)
        except CdpollError as error:
            _refused("reload refused; the configuration in force stays", error)
            served = self.served
        else:
            self._config = config
        try:
            self.context = None if served.pair is None else context_of(served.pair)
        except CdpollError as error:
            _refused("certificate and key refused; those in force stay", error)
        self.served = served
        super().reload()

    def load(self) -> Flask:
        return self._make(self._config)


def _refused(event: str, error: CdpollError) -> None:
    GunicornLog.log.error(event, mistake=error.message.splitlines()[0])


def serve(
    config: Config,
    read: Callable[[], Config],
    make: Callable[[Config], Flask],
    log: Log,
    say_how: Callable[[Config], Served],
) -> None:
    """Serve until SIGTERM what ``make`` makes of the configuration. SIGHUP has it read anew, certificate and key too;
    one with a mistake changes nothing, nor does a pair that is none. Another address needs a restart.

    Ends with SystemExit. Raises TryLater where the address is taken or the pair cannot be used.
    """
    GunicornLog.log = log
    served = say_how(config)
    options: dict[str, Any] = {
        "workers": served.workers,
        "worker_class": BoundedWorker,
        "threads": served.threads,
        "worker_connections": served.connections,
        "keepalive": 2,
        "graceful_timeout": math.ceil(served.deadline_s),
        "control_socket_disable": True,
        "http_protocols": "h1",
        "http_parser": "python",
        "limit_request_fields": 50,
        "limit_request_field_size": served.head_bytes,
        # No header changes what a request is: gunicorn trusts each peer of a Unix socket to say scheme and path.
        "forwarded_allow_ips": "",
        "forwarder_headers": "",
        "secure_scheme_headers": {},
        # gunicorn takes them from the moment of its import, when a command of root's has not yet become another user.
        "user": os.geteuid(),
        "group": os.getegid(),
        "umask": 0o007,
        "proc_name": f"cdpoll serve {served.name}",
        "logger_class": GunicornLog,
    }
    server = Server(config, read, make, say_how, options)
    if (interval_ms := watchdog_interval()) is not None:
        options["when_ready"] = lambda arbiter: begin_probing(
            arbiter.LISTENERS[0].sock, interval_ms, lambda: server.context is not None
        )
    handed = handed_over()
    listeners = [] if handed else [_listener(served)]
    if served.socket is not None and str(served.socket) not in handed:
        listeners.append(unix_listener(served.socket, f"[{served.name}] socket", served.connections))
    if listeners:
        options["bind"] = [f"fd://{one.fileno()}" for one in listeners]
    server.do_load_config()
    Arbiter(server).run()


def handed_over() -> list[Address]:
    """Where the sockets listen that systemd has handed to this process; gunicorn takes them by itself."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    found: list[Address] = []
    for number in range(int(os.environ.get("LISTEN_FDS", "0"))):
        with socket.socket(fileno=os.dup(SD_LISTEN_FDS_START + number)) as one:
            found.append(one.getsockname())
    return found


def _listener(served: Served) -> socket.socket:
    host, _, port = served.listen.rpartition(":")
    host = host.strip("[]")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        _bind(made, (host, int(port)))
        made.listen(served.connections)
    except OSError as error:
        hint = f"does another `cdpoll serve {served.name}` run, or cdpoll-{served.name}.socket? Else set another port"
        if isinstance(error, PermissionError):
            hint = f"set a port from 1024 on, or let systemd open it: systemctl edit cdpoll-{served.name}.socket"
        raise TryLater(
            f"[{served.name}] listen: {served.listen}: {(error.strerror or type(error).__name__).lower()}", hint
        ) from None
    return made


def _bind(made: socket.socket, address: tuple[str, int]) -> None:
    """A worker process whose first process was killed holds the address until it sees that, for a second or two."""
    for _ in range(_BIND_TRIES):
        try:
            made.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            threading.Event().wait(_BIND_AGAIN_S)
        else:
            return
    made.bind(address)
