"""The whole daemon, persistence included, against a bare loop of httpx threads, and against huey on SQLite.

All make the same polls at the same vendor (bench/vendor.py, a process of its own) with as many threads, one after the
other, in several rounds, each round in another order. Figures are ratios within a round, quoted as medians. What is to
be done lies in a database before the clock runs; what a process costs that finds nothing to do is taken off.

Each reads every answer and acts on it. The bare loop checks that the task is pending and forgets it. cdpoll begins with
rows that are due, and ends with polls that are saved and planned anew. huey begins with tasks in its schedule that are
due, and ends with them there again: its scheduler moves them to the queue, its worker takes them from there, and the
task puts itself back (not by way of the queue, as `schedule()` would: that is two transactions more). huey forgets a
task before it runs it, so a crash loses it; cdpoll's lease brings it back. `python -m bench --only throughput`.
"""

import argparse
import contextlib
import importlib.util
import os
import queue
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.part import Part, at_least, at_most, table
from bench.vendor import running
from worker.clock import Clock
from worker.core.intake.intake import Recording
from worker.core.schedule.cadence import Schedule
from worker.store.opening import open_store
from worker.store.tasks.recording import record

THREADS = 16
ROOT = Path(__file__).parent.parent
TITLES = {
    "bare": "bare loop of httpx threads, no persistence",
    "learned": "cdpoll, whole",
    "fixed": "cdpoll, `schedule = fixed`",
    "huey": "huey on SQLite",
}


@dataclass(frozen=True)
class Spent:
    wall: float
    cpu: float

    def __sub__(self, idle: "Spent") -> "Spent":
        return Spent(self.wall - idle.wall, self.cpu - idle.cpu)


def timed(args: list[str]) -> Spent:
    """A process from start to end; CPU as the operating system counted it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(args, check=True, capture_output=True, cwd=ROOT)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def asker(url: str) -> Callable[[int], str]:
    """One poll, with a client and a connection for each thread; what the vendor says of the task."""
    import httpx

    context = httpx.create_ssl_context()
    own = threading.local()

    def ask(n: int) -> str:
        if not hasattr(own, "client"):
            own.client = httpx.Client(verify=context, trust_env=False, headers={"authorization": "Bearer bench"})
        task_id = f"task-{n:07d}"
        answer = own.client.get(f"{url}/coverage-discovery/{task_id}").json()
        assert answer["id"] == task_id
        return str(answer["status"])

    return ask


def bare(url: str, polls: int) -> None:
    """Threads that only ask: no database, no decisions."""
    jobs: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    for job in (*range(polls), *[None] * THREADS):
        jobs.put(job)
    ask, pending = asker(url), []

    def work() -> None:
        while (n := jobs.get()) is not None:
            pending.append(ask(n) == "pending")

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(pending) == polls


def with_huey(url: str, polls: int, folder: str, *, fill: bool) -> None:
    """huey with its SQLite storage: the polls as tasks of its queue, its own consumer with as many threads."""
    from huey import SqliteHuey
    from huey.consumer import Consumer

    app = SqliteHuey("bench", filename=f"{folder}/huey.db", fsync=not fill, results=False)
    ask = asker(url)
    done = threading.Event()
    lock = threading.Lock()
    left = polls

    def poll(n: int) -> None:
        nonlocal left
        if ask(n) == "pending":
            app.add_schedule(later.s(n, delay=600))
        with lock:
            left -= 1
            if not left:
                done.set()

    later = app.task(name="poll")(poll)
    if fill:
        for n in range(polls):
            app.add_schedule(later.s(n, delay=0))
        return
    consumer = Consumer(app, workers=THREADS, periodic=False, initial_delay=0.01, backoff=1.0, max_delay=0.01)
    consumer.start()
    if polls:
        done.wait()
        assert (app.pending_count(), app.scheduled_count()) == (0, polls)
    os._exit(0)


def make_database(folder: Path, url: str, polls: int, schedule: str) -> Path:
    """A configuration, and a database with ``polls`` tasks that are due."""
    folder.mkdir()
    config, database, secret = folder / "cdpoll.ini", folder / "cdpoll.db", folder / "secret"
    secret.write_text("bench")
    config.write_text(
        f"[api]\nbase_url = {url}\nclient_id = bench\nclient_secret = {{file {secret}}}\n[store]\npath = {database}\n"
        f"[polling]\nrequests_per_second = 10000\nburst = 10000\nmax_in_flight = {THREADS}\nschedule = {schedule}\n"
        "[log]\nlevel = warning\n"
    )
    tasks = [Recording(f"task-{n:07d}", "id") for n in range(polls)]
    with open_store(database, create=True) as store:
        record(store, tasks, (), origin="", now=Clock().now() - 20_000, schedule=Schedule())
    return config


def one_round(folder: Path, url: str, polls: int, kinds: list[str]) -> dict[str, Spent]:
    """Each in a process of its own, less what its start and end cost without any poll."""
    part = [sys.executable, "-m", "bench.throughput", "--part"]
    runs = {}
    for kind in kinds:
        own = folder / kind
        if kind == "bare":
            runs[kind] = timed([*part, kind, url, str(polls), "-"]) - timed([*part, kind, url, "0", "-"])
        elif kind == "huey":
            own.mkdir()
            timed([*part, "fill-huey", url, str(polls), str(own)])
            runs[kind] = timed([*part, kind, url, str(polls), str(own)]) - timed([*part, kind, url, "0", str(own)])
        else:
            config = make_database(own, url, polls, kind)
            command = [sys.executable, "-m", "cli", "--config", str(config), "run", "--once"]
            whole = timed(command)
            check_polls(own / "cdpoll.db", polls)
            runs[kind] = whole - timed(command)  # now nothing is due
    return runs


def check_polls(database: Path, polls: int) -> None:
    """Each task has had its poll, and the answer was understood and saved."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        (made,) = connection.execute(
            "SELECT count(*) FROM tasks"
            " WHERE polls = 1 AND failures = 0 AND task_class = 'insight' AND leased_until IS NULL"
        ).fetchone()
    assert made == polls, f"{made} of {polls} polls were saved"


