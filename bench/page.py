"""The status page and the metrics by the number of pending tasks: a real daemon beside, and HTTP on loopback.

A fresh daemon and a fresh `cdpoll serve local` for each size; each path is asked for in turn, one request after the
other. `python -m bench --only page`.
"""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

from bench import daemon, vendor
from bench.filling import far, fill
from bench.part import Part, at_most, quantile, table
from worker.clock import Clock

PATHS = ("/", "/metrics")


def asked(pending: int, times: int) -> dict[str, list[float]]:
    """How long each path took, in ms."""
    now = Clock().now()
    with tempfile.TemporaryDirectory() as name, vendor.running() as there:
        folder = Path(name)
        fill(folder / "cdpoll.db", pending, now, lambda _: far(now))
        config = daemon.configure(folder, there.url, "requests_per_second = 1")
        with daemon.running(config) as cdpoll, served(config, cdpoll.wait_for) as port:
            cdpoll.wait_for((folder / "cdpoll.db.summary.json").exists)
            took: dict[str, list[float]] = {path: [] for path in PATHS}
            for _ in range(times):
                for path in PATHS:
                    began = time.perf_counter()
                    get(port, path)
                    took[path].append((time.perf_counter() - began) * 1000)
            return took


def get(port: int, path: str) -> None:
    with contextlib.closing(HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")


@contextlib.contextmanager
def served(config: Path, wait_for: Callable[[Callable[[], bool]], None]) -> Iterator[int]:
    """`cdpoll serve local` while the block lasts; the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with config.open("a") as file:
        file.write(f"[local]\nlisten = 127.0.0.1:{port}\n")

    def answers() -> bool:
        with contextlib.suppress(OSError):
            get(port, "/healthz")
            return True
        return False

    line = [sys.executable, "-m", "cli", "--config", str(config), "serve", "local"]
    process = subprocess.Popen(line, cwd=daemon.ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_for(answers)
        yield port
    finally:
        process.terminate()
        process.wait()


def part(*, quick: bool) -> Part:
    sizes, times = ((1_000, 2_000), 5) if quick else ((1_000, 100_000, 1_000_000), 200)
    took = {size: asked(size, times) for size in sizes}
    rows = [
        [f"{size:,}", *(f"{quantile(took[size][path], share):.1f} ms" for path in PATHS for share in (0.5, 0.99))]
        for size in sizes
    ]
    heads = ["pending", *(f"`{path}` {share}" for path in PATHS for share in ("p50", "p99"))]
    text = table(heads, rows) + f"\n\n{times} requests of each path, with a living daemon."
    page, metrics = (quantile(took[sizes[-1]][path], 0.5) for path in PATHS)
    growth = page / quantile(took[sizes[0]]["/"], 0.5)
    targets = [
        at_most(f"the page with {sizes[-1]:,} pending tasks, median", page, 50, "{:.1f} ms"),
        at_most(f"the metrics with {sizes[-1]:,} pending tasks, median", metrics, 50, "{:.1f} ms"),
        at_most(f"the page with {sizes[-1]:,} tasks, times what it takes with {sizes[0]:,}", growth, 2),
    ]
    headline = f"With {sizes[-1]:,} pending tasks the status page takes {page:.1f} ms, and a scrape {metrics:.1f} ms."
    return Part("The status page and the metrics", "python -m bench --only page", text, targets, [headline])
