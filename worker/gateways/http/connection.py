"""One kept connection, as a transport of httpx, which tells of every socket that it opens.

httpx's own transport keeps a pool of connections, which one thread with one connection does not need and which takes
more CPU than the connection itself. It would hand over the socket, too (to the ``trace`` extension of every request).
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, cast

import httpcore
import httpx

KEPT_S = 50.0  # an idle connection is used again within this time

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

    A request's extension ``target`` (bytes) takes the place of its URL's path and query.
    Of a redirect, ``Location`` is left out: httpx.Client reads it even where it follows none, and raises where it is
    no URL.
    """

    def __init__(self, tls: ssl.SSLContext, proxy: str | None, opened: Opened) -> None:
        self._tls = tls
        self._backend = _WatchedBackend(opened)
        self._proxy = None if proxy is None else _proxy(proxy, tls, self._backend)
        self._kept: tuple[httpcore.Origin, httpcore.ConnectionInterface] | None = None

    def close(self) -> None:
        if self._kept is not None:
            self._kept[1].close()

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
        connection, reads = self._connection(asked.url.origin), self._backend.reads
        try:
            answer = connection.handle_request(asked)
        except _FAILURES as error:
            _fail(error)
        if self._backend.reads == reads:
            # Nothing was read after the request: these bytes came with the answer before, and answer nothing.
            connection.close()
            raise httpx.RemoteProtocolError("an answer to no request")
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
            if leads_to == origin and kept.is_available() and not kept.has_expired():
                return kept
            kept.close()
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


class _WatchedBackend(httpcore.SyncBackend):
    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.reads = 0  # from all its streams, ever

    def connect_tcp(self, *args: Any, **named: Any) -> httpcore.NetworkStream:
        return _WatchedStream(super().connect_tcp(*args, **named), self)


class _WatchedStream(httpcore.NetworkStream):
    """A stream of httpcore's, as it is, whose reads are counted."""

    def __init__(self, stream: httpcore.NetworkStream, backend: _WatchedBackend) -> None:
        self._stream = stream
        self._backend = backend
        self.write = stream.write  # type: ignore[method-assign]
        self.close = stream.close  # type: ignore[method-assign]
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]
        backend.opened(stream.get_extra_info("socket"))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._backend.reads += 1
        return self._stream.read(max_bytes, timeout)

    def start_tls(self, *args: Any, **named: Any) -> httpcore.NetworkStream:
        return _WatchedStream(self._stream.start_tls(*args, **named), self._backend)