def part(*, quick: bool) -> Part:
    polls, rounds = (60, 1) if quick else (6000, 5)
    kinds = ["bare", "learned"] if quick else list(TITLES)
    if "huey" in kinds and not importlib.util.find_spec("huey"):
        kinds.remove("huey")
    runs: list[dict[str, Spent]] = []
    with running() as vendor:
        for turn in range(rounds):
            order = kinds[turn % len(kinds) :] + kinds[: turn % len(kinds)]
            with tempfile.TemporaryDirectory() as folder:
                runs.append(one_round(Path(folder), vendor.url, polls, order))

    def ratio(kind: str, to: str, of: str = "wall") -> float:
        """How much more of it in the same round, the median."""
        return float(statistics.median(getattr(run[kind], of) / getattr(run[to], of) for run in runs))

    def row(kind: str) -> list[str]:
        wall, cpu = (statistics.median(getattr(run[kind], of) for run in runs) for of in ("wall", "cpu"))
        pace, cost = ratio("bare", kind), ratio(kind, "bare", "cpu")
        return [TITLES[kind], f"{polls / wall:.0f}", f"{cpu / polls * 1000:.2f} ms", f"{pace:.2f}", f"{cost:.2f}"]

    heads = ["what", "polls per second", "CPU per poll", "of the bare loop's polls", "of its CPU"]
    text = table(heads, [row(kind) for kind in kinds])
    text += f"\n\n{polls:,} polls with {THREADS} threads, medians of {rounds} rounds."
    pace, cost = ratio("bare", "learned"), ratio("learned", "bare", "cpu")
    targets = [
        at_least("polls per second, of the bare loop's", pace, 0.9),
        at_most("CPU per poll, of the bare loop's", cost, 1.35),
    ]
    headline = (
        f"The whole daemon, every poll saved on the disk, makes {pace:.2f} of the polls per second of a bare loop of"
        f" httpx threads that keeps nothing, at {cost:.2f} of its CPU"
    )
    if "huey" in kinds:
        times = ratio("huey", "learned")
        targets.append(at_least("polls per second, times huey's", times, 2.5))
        headline += f"; {times:.1f} times the polls of huey on SQLite"
    else:
        text += " Without huey: it is not installed, or this is a quick run."
    return Part("Throughput", "python -m bench --only throughput", text, targets, [f"{headline}."])


def main() -> None:
    """What :func:`one_round` starts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", nargs=4, required=True)
    kind, url, polls, folder = parser.parse_args().part
    if kind == "bare":
        bare(url, int(polls))
    else:
        with_huey(url, int(polls), folder, fill=kind == "fill-huey")


if __name__ == "__main__":
    main()
