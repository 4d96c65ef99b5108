"""Daemons on a PostgreSQL server: one beside SQLite, near and far away, and four that share one limit.

The server is the bench's own, with fsync; it listens on a socket, and ``far`` it is behind a proxy that holds what it
passes on for a millisecond in each direction, as a network between two sites does. The polls of the whole daemon are
counted as in bench/throughput.py; there the HTTP requests of this machine are the limit, whatever the database. So the
rounds are counted alone as well: they claim, hear and save, and each answer is there at once.
`python -m bench --only servers`.
"""

import argparse
import asyncio
import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from bench import daemon, vendor
from bench.filling import DELAY_PER_REQUEST_MS
from bench.limit import BURST, SETTLING_S, Used, used_of
from bench.part import Part, Target, at_least, table
from bench.quiet import Quiet
from bench.throughput import Spent, timed
from cli.demo.postgresql import DemoServer
from worker.clock import Clock
from worker.config import load
from worker.core.intake.intake import Recording
from worker.core.pacing.limiter import RateLimit
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Heard, Pending
from worker.gateways.http.pool import Done, Job, Pool
from worker.rounds.poll.poll import PollRound, PollRules
from worker.store.opening import open_store
from worker.store.state import api
from worker.store.tasks.recording import record

THREADS = 16
HELD_S = 0.001  # in each direction
DAEMONS = 4


PENDING = Pending(Document("pending", name="Default Discovery Task"))


class Answered(Pool):
    """A pool without threads: each answer is there at once."""

    def __init__(self) -> None:
        super().__init__(0, lambda: NotImplemented, lambda *_: Heard(PENDING), lambda: None, ahead=4 * THREADS)
        self.size = THREADS

    def submit(self, job: Job) -> None:
        self._out.add(job)
        self._done.put(Done(job, PENDING, 1, 200))


class Shared(NamedTuple):
    """What four daemons made of one limit. ``least``: the smallest share, of an equal one."""

    used: Used
    least: float


@contextlib.contextmanager
def far_away(url: str) -> Iterator[str]:
    """The server behind the slow proxy."""
    folder = parse_qs(urlsplit(url).query)["host"][0]
    command = [sys.executable, "-m", "bench.servers", "--proxy", f"{folder}/.s.PGSQL.5432"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=daemon.ROOT)
    assert process.stdout is not None
    with process.stdout as port:
        try:
            parts = urlsplit(url)
            yield f"postgresql://{parts.username}@127.0.0.1:{int(port.readline())}{parts.path}"
        finally:
            process.terminate()
            process.wait()


def configure(folder: Path, url: str, store: str, polling: str) -> Path:
    """A configuration; ``store`` are lines of ``[store]``."""
    config = daemon.configure(folder, url, polling)
    text = config.read_text()
    config.write_text(text.replace(f"path = {folder / 'cdpoll.db'}", f"path = {folder / 'cdpoll.db'}\n{store}"))
    return config


def begin_anew(config: Path, tasks: int) -> None:
    """So many tasks that are due, and no others."""
    with open_store(load(str(config), {}).store.place, create=True) as store:
        with store.write():
            store.execute("DELETE FROM tasks")
            store.execute("DELETE FROM meta WHERE key = 'api_origin'")  # each vendor has a port of its own
            api.forget_first_wait(store)  # as a run before has learned it
        found = [Recording(f"task-{n:07d}", "id") for n in range(tasks)]
        record(store, found, (), origin="", now=Clock().now() - 20_000, schedule=Schedule())


def one_run(folder: Path, url: str, store: str, polls: int) -> Spent:
    """All polls once, less what a start and an end without any cost."""
    folder.mkdir()
    polling = f"requests_per_second = 10000\nburst = 10000\nmax_in_flight = {THREADS}"
    config = configure(folder, url, store, polling)
    begin_anew(config, polls)
    command = daemon.command(config, "--once")
    whole = timed(command)
    with open_store(load(str(config), {}).store.place) as opened:
        row = opened.one("SELECT count(*) AS made FROM tasks WHERE polls = 1 AND leased_until IS NULL")
        assert row is not None
        assert row["made"] == polls
    return whole - timed(command)


def rounds_alone(folder: Path, store: str, polls: int) -> float:
    """Polls per second of the rounds alone; the first passes are not counted."""
    folder.mkdir()
    config = configure(folder, "http://127.0.0.1:9", store, f"max_in_flight = {THREADS}")
    begin_anew(config, polls + 10 * THREADS)
    clock = Clock()
    with open_store(load(str(config), {}).store.place) as opened:
        rules = PollRules(Schedule(), RateLimit(1_000_000.0, 1_000), 30_000, DELAY_PER_REQUEST_MS)
        turn = PollRound(opened, Answered(), rules, Quiet(), clock.now())
        while turn.polls < 5 * THREADS:
            turn.run(opened.now(clock), clock.monotonic())
        before, began = turn.polls, time.perf_counter()
        while turn.polls < before + polls:
            turn.run(opened.now(clock), clock.monotonic())
        return (turn.polls - before) / (time.perf_counter() - began)


