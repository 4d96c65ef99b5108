"""The simulated vendor on a loopback port: real HTTP, for rehearsals and for the project's own tests.

with Sandbox(Clock(), seed=1, speed=60) as sandbox:
    httpx.post(sandbox.token_url, json=sandbox.credentials())
"""

import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Self

from sandbox.account import Account
from sandbox.callback.deliveries import Delivery
from sandbox.callback.target import Target
from sandbox.ledger import Ledger
from sandbox.mischief import Mischief
from sandbox.tasks import Task
from sandbox.times import DEFAULT, Times
from sandbox.timetable import Tempo
from sandbox.tokens import Tokens
from sandbox.vendor import Vendor
from sandbox.wire import PREFIX, TOKEN_PATH, Reply, Request, encode, problem
from worker.clock import Clock

HOST = "127.0.0.1"
SANDBOX_ACCOUNT = Account()
LARGEST_BODY_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 64 * 1024


class Sandbox:
    """The simulated vendor, listening while it is started.

    ``speed`` divides every time span of the vendor (60: an hour takes a minute). ``faults`` is a text as
    :mod:`sandbox.faults` describes it; ``times`` comes from :func:`sandbox.times.parse`. The port and the vendor's
    memory outlive ``stop`` and ``start``. Raises ValueError for a wrong ``faults`` text.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 1,
        speed: float = 1.0,
        faults: str = "",
        times: Times = DEFAULT,
        account: Account = SANDBOX_ACCOUNT,
    ) -> None:
        if speed <= 0:
            raise ValueError("speed must be greater than 0")
        self.clock, self.seed, self.speed = clock, seed, speed
        self.account = account
        self._port = 0
        self.mischief = Mischief(faults, seed, speed)
        self.vendor = Vendor(
            Ledger(seed, Tempo(speed, times), account.callback),
            Tokens(account.client_id, account.client_secret, account.expires_in_s / speed, seed),
            self.mischief,
            tenant_id=account.tenant_id,
            subtenants=account.subtenants,
        )
        self.stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._threads: set[threading.Thread] = set()
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{HOST}:{self._port}"

    @property
    def base_url(self) -> str:
        """Where the API is, with its prefix."""
        return self.origin + PREFIX

    @property
    def token_url(self) -> str:
        """Where tokens are issued."""
        return self.origin + TOKEN_PATH

    @property
    def requests(self) -> Counter[tuple[str, int]]:
        """How many requests there were, by operation and status (0: the connection was reset); a copy."""
        with self.vendor.lock:
            return self.vendor.requests.copy()

    @property
    def log(self) -> list[tuple[str, str, int]]:
        """The last requests as (method, path without query, status); a copy."""
        with self.vendor.lock:
            return list(self.vendor.log)

    @property
    def tasks(self) -> list[Task]:
        """Every task there is, oldest first: the truth that a client can be held against."""
        with self.vendor.lock:
            return list(self.vendor.ledger.tasks.values())

    @property
    def deliveries(self) -> list[Delivery]:
        """Every callback that was planned, oldest first, and what became of it so far; copies."""
        with self.vendor.lock:
            return self.vendor.ledger.deliveries.copies()

    def credentials(self) -> dict[str, str]:
        """The fields of a token request."""
        return {
            "client_id": self.account.client_id,
            "client_secret": self.account.client_secret,
            "grant_type": "client_credentials",
        }

    def check(self, body: object) -> str:
        """Have the vendor answer a real-time check of its own; the answer's headers as ``curl -D -`` writes them."""
        reply = self.vendor.check(encode(body), self.clock.now())
        return "\r\n".join([f"HTTP/1.1 {reply.status} OK", *(f"{k}: {v}" for k, v in reply.headers), "", ""])

    def set_faults(self, faults: str) -> None:
        """Switch to other faults; their counts begin anew, and their time windows with the next request. Raises
        ValueError."""
        mischief = Mischief(faults, self.seed, self.speed)
        with self.vendor.lock:
            self.mischief = self.vendor.mischief = mischief

    def set_callback(self, target: Target | None) -> None:
        """Deliver callbacks there from now on; what waits for another try goes to its own URL all the same."""
        with self.vendor.lock:
            self.vendor.ledger.deliveries.target = target

    def start(self, port: int = 0) -> Self:
        """Listen on ``port``; 0: on the port it had before, else on a free one. Raises OSError where it is taken."""
        listener = socket.create_server((HOST, port or self._port), backlog=256)
        self._port = listener.getsockname()[1]
        self._listener = listener
        self.vendor.origin = self.origin
        self.stopping.clear()
        self._run(partial(self._accept, listener))
        return self

    def stop(self) -> None:
        """Close the port and every connection, and wait until the last one has noticed."""
        self.stopping.set()
        listener, self._listener = self._listener, None
        if listener is not None:
            # wakes the thread that waits in accept(), which then closes it
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
        with self._guard:
            connections, threads = list(self._connections), list(self._threads)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(work,), name="sandbox", daemon=True)
        with self._guard:  # one that is not started yet cannot be waited for
            thread.start()
            self._threads.add(thread)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            with self._guard:
                self._threads.discard(threading.current_thread())

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while not self.stopping.is_set():
                try:
                    connection, address = listener.accept()
                except OSError:
                    # the listener was closed, or file descriptors are short for a moment
                    self.clock.wait(self.stopping, 50)
                    continue
                self._run(partial(self._serve, connection, address))

    def _serve(self, connection: socket.socket, address: object) -> None:
        with self._guard:
            self._connections.add(connection)
        try:
            if not self.stopping.is_set():
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Handler(connection, address, self)  # type: ignore[arg-type]
        except OSError:
            pass  # the other side has closed the connection, as it may
        finally:
            with self._guard:
                self._connections.discard(connection)
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    """Reads requests off one connection, and writes what the vendor answers."""

    protocol_version = "HTTP/1.1"
    server: Sandbox  # type: ignore[assignment]

    def handle_expect_100(self) -> bool:
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def log_message(self, *_: object) -> None:
        """Nothing: the vendor keeps the log."""

    def send_error(self, code: int, message: str | None = None, _explain: str | None = None) -> None:
        """A request that is not even HTTP; the vendor never sees it."""
        self.close_connection = True
        self._write(problem(int(code), message or "Bad Request"))

    def _answer(self) -> None:
        body = self._body()
        if body is None:
            return
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value.strip() for name, value in self.headers.items()}
        request = Request(self.command, path, query, headers, body)
        self._write(self.server.vendor.answer(request, self.server.clock.now()))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer  # noqa: N815

    def _body(self) -> bytes | None:
        """The request's body; ``None`` once a refusal is sent."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            return self._chunks()
        length = self.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            self.send_error(400, "Bad Request - Content-Length is not a number")
            return None
        if int(length) > LARGEST_BODY_BYTES:
            self.send_error(413, "Content Too Large")
            return None
        return self.rfile.read(int(length))

    def _chunks(self) -> bytes | None:
        body = b""
        while True:
            size = self.rfile.readline(1024).split(b";")[0].strip()
            try:
                count = int(size, 16)
            except ValueError:
                self.send_error(400, "Bad Request - a chunk has no size")
                return None
            if count < 0 or len(body) + count > LARGEST_BODY_BYTES:
                self.send_error(413, "Content Too Large")
                return None
            if count == 0:
                while self.rfile.readline(65536).strip():
                    pass
                return body
            body += self.rfile.read(count)
            self.rfile.readline(2)

    def _write(self, reply: Reply) -> None:
        """Send a reply in its manner."""
        manner, clock, stopping = reply.manner, self.server.clock, self.server.stopping
        if manner.delay_ms:
            clock.wait(stopping, manner.delay_ms)
        if manner.how == "reset":
            # a linger time of zero makes close() send RST instead of FIN
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        if manner.how == "cut":
            self.close_connection = True
        phrase = self.responses.get(reply.status, ("Unknown", ""))[0]
        lines = [f"HTTP/1.1 {reply.status} {phrase}", f"Date: {formatdate(clock.now() // 1000, usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        lines.append(f"Content-Length: {len(reply.body) + manner.pad}")
        if self.close_connection:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        body = b"" if self.command == "HEAD" else reply.body
        if manner.how == "cut":
            self.wfile.write(head + body[: len(body) // 2])
        elif manner.how in ("drip", "drip_headers"):
            at_once = head if manner.how == "drip" else b""
            self.wfile.write(at_once)
            for byte in (head + body)[len(at_once) :]:
                if clock.wait(stopping, manner.pause_ms):
                    return
                self.wfile.write(bytes((byte,)))
        else:
            self.wfile.write(head + body)
            for done in range(0, manner.pad, _PIECE_BYTES):
                self.wfile.write(b" " * min(_PIECE_BYTES, manner.pad - done))
