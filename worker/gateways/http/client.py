"""One thread's httpx.Client: one kept connection, no redirects, no environment, no cookies.

What it adds to httpx: a body cap that also holds for what a compressed body unpacks to, a request that another thread
can end (httpx's read timeout is per chunk, so a slow drip never meets it), and failures as one exception with a stable
code.
"""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpx

from worker import __version__
from worker.core.errors import BadConfiguration
from worker.core.vendor.reply import HttpAnswer
from worker.files import open_regular
from worker.gateways.http.coding import BadBody, unpacked
from worker.gateways.http.connection import Connection
from worker.gateways.http.failure import Socket, code_of
from worker.ownership import obstacle

# Real bodies have some ten paths with a 271 of a few KB each. Unpacked, JSON can take thirty times its size in memory.
BODY_CAP_BYTES = 4 * 1024 * 1024

LONGEST_CONNECT_MS = 10_000

_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "identity",
    "user-agent": f"cdpoll/{__version__}",
}


class HttpFailed(Exception):
    """No whole answer came. ``code``: see worker/gateways/http/failure.py."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; header names in lower case, the body unpacked (empty where an error's could not be)."""

    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of a POST that is made once. ``response``: the answer as far as it came, ``None`` where not even its
    head did; ``failure``: the code of what ended it, empty where it is whole; ``sent``: a part of the body went out."""

    response: Response | None
    failure: str
    sent: bool


class Unusable(Exception):
    """A 2xx came whose body is not worth reading. ``code``: too_large or encoding; ``response`` has no body."""

    def __init__(self, code: str, response: Response) -> None:
        super().__init__(code)
        self.code = code
        self.response = response


def _never() -> bool:
    return False


def _keep_none(response: httpx.Response) -> None:
    """In place of reading the cookies of an answer."""


def tls_context(ca_file: str | None, key: str = "[api] ca_file") -> ssl.SSLContext:
    """One verified context for all clients: TLS 1.2 or later, the system's authorities or ``ca_file``'s.

    ``key`` is where that file is named. Raises BadConfiguration when it cannot be used.
    """
    # Not create_default_context: it writes the session keys to the file that $SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = Socket
    # An intermediate certificate in ca_file is trusted as it is: it mends a peer that sends its own certificate alone.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if ca_file is None:
        context.load_default_certs()
    else:
        try:
            open_regular(Path(ca_file)).close()  # a pipe would make OpenSSL wait
            context.load_verify_locations(ca_file)
        except OSError as error:  # an SSLError is one, too
            reason = "holds no PEM certificate" if isinstance(error, ssl.SSLError) else str(error.strerror).lower()
            hint = "name a PEM file that this user can read"
            if isinstance(error, PermissionError) and (found := obstacle(Path(ca_file), write=False)):
                hint = f"{found.words}: {found.cure}"
            raise BadConfiguration(f"{key}: {ca_file}: {reason}", hint) from None
    return context


class HttpClient:
    """One kept connection. One thread sends; any other thread may :meth:`cut`."""

    def __init__(self, tls: ssl.SSLContext, timeout: int, proxy: str | None = None) -> None:
        """``timeout``: ms without a byte (the caller of :meth:`cut` bounds the whole request)."""
        self._connection = Connection(tls, proxy, self._opened, lambda: self._cut)
        self._client = httpx.Client(
            transport=self._connection,
            headers=_HEADERS,
            timeout=httpx.Timeout(timeout / 1000, connect=min(timeout, LONGEST_CONNECT_MS) / 1000),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            follow_redirects=False,
            trust_env=False,
        )
        # None is kept in any case; to look for them in each answer took a seventh of the request's CPU.
        self._client.cookies.extract_cookies = _keep_none  # type: ignore[method-assign]
        del self._client.headers["connection"]  # HTTP/1.1 keeps connections by default
        self._last: tuple[str, dict[str, str], httpx.Request] = ("", {}, httpx.Request("GET", ""))
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._connected = False
        self._cut = False
        self._over: Callable[[], bool] = _never
        self.sent = 0  # requests, ever

    def close(self) -> None:
        self._client.close()

    @property
    def was_kept(self) -> bool:
        """Whether the last answer came over a connection that had carried others."""
        return not self._connected

    def forget(self) -> None:
        """End the kept connection."""
        self._connection.close()

    def begin(self, over: Callable[[], bool] = _never) -> None:
        """A new piece of work begins: an earlier cut is over. ``over`` tells whether it is too late to send anything:
        a process that was stopped for long goes on in the middle of it, before any other thread can cut it."""
        with self._lock:
            self._cut, self._over = False, over

    def cut(self) -> None:
        """End the request under way, and any other until :meth:`begin`. Does not wait for the peer."""
        with self._lock:
            self._cut = True
            self._shut()

    def _request(self, method: str, url: str, headers: dict[str, str], content: bytes | None) -> httpx.Request:
        """Origin and headers of a GET are parsed once, not for every poll: that halves what httpx.Client costs."""
        place = url.find("/", url.find("://") + 3)
        if method != "GET" or place < 0 or not url.isascii():
            return self._client.build_request(method, url, headers=headers, content=content)
        origin, own, request = self._last
        if origin != url[:place] or own != headers:
            request = self._client.build_request(method, url[:place], headers=headers)
            self._last = url[:place], headers, request
        request.extensions["target"] = url[place:].encode("ascii")
        return request

    def _shut(self) -> None:
        if self._socket is not None:
            # Not SSLSocket.shutdown: it drops the TLS object while the other thread reads from it.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _opened(self, opened: socket.socket) -> None:
        with self._lock:
            self._connected = True
            self._socket = opened
            if self._cut:
                self._shut()

    def send(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None = None, cap: int = BODY_CAP_BYTES
    ) -> Response:
        """One request; ``cap``: the most bytes of its body. Raises :class:`HttpFailed` or :class:`Unusable`."""
        self._connected = False
        try:
            return self._send(method, url, headers, content, cap)
        except HttpFailed as failed:
            # A kept connection that the peer had closed meanwhile, or on which it had said more than it announced:
            # a GET may simply be asked again, once.
            if method != "GET" or failed.code not in ("cut", "protocol") or self._connected or self._cut:
                raise
        return self._send(method, url, headers, content, cap)

    def _send(self, method: str, url: str, headers: dict[str, str], content: bytes | None, cap: int) -> Response:
        if self._cut or self._over():
            raise HttpFailed("timeout")
        self.sent += 1
        try:
            request = self._request(method, url, headers, content)
            with contextlib.closing(self._client.send(request, stream=True)) as response:
                answer = _read(response, cap)
                if self._cut and not _has_length(response):
                    # A body without a length ends with the connection, and here we ended the connection.
                    raise HttpFailed("timeout")
                return answer
        except httpx.HTTPError as error:
            raise HttpFailed("timeout" if self._cut else code_of(error)) from None
        except httpx.InvalidURL:
            raise HttpFailed("protocol") from None

    def post_once(self, url: str, headers: dict[str, str], content: bytes, cap: int = BODY_CAP_BYTES) -> Posted:
        """One POST that is never repeated, over a new connection: a kept one may be closed already, and it would not be
        known whether the peer has read the request. What has come when the answer is cut is handed back. Never raises.
        """
        self.forget()
        sent = False

        def body() -> Iterator[bytes]:
            nonlocal sent
            sent = True  # the head has gone out
            yield content

        if self._cut:
            return Posted(None, "timeout", sent)
        self.sent += 1
        response, parts, failure = None, bytearray(), ""
        try:
            length = {"content-length": str(len(content))}
            request = self._client.build_request("POST", url, headers={**headers, **length}, content=body())
            with contextlib.closing(self._client.send(request, stream=True)) as response:
                _collect(response, cap, parts)
        except httpx.HTTPError as error:
            failure = "timeout" if self._cut else code_of(error)
        except BadBody as error:
            failure = str(error)
        if self._cut and response is not None and not _has_length(response):
            failure = "timeout"
        if response is None:
            return Posted(None, failure, sent)
        head = Response(response.status_code, response.headers, bytes(parts))
        try:
            return Posted(replace(head, body=unpacked(head.body, header(head, "content-encoding"), cap)), failure, sent)
        except BadBody as error:
            return Posted(replace(head, body=b""), failure or str(error), sent)


def _has_length(response: httpx.Response) -> bool:
    return not {"content-length", "transfer-encoding"}.isdisjoint(response.headers.keys())


def _read(response: httpx.Response, cap: int) -> Response:
    bodiless = Response(response.status_code, response.headers, b"")
    try:
        return replace(bodiless, body=unpacked(_capped(response, cap), header(bodiless, "content-encoding"), cap))
    except BadBody as error:
        if 200 <= bodiless.status < 300:
            raise Unusable(str(error), bodiless) from None
        return bodiless  # the status says enough


def _capped(response: httpx.Response, cap: int) -> bytes:
    parts = bytearray()
    _collect(response, cap, parts)
    return bytes(parts)


def _collect(response: httpx.Response, cap: int, parts: bytearray) -> None:
    assert isinstance(response.stream, httpx.SyncByteStream)
    for part in response.stream:
        parts += part
        if len(parts) > cap:
            raise BadBody("too_large")


def header(response: Response, name: str) -> str | None:
    """The value of one header, or ``None``. Equal ones count once; what is no printable text is dropped."""
    values = response.headers.get_list(name)
    if not values:
        return None
    value = values[0] if len(values) == 1 else ", ".join(dict.fromkeys(values))
    return value if re.fullmatch(r"[\x20-\x7e]{1,512}", value) else None


def answer_of(response: Response) -> HttpAnswer:
    """What the core reads of an answer."""
    return HttpAnswer(
        status=response.status,
        body=response.body,
        retry_after=header(response, "retry-after"),
        date=header(response, "date"),
        tenant_id=header(response, "x-optum-tenant-id"),
        trace_id=header(response, "x-optum-trace-id"),
    )