def shared_limit(server: DemoServer, rate: float, seconds: int) -> Shared:
    """Four daemons and one limit, with work always waiting."""
    with contextlib.ExitStack() as stack:
        there = stack.enter_context(vendor.running())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = []
        for n in range(DAEMONS):
            (folder / str(n)).mkdir()
            polling = f"requests_per_second = {rate:g}\nburst = {BURST}\nmax_in_flight = 4"
            store = f"url = {server.url}\ndaemon = host-{n}"
            config = configure(folder / str(n), f"{there.url}/host-{n}", store, polling)
            if n == 0:
                begin_anew(config, round(rate * (seconds + 60)))
            running.append(stack.enter_context(daemon.running(config)))
        for one in running:
            one.wait_for(lambda: len(there.callers()) == DAEMONS)
        begun, before = len(there.arrivals()), there.callers()
        running[0].wait_for(partial(_enough, there, begun, seconds))
        arrivals, after = there.arrivals(), there.callers()
        made = [after[name] - before[name] for name in after]
        return Shared(used_of(arrivals[begun:], rate, seconds), min(made) / (sum(made) / DAEMONS))


def _enough(there: vendor.Vendor, begun: int, seconds: int) -> bool:
    arrivals = there.arrivals()[begun:]
    return bool(arrivals) and arrivals[-1] - arrivals[0] > seconds + SETTLING_S


def part(*, quick: bool) -> Part:
    polls, rounds, rate, seconds = (60, 1, 20.0, 1) if quick else (6000, 3, 50.0, 60)
    runs: list[dict[str, Spent]] = []
    alone: list[dict[str, float]] = []
    with DemoServer() as server, far_away(server.url) as far, vendor.running() as there:
        kinds = {"SQLite": "", "near": f"url = {server.url}", "far": f"url = {far}"}
        for turn in range(rounds):
            with tempfile.TemporaryDirectory() as name:
                folder, order = Path(name), [*kinds][turn % 3 :] + [*kinds][: turn % 3]
                runs.append({one: one_run(folder / one, there.url, kinds[one], polls) for one in order})
                alone.append({one: rounds_alone(folder / f"{one}-alone", kinds[one], polls) for one in order})
        got = shared_limit(server, rate, seconds)
        version = server.version
    pace = {kind: statistics.median(polls / run[kind].wall for run in runs) for kind in kinds}
    of_sqlite = {kind: statistics.median(run["SQLite"].wall / run[kind].wall for run in runs) for kind in kinds}
    of_rounds = {kind: statistics.median(run[kind] for run in alone) for kind in kinds}
    rows = [[kind, f"{pace[kind]:.0f}", f"{of_sqlite[kind]:.2f}", f"{of_rounds[kind]:.0f}"] for kind in kinds]
    text = table(["the database", "polls per second, whole", "of SQLite's", "of the rounds alone"], rows)
    text += (
        f"\n\n{polls:,} polls with {THREADS} threads, medians of {rounds} rounds, PostgreSQL {version} on this machine:"
        f" near by a socket, far with {2 * HELD_S * 1000:g} ms more for each round trip. {DAEMONS} daemons that share"
        f" {rate:g} requests a second used {got.used.share:.1%} of them over {seconds} s, with {got.used.most} in any"
        f" second; the least share was {got.least:.2f} of an equal one."
    )
    allowed = round(rate) + BURST
    targets = [
        at_least("polls per second of the rounds, near", of_rounds["near"], 3000, "{:.0f}"),
        at_least("polls per second of the rounds, far", of_rounds["far"], 500, "{:.0f}"),
        at_least("share of the limit that four daemons use", got.used.share, 0.99, "{:.1%}"),
        Target("requests of four in any second", f"at most {allowed}", str(got.used.most), got.used.most <= allowed),
        at_least("least share of the four, of an equal one", got.least, 0.8),
    ]
    headline = (
        f"On PostgreSQL one daemon makes {of_sqlite['near']:.2f} of the polls per second that it makes on SQLite, and"
        f" {pace['far']:.0f} a second at {2 * HELD_S * 1000:g} ms for each round trip; its rounds alone make"
        f" {of_rounds['near']:.0f} and {of_rounds['far']:.0f}. Four use {got.used.share:.1%} of their common limit."
    )
    return Part("Several daemons on PostgreSQL", "python -m bench --only servers", text, targets, [headline])


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while data := await source.read(65536):
        loop.call_later(HELD_S, sink.write, data)
    loop.call_later(2 * HELD_S, sink.close)


async def _proxy(target: str) -> None:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(target)
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))

    listener = await asyncio.start_server(meet, "127.0.0.1", 0)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await listener.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--proxy", required=True)
    asyncio.run(_proxy(parser.parse_args().proxy))
