"""How the simulated vendor calls the customer: a token, then the delivery, each one request on a connection of its own.

Every try has a deadline, and a stop ends it at once, however the other side behaves.
"""

import base64
import contextlib
import http.client
import io
import json
import math
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from sandbox.callback.deliveries import STOPPED, Delivery, Message
from sandbox.callback.target import Target
from worker.clock import Clock
from worker.core.instant import FAR

MOST_ANSWER_BYTES = 65_536
PIECES = 20
_PAD_BYTES = 65_536


class CallFailed(Exception):
    """No answer could be heard; the message is the outcome of the try, in words."""


class Caller:
    """Makes single tries, from several threads at once. The token is kept until it expires or a delivery is answered
    with 401."""

    def __init__(self, clock: Clock, deadline_ms: int) -> None:
        self._clock, self._deadline_ms = clock, deadline_ms
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._stopping = threading.Event()
        self._token: tuple[Target, str, int] | None = None  # whose, the token, and when it expires (ms UTC)
        self._asking = threading.Lock()
        self._failed, self._failure = 0, ""  # how often a token could not be had, and why at last

    def start(self) -> None:
        self._stopping.clear()

    def stop(self) -> None:
        """End every try that is under way."""
        with self._guard:
            self._stopping.set()
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def reaches(self, target: Target) -> bool:
        """Whether a connection to the callback URL can be made."""
        try:
            with self._connected(target, target.url):
                return True
        except CallFailed:
            return False

    def call(self, target: Target, delivery: Delivery, message: Message) -> str:
        """One try; the status of its answer, or words for what went wrong."""
        try:
            token = self._token_for(target)
            headers = (("Authorization", f"Bearer {token}"), *message.headers)
            unheard = "callback_unheard" in (delivery.marks or {}) and not delivery.tries
            status, _ = self._post(target, delivery.url, headers, message)
        except CallFailed as failed:
            return STOPPED if self._stopping.is_set() else str(failed)
        if status == 401:
            with self._guard:
                if self._token is not None and self._token[1] == token:
                    self._token = None
        return "no answer" if unheard else str(status)

    def _token_for(self, target: Target) -> str:
        """The token at hand, or a new one. Those who wait while one asks share what comes of it. Raises CallFailed."""
        failed_before = self._failed
        if token := self._held(target):
            return token
        with self._asking:
            if token := self._held(target):
                return token
            if self._failed != failed_before:
                raise CallFailed(self._failure)
            try:
                return self._new_token(target)
            except CallFailed as failed:
                self._failed, self._failure = self._failed + 1, f"token: {failed}"
                raise CallFailed(self._failure) from None

    def _held(self, target: Target) -> str:
        """The token at hand, while it is good; else ``""``."""
        with self._guard:
            held = self._token
        return held[1] if held is not None and held[0] == target and self._clock.now() < held[2] else ""

    def _new_token(self, target: Target) -> str:
        asked = _token_request(target)
        status, body = self._post(target, target.token_url, asked.headers, asked)
        if status != 200:
            raise CallFailed(str(status))
        try:
            answer = json.loads(body)
            token = answer["access_token"]
            life = float(answer.get("expires_in", math.inf))
            if not isinstance(token, str) or not token.isascii() or not token.isprintable() or math.isnan(life):
                raise ValueError
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise CallFailed("unreadable") from None
        expires = FAR if life > FAR / 1000 else self._clock.now() + round(life * 1000)
        with self._guard:
            self._token = (target, token, expires)
        return token

    def _post(
        self, target: Target, url: str, headers: tuple[tuple[str, str], ...], message: Message
    ) -> tuple[int, bytes]:
        """Status and body of an answer. Raises CallFailed."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"POST {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Accept: application/json",
            f"Content-Length: {len(message.body) + message.pad}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in headers),
        ]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        with self._connected(target, url) as sock:
            cut = ""
            try:
                for piece in self._pieces(head, message):
                    sock.sendall(piece)
            except OSError:
                # a refusal may have come before the body was through
                cut = "cut"
            try:
                return self._heard(sock)
            except (OSError, http.client.HTTPException, ValueError) as error:
                late = isinstance(error, TimeoutError)
                raise CallFailed(cut or ("no answer" if late else "no whole answer")) from None

    def _pieces(self, head: bytes, message: Message) -> Iterator[bytes]:
        if not message.pause_ms:
            yield head + message.body
        else:
            yield head
            size = max(1, math.ceil(len(message.body) / PIECES))
            for at in range(0, len(message.body), size):
                if self._clock.wait(self._stopping, message.pause_ms):
                    raise OSError
                yield message.body[at : at + size]
        for done in range(0, message.pad, _PAD_BYTES):
            yield b" " * min(_PAD_BYTES, message.pad - done)

    @contextlib.contextmanager
    def _connected(self, target: Target, url: str) -> Iterator[socket.socket]:
        """A connection that a stop shuts. Raises CallFailed."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        try:
            sock = socket.create_connection((host, port), self._deadline_ms / 1000)
        except OSError:
            raise CallFailed("unreachable") from None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if parts.scheme == "https":
                sock = tls_context(target.authority).wrap_socket(
                    sock, server_hostname=host, do_handshake_on_connect=False
                )
            with self._guard:
                self._open.add(sock)
                if self._stopping.is_set():
                    raise CallFailed(STOPPED)
            if isinstance(sock, ssl.SSLSocket):
                _shake_hands(sock)
            yield sock
        finally:
            with self._guard:
                self._open.discard(sock)
            sock.close()

    def _heard(self, sock: socket.socket) -> tuple[int, bytes]:
        stream = _Timed(sock, self._clock.monotonic, self._clock.monotonic() + self._deadline_ms)
        # HTTPResponse asks a socket for nothing but its stream
        reply = http.client.HTTPResponse(cast("socket.socket", stream), method="POST")
        reply.begin()
        body = reply.read(MOST_ANSWER_BYTES)
        return reply.status, body


class _Timed(io.RawIOBase):
    """Reads off a socket until a moment that does not move, also while bytes trickle in."""

    def __init__(self, sock: socket.socket, monotonic: Callable[[], int], end: int) -> None:
        self._sock, self._monotonic, self._end = sock, monotonic, end

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        left = self._end - self._monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left / 1000)
        return self._sock.recv_into(into)


def _shake_hands(sock: ssl.SSLSocket) -> None:
    """Raises CallFailed."""
    try:
        sock.do_handshake()
    except ssl.SSLCertVerificationError:
        raise CallFailed("certificate not trusted") from None
    except OSError:
        raise CallFailed("no TLS") from None


@lru_cache
def tls_context(authority: str) -> ssl.SSLContext:
    """Trusts the certificates of a file, or with ``""`` the machine's. Raises OSError for a file of other content."""
    context = ssl.create_default_context(cafile=authority or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _token_request(target: Target) -> Message:
    """What is sent to the token endpoint, by generation."""
    fields = {"grant_type": "client_credentials"} | ({"scope": target.scope} if target.scope else {})
    if target.generation == "older":
        fields |= {"client_id": target.client_id, "client_secret": target.client_secret}
        return Message((("Content-Type", "application/json"),), json.dumps(fields).encode())
    pair = base64.b64encode(f"{target.client_id}:{target.client_secret}".encode()).decode()
    return Message(
        (("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", f"Basic {pair}")),
        urlencode(fields).encode(),
    )
