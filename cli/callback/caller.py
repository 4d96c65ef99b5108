"""Requests as the vendor makes them: each over a connection of its own, with a deadline, no redirect followed."""

import base64
import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx

from worker.gateways.http.client import HttpFailed, Unusable, header
from worker.gateways.http.inspection import Handshake, HandshakeClient, InspectingClient

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

# What an endpoint says is short.
_ANSWER_BYTES = 65_536

_NO_HEADERS = httpx.Headers()


class Credentials(NamedTuple):
    """The pair that the vendor is given."""

    client_id: str
    secret: str

    def as_header(self) -> str:
        """As most clients write it: id and secret as they are. Those of cdpoll need no encoding."""
        return "Basic " + base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()


class Said(NamedTuple):
    """What came. ``code`` is empty where an answer came, else why none did (worker/gateways/http/failure.py)."""

    code: str
    status: int = 0
    headers: httpx.Headers = _NO_HEADERS
    body: bytes = b""

    def header(self, name: str) -> str:
        return str(self.headers.get(name, ""))

    def json(self) -> dict[str, Any]:
        """Its body; empty where that is no JSON object."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}


class Caller:
    """``requests`` counts them; ``date`` is the Date of the latest answer. ``step_s``: what each may take in all."""

    def __init__(self, tls: ssl.SSLContext, step_s: float) -> None:
        self.tls, self.step_s = tls, step_s
        self.date: str | None = None
        self._client = InspectingClient(tls, round(step_s * 1000))

    @property
    def requests(self) -> int:
        return self._client.sent

    def close(self) -> None:
        self._client.close()

    def handshake(self, host: str, origin: str) -> Handshake:
        """That of TLS with ``host``; nothing is asked for. Raises HttpFailed."""
        client = HandshakeClient(self.tls, round(self.step_s * 1000))
        with self._bounded(client):
            try:
                return client.handshake(host, origin)
            finally:
                client.close()

    def post(self, url: str, headers: dict[str, str], content: bytes) -> Said:
        return self.ask("POST", url, headers, content)

    def ask(self, method: str, url: str, headers: dict[str, str], content: bytes | None = None) -> Said:
        client = self._client
        client.begin()
        with self._bounded(client):
            try:
                came = client.send(method, url, headers, content, _ANSWER_BYTES)
            except HttpFailed as failed:
                return Said(failed.code)
            except Unusable as unusable:
                return Said(unusable.code, unusable.response.status, unusable.response.headers)
            finally:
                client.forget()
        self.date = header(came, "date") or self.date
        return Said("", came.status, came.headers, came.body)

    @contextlib.contextmanager
    def _bounded(self, client: InspectingClient) -> Iterator[None]:
        timer = threading.Timer(self.step_s, client.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
