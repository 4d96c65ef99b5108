"""Pings a monitor: one small POST at a time, each over a connection of its own."""

import threading
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

from worker.core.errors import BadConfiguration
from worker.core.instant import words
from worker.gateways.http.client import HttpClient, HttpFailed, Response, Unusable

PING_TIMEOUT_MS = 5_000

_BODY_CAP_BYTES = 65_536

# With status 200, healthchecks.io says this of an address that no check has.
_UNKNOWN = b"not found"


class Pinger:
    """``url`` is looked up for each ping; ``connect`` makes the client of one ping."""

    def __init__(self, url: Callable[[], str], connect: Callable[[], HttpClient]) -> None:
        self._url = url
        self._connect = connect

    def send(self, path: str, body: str) -> str | None:
        """Ping; ``None``, or why that failed, in words that hold no path: it is a secret."""
        try:
            url = self._url().rstrip("/")
        except BadConfiguration as error:
            return error.message
        host = urlsplit(url).hostname or ""
        with closing(self._connect()) as client:
            # The client's own timeout is for each part of the answer.
            deadline = threading.Timer(PING_TIMEOUT_MS / 1000, client.cut)
            deadline.daemon = True
            deadline.start()
            try:
                headers = {"content-type": "text/plain; charset=utf-8"}
                return _failure(host, client.send("POST", url + path, headers, body.encode(), _BODY_CAP_BYTES))
            except HttpFailed as failed:
                if failed.code == "timeout":
                    return f"{host} did not answer within {words(PING_TIMEOUT_MS)}"
                return f"no whole answer came from {host}: {failed.code}"
            except Unusable as unusable:
                return _failure(host, unusable.response)
            finally:
                deadline.cancel()


def _failure(host: str, response: Response) -> str | None:
    if not 200 <= response.status < 300:
        return f"{host} answered {response.status}"
    return f"{host} knows no check of this address" if _UNKNOWN in response.body else None
