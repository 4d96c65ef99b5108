"""A vendor that costs as little as possible: one thread, epoll, fixed answers; prints its port.

It answers POST with a token and GET with the pending body of the id asked for, on kept connections. GET /arrivals tells
when each of the other requests came, as seconds on the monotonic clock; GET /callers, how many polls came by each base.
"""

import contextlib
import json
import selectors
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TOKEN = b'{"access_token": "bench", "expires_in": 3600, "token_type": "bearer"}'
BODY = (
    '{"id": "%s", "status": "pending", "name": "Default Discovery Task", "type": "serial",'
    ' "startDateTime": "2026-01-15T12:00:00Z", "discoveryPaths": {"successful": [], "unsuccessful": [], "skipped": [],'
    ' "pending": [{"name": "CoverageInsight"}]}}'
)
ARRIVALS, CALLERS = "/arrivals", "/callers"


@dataclass(frozen=True, slots=True)
class Vendor:
    """One that runs. ``url`` is the base of its API."""

    url: str

    def arrivals(self) -> list[float]:
        """When each request came so far, seconds."""
        with urllib.request.urlopen(self.url + ARRIVALS) as answer:  # noqa: S310 - loopback
            return [float(at) for at in json.load(answer)]

    def callers(self) -> dict[str, int]:
        """How many polls came so far, by the path of the base URL that they came by."""
        with urllib.request.urlopen(self.url + CALLERS) as answer:  # noqa: S310 - loopback
            return dict(json.load(answer))


@contextlib.contextmanager
def running() -> Iterator[Vendor]:
    """A vendor in a process of its own."""
    command = [sys.executable, "-m", "bench.vendor"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    assert process.stdout is not None
    with process.stdout as port:
        try:
            yield Vendor(f"http://127.0.0.1:{int(port.readline())}/rcm/eligibility/v1")
        finally:
            process.terminate()
            process.wait()


def answer(request: bytes, arrivals: list[float], callers: Counter[str]) -> bytes:
    line = request[: request.index(b"\r\n")].decode()
    path = line.split()[1]
    if path.endswith(ARRIVALS):
        body = json.dumps(arrivals).encode()
    elif path.endswith(CALLERS):
        body = json.dumps(callers).encode()
    else:
        arrivals.append(time.monotonic())
        if line.startswith("GET"):
            callers[path.rpartition("/coverage-discovery/")[0]] += 1
        body = TOKEN if line.startswith("POST") else (BODY % path.rpartition("/")[2]).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def serve() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    pending: dict[socket.socket, bytes] = {}
    arrivals: list[float] = []
    callers: Counter[str] = Counter()
    while True:
        for key, _ in waiting.select():
            peer = key.fileobj
            assert isinstance(peer, socket.socket)
            if peer is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                waiting.register(connection, selectors.EVENT_READ)
                pending[connection] = b""
                continue
            try:
                data = peer.recv(65536)
            except OSError:
                data = b""
            if not data:
                waiting.unregister(peer)
                del pending[peer]
                peer.close()
                continue
            request = pending[peer] + data
            head, end, rest = request.partition(b"\r\n\r\n")
            # A POST's body comes with its head or right after; its length does not matter for the answer.
            if end and (not head.startswith(b"POST") or rest):
                pending[peer] = b""
                peer.sendall(answer(request, arrivals, callers))
            else:
                pending[peer] = request


if __name__ == "__main__":
    serve()
