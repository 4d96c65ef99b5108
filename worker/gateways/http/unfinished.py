"""A request that is begun and not ended, to see what a server makes of a client that stalls."""

import contextlib
import re
import socket
import ssl
import threading
from typing import NamedTuple

from worker.gateways.http.dialing import Dialer

CONNECT_S = 5.0

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})[ \r]")
_MOST_BYTES = 65_536


class Left(NamedTuple):
    """How it ended: ``status`` is what was answered, ``None`` without an answer. ``held``: the server waits on."""

    status: int | None
    held: bool


def begin(host: str, port: int, tls: ssl.SSLContext | None, sent: bytes, wait_s: float) -> Left:
    """Send the beginning of a request, and wait so long for an answer or the end of the connection.

    Raises OSError where no connection comes about (an ssl.SSLError is one).
    """
    made = Dialer(lambda: False).dial(host, port, CONNECT_S)
    over = threading.Event()

    def give_up() -> None:
        over.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(made, socket.SHUT_RDWR)

    timer = threading.Timer(wait_s, give_up)
    timer.daemon = True
    with contextlib.ExitStack() as stack:
        stack.callback(made.close)
        made.settimeout(wait_s + CONNECT_S)
        if tls is not None:
            made = tls.wrap_socket(made, server_hostname=host)
            stack.callback(made.close)
        timer.start()
        stack.callback(timer.cancel)
        status = _answered(made, sent)
        return Left(status, held=status is None and over.is_set())


def _answered(made: socket.socket, sent: bytes) -> int | None:
    said = b""
    with contextlib.suppress(OSError):  # a server that has had enough resets the connection
        with contextlib.suppress(OSError):  # it may have answered before
            made.sendall(sent)
        while len(said) < _MOST_BYTES and (part := made.recv(4096)):
            said += part
            if (found := _STATUS.match(said)) is not None:
                return int(found[1])
    return None
