"""Callbacks over many connections, alone and beside clients that stall: a real `cdpoll serve callback` on loopback.

Each connection delivers one document after the other, most of them more than once. `python -m bench --only callbacks`.
"""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

from bench import daemon
from bench.part import Part, at_most, quantile, table
from worker.config.callback_keys import CALLBACK_PATH, TOKEN_PATH

CONNECTIONS = 32
STALLED = 64
EACH = 5

WAIT_S = 30.0


def delivered(ids: int, stalled: int) -> list[float]:
    """How long each delivery took to be answered 204, in ms."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "cdpoll.ini"
        with serving(config) as port, stalling(port, stalled):
            took: list[float] = []
            order = [f"task-{n % ids}" for n in range(ids * EACH)]
            works = [
                threading.Thread(target=deliver, args=(port, order[n::CONNECTIONS], took)) for n in range(CONNECTIONS)
            ]
            for work in works:
                work.start()
            for work in works:
                work.join()
            if len(took) != len(order):
                raise RuntimeError(f"{len(took)} of {len(order)} deliveries were answered 204")
            return took


def deliver(port: int, tasks: list[str], took: list[float]) -> None:
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=WAIT_S)) as connection:
        pair = b64encode(b"vendor:hush-hush").decode()
        form = {"Authorization": f"Basic {pair}", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", TOKEN_PATH, b"grant_type=client_credentials", form)
        token = json.loads(connection.getresponse().read())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        for task in tasks:
            document = {"id": task, "status": "failure", "discoveryPaths": {"unsuccessful": [{"name": "Medicare"}]}}
            began = time.perf_counter()
            connection.request("POST", CALLBACK_PATH, json.dumps(document), headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 204:
                took.append((time.perf_counter() - began) * 1000)


@contextlib.contextmanager
def stalling(port: int, count: int) -> Iterator[None]:
    """``count`` clients send half a request and wait, while the block lasts; one that is cut comes again."""
    over = threading.Event()

    def stall() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5) as client:
                client.sendall(f"POST {CALLBACK_PATH} HTTP/1.1\r\nHost: x\r\nContent-".encode())
                while not over.is_set():
                    with contextlib.suppress(TimeoutError):
                        if client.recv(1) == b"":
                            break

    works = [threading.Thread(target=stall) for _ in range(count)]
    for work in works:
        work.start()
    try:
        yield
    finally:
        over.set()
        for work in works:
            work.join()


@contextlib.contextmanager
def serving(config: Path) -> Iterator[int]:
    """`cdpoll serve callback` over a new database, while the block lasts; the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    config.write_text(
        f"[store]\npath = {config.with_name('cdpoll.db')}\n[log]\nlevel = warning\n"
        f"[callback]\nclient_id = vendor\nclient_secret = hush-hush\nlisten = 127.0.0.1:{port}\n"
    )
    config.chmod(0o600)
    cdpoll = [sys.executable, "-m", "cli", "--config", str(config)]
    subprocess.run([*cdpoll, "record", "task-0"], cwd=daemon.ROOT, check=True, capture_output=True)
    process = subprocess.Popen([*cdpoll, "serve", "callback"], cwd=daemon.ROOT, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + WAIT_S
        while not answers(port):
            if time.monotonic() > until or process.poll() is not None:
                raise RuntimeError("cdpoll serve callback does not answer")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), contextlib.closing(HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    return False


def part(*, quick: bool) -> Part:
    ids = 20 if quick else 400
    alone, beside = delivered(ids, 0), delivered(ids, STALLED)
    worst = [quantile(took, 0.99) for took in (alone, beside)]
    rows = [
        [name, f"{quantile(took, 0.5):.0f} ms", f"{quantile(took, 0.99):.0f} ms"]
        for name, took in (("alone", alone), (f"beside {STALLED} clients that stall", beside))
    ]
    return Part(
        "Callbacks",
        "python -m bench --only callbacks",
        f"{ids * EACH:,} deliveries of {ids:,} discoveries over {CONNECTIONS} connections, each answered 204 behind its"
        " commit.\n\n" + table(["deliveries", "median", "99 of 100 within"], rows),
        [
            at_most("99 of 100 deliveries within, beside clients that stall (ms)", worst[1], 500.0, "{:.0f}"),
            at_most("that, times what it is alone", worst[1] / worst[0], 2.0, "{:.2f}"),
        ],
        [
            f"Over {CONNECTIONS} connections 99 of 100 callbacks are answered within {worst[1]:.0f} ms, beside"
            f" {STALLED} clients that stall, too."
        ],
    )
