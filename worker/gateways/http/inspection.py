"""A client that also remembers what a person wants to know of the way to a server: each TLS handshake, and the Date of
the latest answer."""

import contextlib
import socket
import ssl
from typing import Any, NamedTuple

from worker.gateways.http.client import BODY_CAP_BYTES, HttpClient, Response, header


class Handshake(NamedTuple):
    """``host`` is whose certificate was checked; ``expires_at`` (ms) is of that certificate."""

    host: str
    version: str
    cipher: str
    issuer: str
    expires_at: int | None


class InspectingClient(HttpClient):
    """See the module. For one thread, like its base."""

    def __init__(self, tls: ssl.SSLContext, timeout: int, proxy: str | None = None) -> None:
        super().__init__(tls, timeout, proxy)
        self.handshakes: list[Handshake] = []
        self.date: str | None = None

    def send(
        self, method: str, url: str, headers: dict[str, str], content: bytes | None = None, cap: int = BODY_CAP_BYTES
    ) -> Response:
        self.date = None
        response = super().send(method, url, headers, content, cap)
        self.date = header(response, "date")
        return response

    def _opened(self, opened: socket.socket) -> None:
        super()._opened(opened)
        if isinstance(opened, ssl.SSLSocket):
            self.handshakes.append(_handshake(opened))


class _Agreed(Exception):
    """TLS is agreed on, and nothing is to be sent."""


class HandshakeClient(InspectingClient):
    """Sees the TLS of a host, through a proxy too, and sends no request there."""

    def handshake(self, host: str, origin: str) -> Handshake:
        """That with ``host``. Raises HttpFailed."""
        self._host = host
        with contextlib.suppress(_Agreed):
            self.send("GET", f"{origin}/", {})
        return self.handshakes[-1]

    def _opened(self, opened: socket.socket) -> None:
        super()._opened(opened)
        if isinstance(opened, ssl.SSLSocket) and opened.server_hostname == self._host:
            raise _Agreed


def _handshake(sock: ssl.SSLSocket) -> Handshake:
    shown: dict[str, Any] = sock.getpeercert() or {}
    expires = shown.get("notAfter")
    issuer = {name: value for part in shown.get("issuer", ()) for name, value in part}
    cipher = sock.cipher()
    return Handshake(
        str(sock.server_hostname or ""),
        sock.version() or "",
        "" if cipher is None else cipher[0],
        str(issuer.get("commonName") or issuer.get("organizationName") or ""),
        None if expires is None else int(ssl.cert_time_to_seconds(expires)) * 1000,
    )
