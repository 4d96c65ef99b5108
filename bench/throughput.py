"""(a) The whole daemon, persistence included, against a bare loop of httpx threads, and against huey on SQLite.

All three make the same looks at the same vendor (bench/vendor.py, a process of its own), one after the other, in
several rounds; figures are ratios within a round, quoted as medians. `python -m bench.throughput [--looks N]`.
"""

import argparse
import os
import queue
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

THREADS = 16


@dataclass(frozen=True)
class Run:
    wall: float
    cpu: float


def timed(args: list[str], env: dict[str, str]) -> Run:
    """A process from start to end; CPU as the operating system counted it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(args, env=env, check=True, capture_output=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def less(run: Run, idle: Run) -> Run:
    return Run(run.wall - idle.wall, run.cpu - idle.cpu)


def bare(url: str, looks: int) -> None:
    """Threads that only ask: one client and connection each, no database, no decisions."""
    import httpx

    jobs: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    for n in range(looks):
        jobs.put(n)
    for _ in range(THREADS):
        jobs.put(None)
    context = httpx.create_ssl_context()

    def work() -> None:
        with httpx.Client(verify=context, headers={"authorization": "Bearer bench"}) as client:
            while (n := jobs.get()) is not None:
                assert client.get(f"{url}/coverage-discovery/task-{n:07d}").json()["status"] == "pending"

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def with_huey(url: str, looks: int, folder: str) -> None:
    """huey with its SQLite storage: the same looks as tasks of its queue, its own consumer with as many threads."""
    import httpx
    from huey import SqliteHuey
    from huey.consumer import Consumer

    app = SqliteHuey("bench", filename=f"{folder}/huey.db", fsync=True)
    local = threading.local()
    done = threading.Event()
    left = [looks]
    lock = threading.Lock()
    context = httpx.create_ssl_context()

    @app.task()
    def look(n: int) -> str:
        if not hasattr(local, "client"):
            local.client = httpx.Client(verify=context, headers={"authorization": "Bearer bench"})
        status = str(local.client.get(f"{url}/coverage-discovery/task-{n:07d}").json()["status"])
        with lock:
            left[0] -= 1
            if not left[0]:
                done.set()
        return status

    for n in range(looks):
        look(n)
    consumer = Consumer(app, workers=THREADS, periodic=False, initial_delay=0.01, backoff=1.0, max_delay=0.01)
    consumer.start()
    done.wait()
    consumer.stop(graceful=False)
    os._exit(0)


def make_database(folder: Path, url: str, looks: int) -> Path:
    from worker.clock import Clock
    from worker.core.intake import Recording
    from worker.core.schedule import Schedule
    from worker.store.db import Store
    from worker.store.recording import record

    config = folder / "cdpoll.ini"
    database = folder / "cdpoll.db"
    secret = folder / "secret"
    secret.write_text("bench")
    config.write_text(
        f"[api]\nbase_url = {url}\nclient_id = bench\nclient_secret = {{file {secret}}}\n[store]\npath = {database}\n"
        f"[polling]\nrequests_per_second = 10000\nburst = 10000\nmax_in_flight = {THREADS}\n[log]\nlevel = warning\n"
    )
    with Store(database) as store:
        record(
            store,
            [Recording(f"task-{n:07d}", "id") for n in range(looks)],
            (),
            origin="",
            now=Clock().now() - 20_000,  # due by now
            schedule=Schedule(),
        )
    return config


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--looks", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default=None, help="where the databases lie (a disk, not memory)")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        kind, url, looks, folder = options.part
        if kind == "bare":
            bare(url, int(looks))
        else:
            with_huey(url, int(looks), folder)
        return
    vendor = subprocess.Popen([sys.executable, "-m", "bench.vendor"], stdout=subprocess.PIPE, text=True)
    assert vendor.stdout is not None
    url = f"http://127.0.0.1:{int(vendor.stdout.readline())}/rcm/eligibility/v1"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    rates: dict[str, list[float]] = {"cdpoll": [], "bare": [], "huey": []}
    cpus: dict[str, list[float]] = {"cdpoll": [], "bare": [], "huey": []}
    try:
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory(dir=options.folder) as name:
                runs = one_round(Path(name), url, options.looks, env)
            for kind, run in runs.items():
                rates[kind].append(options.looks / run.wall)
                cpus[kind].append(run.cpu / options.looks * 1000)
    finally:
        vendor.terminate()
        vendor.wait()
    print("| what | polls per second | CPU per poll | of the bare loop's polls | of its CPU |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for kind, title in (
        ("bare", "bare loop of httpx threads, no persistence"),
        ("cdpoll", "cdpoll, whole"),
        ("huey", "huey on SQLite"),
    ):
        pace = statistics.median(a / b for a, b in zip(rates[kind], rates["bare"], strict=True))
        cost = statistics.median(a / b for a, b in zip(cpus[kind], cpus["bare"], strict=True))
        rate, cpu = statistics.median(rates[kind]), statistics.median(cpus[kind])
        print(f"| {title} | {rate:.0f} | {cpu:.2f} ms | {pace:.2f} | {cost:.2f} |")
    times = statistics.median(a / b for a, b in zip(rates["cdpoll"], rates["huey"], strict=True))
    print(
        f"\ncdpoll makes {times:.1f} times the polls of huey. {options.looks} looks, {THREADS} threads, "
        f"medians of {options.rounds} rounds."
    )


def one_round(folder: Path, url: str, looks: int, env: dict[str, str]) -> dict[str, Run]:
    """Each in a process of its own, less what its start and end cost without any look."""
    config = make_database(folder, url, looks)
    cdpoll = [sys.executable, "-m", "cli", "--config", str(config), "run", "--once"]
    part = [sys.executable, "-m", "bench.throughput", "--part"]
    (folder / "huey").mkdir()
    runs = {"cdpoll": timed(cdpoll, env)}
    runs["cdpoll"] = less(runs["cdpoll"], timed(cdpoll, env))  # now nothing is due
    bare_idle = timed([*part, "bare", url, "0", "-"], env)
    runs["bare"] = less(timed([*part, "bare", url, str(looks), "-"], env), bare_idle)
    queued = timed([*part, "huey", url, str(looks), str(folder / "huey")], env)
    runs["huey"] = less(queued, bare_idle)
    return runs


if __name__ == "__main__":
    main()
