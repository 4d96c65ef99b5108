"""A small server on loopback that answers with the bytes that a test's script decides on, well-formed or not.

A script is called for each request, with what was asked and with the connection it came on; the bytes it returns are
sent. ``None`` means that the script has done all the sending itself. The connection stays open for the next request
until the script, the client or the end of the test closes it. Nothing here sleeps: what is slow waits on the event
that the end of the test sets.
"""

import contextlib
import itertools
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import pytest

from worker.gateways.http.client import HttpClient, HttpFailed, Response, Unusable


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came; header names in lower case, ``connection`` counts from 0."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    @property
    def id(self) -> str:
        """Of the task that was asked for."""
        return self.target.rpartition("/")[2]

    def header(self, name: str) -> str | None:
        """The values of one header, or ``None``."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None


Script = Callable[["Asked", "Peer"], bytes | None]


class Gone(Exception):
    """The other side went away, or the test is over."""


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, number: int, over: threading.Event) -> None:
        self.sock = sock
        self.number = number
        self._over = over

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except (OSError, ValueError):
            raise Gone from None

    def drip(self, data: bytes, every: float = 0.01) -> None:
        """One byte at a time, for as long as the other side listens."""
        for byte in data:
            self.send(bytes([byte]))
            if self._over.wait(every):
                raise Gone

    def hold(self) -> NoReturn:
        """Say nothing until the other side goes away or the test is over."""
        with contextlib.suppress(OSError, ValueError):
            while not self._over.is_set() and self.sock.recv(65536):
                pass
        raise Gone

    def reset(self) -> NoReturn:
        """End the connection with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raise Gone

    def close(self) -> NoReturn:
        """End the connection with a FIN and, under TLS, without a farewell."""
        raise Gone


def answer(status: int = 200, body: bytes = b"", *headers: str) -> bytes:
    """A whole answer with its Content-Length."""
    return head(status, f"content-length: {len(body)}", *headers) + body


def head(status: int, *headers: str) -> bytes:
    """Status line and headers, up to and with the empty line."""
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status} Whatever", *headers, "")).encode()


def bomb(prefix: bytes = b"", size: int = 400 * 1024 * 1024) -> bytes:
    """Gzip of ``prefix`` and ``size`` blanks, with a wrong checksum: a reader has to stop before it."""
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    begun = pack.compress(prefix) + pack.flush(zlib.Z_FULL_FLUSH)
    # After a full flush a megabyte packs to the same bytes each time.
    megabyte = pack.compress(b" " * 1024 * 1024) + pack.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + begun + megabyte * (size // 1024 // 1024) + pack.flush() + b"\0" * 8


class Loopback:
    """The server; a context manager. ``greet``, if given, is called for each connection before anything is read."""

    def __init__(
        self,
        script: Script,
        *,
        tls: ssl.SSLContext | None = None,
        greet: Callable[[Peer], None] | None = None,
    ) -> None:
        self._script = script
        self._tls = tls
        self._greet = greet
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._socks: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self.asked: list[Asked] = []
        self.connections = 0

    def __enter__(self) -> "Loopback":
        self._start(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        # Closing alone does not wake a thread that sits in accept() or recv().
        for sock in (self._listener, *self._socks):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a thread of the test's server did not end"
        self._listener.close()

    def count(self, fragment: str) -> int:
        """How many requests had ``fragment`` in their target."""
        return sum(fragment in asked.target for asked in self.asked)

    def _start(self, call: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=call, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        for number in itertools.count():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, sock, number)

    def _serve(self, sock: socket.socket, number: int) -> None:
        # A test cut short never leaves a thread behind for ever.
        sock.settimeout(20)
        with self._lock:
            self._socks.add(sock)
        try:
            if self._tls is not None:
                with self._lock:
                    self._socks.discard(sock)
                    sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                    self._socks.add(sock)
                sock.do_handshake()
            self._converse(Peer(sock, number, self._over))
        except (Gone, OSError):
            pass
        finally:
            with self._lock:
                self._socks.discard(sock)
            sock.close()

    def _converse(self, peer: Peer) -> None:
        if self._greet is not None:
            self._greet(peer)
        with peer.sock.makefile("rb") as stream:
            while not self._over.is_set():
                asked = _read(stream, peer.number)
                if asked is None:
                    return
                with self._lock:
                    self.asked.append(asked)
                said = self._script(asked, peer)
                if said is not None:
                    peer.send(said)


def _read(stream: BinaryIO, connection: int) -> Asked | None:
    line = stream.readline()
    if not line:
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = []
    while (field := stream.readline().decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = field.partition(":")
        headers.append((name.lower(), value.strip()))
    length = int(dict(headers).get("content-length", "0"))
    return Asked(method, target, tuple(headers), stream.read(length), connection)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-made certificate for 127.0.0.1 and localhost; it is its own authority."""

    cert: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        """What a server needs to show it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


def make_certificate(folder: Path, names: str = "IP:127.0.0.1,DNS:localhost") -> Certificate:
    """Made anew for each run, so that none ever expires in the repository."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.fail("the openssl command is not installed, and these tests make their certificates with it")
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(made.key), "-out", str(made.cert), "-days", "2", "-subj", "/CN=cdpoll test"]
    command += ["-addext", f"subjectAltName={names}"]
    subprocess.run(command, check=True, capture_output=True)
    return made


def raising(error: Exception) -> Callable[..., NoReturn]:
    """What stands in for a function that fails."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


@contextlib.contextmanager
def closed_port() -> Iterator[str]:
    """The address of a port that this process holds, and on which no server listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """The port of a listener that accepts no connection: its queue is full, and no further SYN is answered."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]


# How the client is tested against it.

# What no test waits for: a failure that depends on this timeout is a test that hangs.
LONG = 20_000

Serve = Callable[..., Loopback]
MakeClient = Callable[..., HttpClient]


def always(data: bytes) -> Script:
    return lambda asked, peer: data


def get(client: HttpClient, url: str) -> Response:
    return client.send("GET", url, {"authorization": "Bearer t"})


def code_of(call: Callable[[], object], kind: type[HttpFailed] | type[Unusable] = HttpFailed) -> str:
    try:
        call()
    except (HttpFailed, Unusable) as error:
        assert type(error) is kind  # noqa: PT017 - there is no common class to wait for
        return error.code
    pytest.fail("this should have failed")
