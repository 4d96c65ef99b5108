"""gunicorn's worker with threads, so that no client keeps a thread, or the loop that accepts, for longer than it may.

A connection gets a thread when its first byte is there; one that stays silent is shut by gunicorn's loop. Its handshake
and the head of a request have a deadline, and so has what follows. gunicorn waits in its loop for a client to shut a
connection that is over, up to 2 s for each: here its thread does.
"""

import socket
from concurrent.futures import Future
from typing import Any

from gunicorn import util
from gunicorn.http import get_parser
from gunicorn.http.errors import (
    InvalidHeader,
    InvalidRequestLine,
    NoMoreData,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.workers.gthread import _DEFER, ThreadWorker

from worker.clock import Clock

# Two of them, which come joined with a comma, could not be told from one.
ONCE = frozenset({"X-CDPOLL-REF", "X-CDPOLL-SUBTENANT"})

# How long a client may send nothing, when the process ends: as long as gunicorn's loop waits for one otherwise.
SILENT_S = 2.0

# How long a client may go on sending what is not read. Were the connection shut at once, it would not see why.
LINGER_S = 2.0
LINGER_BYTES = 64_000_000


class WholeReader:
    """A body that ends early, or is cut wrongly into chunks, cannot be read: an OSError, for which Flask answers 400.
    gunicorn takes one that ends before its Content-Length for whole."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        most = min(size, getattr(self._reader, "length", 0))
        try:
            got: bytes = self._reader.read(size)
        except ParseException:
            raise NoMoreData from None
        if len(got) < most:
            raise NoMoreData
        return got


class BoundedWorker(ThreadWorker):  # type: ignore[misc]
    """See the module; the deadlines are those of the server's :class:`Served`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock = Clock()
        self._until_ms: dict[Any, int] = {}

    def handle(self, conn: Any) -> Any:
        ends = not self.alive  # then its loop keeps no connection for later, and the thread waits
        if not conn.initialized and not conn.wait_for_data(SILENT_S if ends else 0):
            return False if ends else _DEFER
        self._bound(conn, self.app.served.head_s)
        if conn.sock.family == socket.AF_UNIX and not conn.initialized:
            conn.initialized = True  # gunicorn's way to it would begin TLS, where the port has that
            conn.client = ""  # a client may name its own end of the socket, and would pass for one with an address
            conn.parser = get_parser(self.cfg, conn.sock, conn.client)
        try:
            kept = super().handle(conn)
            if not kept:
                util.close_graceful(conn.sock, LINGER_S, LINGER_BYTES)
            return kept
        finally:
            del self._until_ms[conn]

    def handle_request(self, req: Any, conn: Any) -> Any:
        _refuse_odd(req)
        self._bound(conn, self.app.served.deadline_s)
        req.body.reader = WholeReader(req.body.reader)
        return super().handle_request(req, conn)

    def finish_request(self, conn: Any, fs: "Future[Any]") -> None:
        if conn.sock.fileno() < 0:  # its thread has shut it
            self.nr_conns -= 1
        elif not self.alive and fs.result() is _DEFER:
            self.enqueue_req(conn)  # gunicorn would shut it unheard, when it ends at this moment
        else:
            super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """gunicorn's loop calls it once a second at least."""
        super().murder_pending()
        now = self._clock.monotonic()
        for conn, until in list(self._until_ms.items()):
            if until <= now:
                _shut(conn.sock)

    def _bound(self, conn: Any, seconds: float) -> None:
        self._until_ms[conn] = self._clock.monotonic() + round(seconds * 1000)


def _refuse_odd(req: Any) -> None:
    """What HTTP has refused, and gunicorn lets through."""
    if not req.uri.startswith("/"):
        raise InvalidRequestLine(req.uri)  # whose host may be another than the header's
    if req.version >= (1, 1) and not any(name == "HOST" for name, _ in req.headers):
        raise InvalidHeader("HOST")
    for name, value in req.headers:
        if name == "TRANSFER-ENCODING" and value.lower() != "chunked":
            raise UnsupportedTransferCoding(value)  # the body would stay packed
    once = [name for name, _ in req.headers if name in ONCE]
    if len(once) > len(set(once)):
        raise InvalidHeader(once[0])


def _shut(connection: socket.socket) -> None:
    """Have the thread that reads or writes there see its end."""
    try:
        # Not the method of a TLS socket, which would go on without TLS.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        return  # it is over
