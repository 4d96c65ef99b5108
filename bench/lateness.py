"""How long a task that is due waits to be asked about, where the limit does not bind.

The real round, store and pool, in real time, and the daemon's way of waiting; only the vendor's answer is made up on
the spot. Late is from the due time until a thread begins to ask, so the commit of the claim is in it.
`python -m bench --only lateness`.
"""

import tempfile
import threading
import time
from pathlib import Path

from bench.filling import DELAY_PER_REQUEST_MS, far, fill
from bench.part import Part, at_most, quantile, table
from bench.quiet import Quiet
from worker.clock import Clock
from worker.core.pacing.limiter import RateLimit
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Heard, Pending
from worker.gateways.http.client import HttpClient, tls_context
from worker.gateways.http.pool import Job, Pool
from worker.rounds.poll.poll import PollRound, PollRules
from worker.store.opening import open_store

RATE = 50
THREADS = 16
IDLE_MS = 2_500  # how soon the daemon looks again when nothing is due, with the default cadence


def lateness(path: Path, pending: int, seconds: int) -> list[float]:
    """ms, one for each of the tasks that fall due one by one, 50 a second."""
    clock = Clock()
    begin = clock.now() + 2_000 + pending // 20  # filling takes a while
    many = min(pending, RATE * seconds)
    fill(path, pending, begin, lambda n: begin + n * 1000 // RATE if n < many else far(begin))
    late: list[float] = []

    def ask(_: HttpClient, job: Job) -> Heard:
        if job.seq <= many and not asked[job.seq]:
            asked[job.seq] = True
            late.append(time.time() * 1000 - (begin + (job.seq - 1) * 1000 // RATE))
        return Heard(Pending(Document("pending", name="Default Discovery Task", started_at=begin - 3_600_000)))

    asked = [False] * (many + 1)
    wake = threading.Event()
    tls = tls_context(None)
    with open_store(path, create=True) as store:
        pool = Pool(THREADS, lambda: HttpClient(tls, 1000), ask, wake.set)
        rules = PollRules(Schedule(), RateLimit(1000.0, 100), 30_000, DELAY_PER_REQUEST_MS)
        round_ = PollRound(store, pool, rules, Quiet(), clock.now())
        try:
            while len(late) < many:
                wake.clear()
                next_at = round_.run(clock.now(), clock.monotonic())
                clock.wait(wake, min(IDLE_MS, next_at - clock.now()))
        finally:
            pool.close()
    return late


def part(*, quick: bool) -> Part:
    sizes, seconds = ((2_000,), 1) if quick else ((10_000, 100_000, 1_000_000), 20)
    rows, last = [], 0.0
    for pending in sizes:
        with tempfile.TemporaryDirectory() as folder:
            late = lateness(Path(folder) / "cdpoll.db", pending, seconds)
        last = quantile(late, 0.99)
        rows.append([f"{pending:,}", f"{quantile(late, 0.5):.0f} ms", f"{last:.0f} ms", f"{max(late):.0f} ms"])
    text = table(["pending", "late p50", "p99", "most"], rows)
    text += f"\n\n{RATE} tasks fall due each second for {seconds} s; the limit is 1,000 a second."
    target = at_most(f"lateness among {sizes[-1]:,} pending, p99", last, 1000, "{:.0f} ms")
    headline = f"With {sizes[-1]:,} tasks pending, 99 of 100 polls begin within {last:.0f} ms of their due time."
    return Part("Lateness", "python -m bench --only lateness", text, [target], [headline])
