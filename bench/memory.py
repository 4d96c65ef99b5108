"""The memory of the daemon by the number of pending tasks.

A fresh daemon for each size, once with a thousand tasks due and once with all of them. It is measured when it has made
a number of polls and saved them, at its peak (VmHWM). `python -m bench --only memory`.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import daemon, vendor
from bench.filling import far, fill
from bench.part import Part, at_most, table
from worker.clock import Clock


def peak(pending: int, due: int, polls: int) -> float:
    """MiB."""
    now = Clock().now()
    with tempfile.TemporaryDirectory() as name, vendor.running() as there:
        folder = Path(name)
        fill(folder / "cdpoll.db", pending, now, lambda n: now - 60_000 + n % 60_000 if n < due else far(now))
        config = daemon.configure(folder, there.url, "requests_per_second = 10000\nburst = 10000\nmax_in_flight = 4")
        with daemon.running(config) as cdpoll:
            cdpoll.wait_for(lambda: len(there.arrivals()) >= polls)
            return cdpoll.peak()


def part(*, quick: bool) -> Part:
    sizes, polls = ((1_000, 2_000), 50) if quick else ((1_000, 100_000, 1_000_000), 900)
    kinds: list[Callable[[int], int]] = [lambda _pending: 1_000, lambda pending: pending]
    peaks = {(n, kind): peak(n, due(n), polls) for n in sizes for kind, due in enumerate(kinds[: 1 if quick else 2])}
    rows = [[f"{n:,}", *(f"{got:.1f} MiB" for (size, _), got in peaks.items() if size == n)] for n in sizes]
    heads = ["pending", "1,000 of them due", "all of them due"]
    text = table(heads[: len(rows[0])], rows) + f"\n\nPeak of a fresh daemon that has made {polls} polls."
    growth = max(got - peaks[sizes[0], kind] for (n, kind), got in peaks.items() if n == sizes[-1])
    target = at_most(f"growth from {sizes[0]:,} to {sizes[-1]:,} pending", growth, 50, "{:.1f} MiB")
    headline = f"From {sizes[0]:,} to {sizes[-1]:,} pending tasks the daemon's memory grows by {growth:.1f} MiB."
    return Part("Memory", "python -m bench --only memory", text, [target], [headline])
