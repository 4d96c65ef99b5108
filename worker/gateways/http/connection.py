"""One kept connection, as a transport of httpx, which tells of every socket that it opens.

httpx's own transport keeps a pool of connections, which one thread with one connection does not need and which takes
more CPU than the connection itself. It would hand over the socket, too (to the ``trace`` extension of every request).

Here are besides what a library leaves to the peer's good manners: heads are mended before the parser sees them
(head.py), dead addresses are passed by (dialing.py), and a connection on which more came than was asked for is not used
again: what is left over would be the answer to the next task's request.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, cast

import httpcore
import httpx
from httpcore._backends.sync import SyncStream

from worker.gateways.http.dialing import Dialer
from worker.gateways.http.failure import PROXY_UNREACHED
from worker.gateways.http.head import END_OF_HEAD, HEAD_CAP_BYTES, INTERIM, WELL_FORMED, mended

KEPT_S = 50.0  # an idle connection is used again within this time

# Interim answers (100, 103) before the real one. Some servers send one or two.
MOST_INTERIM_ANSWERS = 20

_FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)

Opened = Callable[[socket.socket], None]


class Connection(httpx.BaseTransport):
    """For one thread; ``opened`` hears of each new socket, again when TLS is on it. Raises httpx's errors.

    ``given_up`` tells, while an address is still being connected to, whether to stop.
    A request's extension ``target`` (bytes) takes the place of its URL's path and query.
    Of a redirect, ``Location`` is left out: httpx.Client reads it even where it follows none, and raises where it is
    no URL.
    """

    def __init__(self, tls: ssl.SSLContext, proxy: str | None, opened: Opened, given_up: Callable[[], bool]) -> None:
        self._tls = tls
        self._backend = _Backend(opened, given_up, to_proxy=proxy is not None)
        self._proxy = None if proxy is None else _proxy(proxy, tls, self._backend)
        self._kept: tuple[httpcore.Origin, httpcore.ConnectionInterface] | None = None

    def close(self) -> None:
        """End the connection. The next request opens another."""
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        target = request.extensions.get("target", url.raw_path)
        asked = httpcore.Request(
            request.method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=target),
            headers=request.headers.raw,
            # Of an empty body httpx makes one empty part, and each part costs as much as a header.
            content=() if request.method == "GET" else cast(Iterable[bytes], request.stream),
            extensions={"timeout": request.extensions["timeout"]},
        )
        try:
            answer = self._connection(asked.url.origin).handle_request(asked)
        except _FAILURES as error:
            _fail(error)
        headers = answer.headers
        if 300 <= answer.status < 400:
            headers = [(name, value) for name, value in headers if name.lower() != b"location"]
        return httpx.Response(
            answer.status, headers=headers, stream=_ResponseBody(cast(Iterable[bytes], answer.stream))
        )

    def _connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
        """The one there is, if it leads there and still can be used."""
        if self._kept is not None:
            leads_to, kept = self._kept
            if leads_to == origin and kept.is_available() and not kept.has_expired() and not _left_over(kept):
                return kept
            self.close()
        connection = self._new(origin)
        self._kept = origin, connection
        return connection

    def _new(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
        if self._proxy is not None:
            # Not its pool: that one counts a tunnel in which TLS failed as in use for ever, and would be full then.
            return self._proxy.create_connection(origin)
        return httpcore.HTTPConnection(origin, self._tls, KEPT_S, network_backend=self._backend)


class _ResponseBody(httpx.SyncByteStream):
    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except _FAILURES as error:
            _fail(error)

    def close(self) -> None:
        self._stream.close()  # type: ignore[attr-defined]


def _fail(error: Exception) -> NoReturn:
    """httpx has the same errors under the same names."""
    raise getattr(httpx, type(error).__name__)(str(error)) from error


def _proxy(address: str, tls: ssl.SSLContext, backend: httpcore.NetworkBackend) -> httpcore.HTTPProxy:
    proxy = httpx.Proxy(address)
    url = proxy.url
    return httpcore.HTTPProxy(
        proxy_url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
        proxy_auth=proxy.raw_auth,
        proxy_headers=proxy.headers.raw,
        ssl_context=tls,
        proxy_ssl_context=tls if url.scheme == "https" else None,
        keepalive_expiry=KEPT_S,
        network_backend=backend,
    )


def _left_over(connection: Any) -> bool:
    """Whether bytes came after the last answer, with it. (What came later is seen by ``has_expired``.)"""
    while hasattr(connection, "_connection"):  # a tunnel or an origin, around the connection itself
        connection = connection._connection
    return bool(connection._h11_state.trailing_data[0])


class _Backend(httpcore.SyncBackend):
    def __init__(self, opened: Opened, given_up: Callable[[], bool], *, to_proxy: bool) -> None:
        self.opened = opened
        self._to_proxy = to_proxy
        self._dialer = Dialer(given_up)

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: object, **__: object
    ) -> httpcore.NetworkStream:
        try:
            made = self._dialer.dial(host, port, 3600 if timeout is None else timeout)
        except OSError as error:
            if self._to_proxy:
                raise httpcore.ProxyError(PROXY_UNREACHED) from error
            if not isinstance(error, TimeoutError):
                raise httpcore.ConnectError(str(error)) from error
            raise httpcore.ConnectTimeout(str(error)) from error
        return _Stream(SyncStream(made), self.opened)


class _Stream(httpcore.NetworkStream):
    """A stream of httpcore's; the head of each answer is mended."""

    def __init__(self, stream: httpcore.NetworkStream, opened: Opened) -> None:
        self._stream = stream
        self._opened = opened
        self._head_due = False
        self._asked = False
        self.close = stream.close  # type: ignore[method-assign]
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]
        opened(stream.get_extra_info("socket"))

    def start_tls(self, *args: Any, **named: Any) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(*args, **named), self._opened)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not self._asked:
            self._asked = True
            self._refuse_a_greeting()
        self._head_due = True
        self._stream.write(buffer, timeout)

    def _refuse_a_greeting(self) -> None:
        """What a peer says before it is asked is no answer. (Under TLS its bytes may be of the handshake.)"""
        sock = self.get_extra_info("socket")
        if not isinstance(sock, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                if sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    raise httpcore.RemoteProtocolError("an answer to no request")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, timeout)
        if self._head_due:
            if WELL_FORMED.match(data) is None:
                return self._mended(bytearray(data), max_bytes, timeout)
            self._head_due = False
        return data

    def _mended(self, data: bytearray, max_bytes: int, timeout: float | None) -> bytes:
        """What has been read, with a whole head at its beginning, mended; without interim answers before it."""
        searched = interim = 0
        while True:
            if data.startswith((b"\r", b"\n")):
                data, searched = data.lstrip(b"\r\n"), 0  # some send an empty line first
            end = END_OF_HEAD.search(data, max(0, searched - 2))
            searched = len(data)
            if end is not None and INTERIM.match(data):
                interim += 1
                if interim > MOST_INTERIM_ANSWERS:
                    raise httpcore.RemoteProtocolError("interim answers without end")
                del data[: end.end()]
                searched = 0
            elif end is not None and end.end() <= HEAD_CAP_BYTES:
                self._head_due = False
                head = bytes(data[: end.end()])
                return (head if WELL_FORMED.fullmatch(head) else mended(head)) + data[end.end() :]
            else:
                more = self._stream.read(max_bytes, timeout) if len(data) <= HEAD_CAP_BYTES else b""
                if not more and len(data) > HEAD_CAP_BYTES:
                    raise httpcore.RemoteProtocolError("a head without end")
                if not more:
                    return bytes(data)  # cut short: the parser says so
                data += more
