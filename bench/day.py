"""A day of 10,000 tasks in simulated time: memory, files and threads must stay flat.

The real round, store and threads; only the vendor's answer is made up on the spot, and the clock is set forward instead
of waited for. `python -m bench.day [--tasks N] [--hours H]`.
"""

import argparse
import os
import tempfile
import threading
from pathlib import Path

from bench.quiet import Quiet
from worker.core.intake.intake import Recording
from worker.core.pacing.limiter import RateLimit
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.document import Document, read_document
from worker.core.vendor.reply import Concluded, Heard, Pending
from worker.gateways.http.client import HttpClient, tls_context
from worker.gateways.http.pool import Job, Pool
from worker.rounds.poll.poll import PollRound, PollRules
from worker.store.opening import open_store
from worker.store.tasks import tallies
from worker.store.tasks.recording import record

START_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


def resident() -> float:
    """MB of this process in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--hours", type=int, default=24)
    options = parser.parse_args()
    schedule = Schedule()
    lasts = {
        n: (20_000, 600_000, 30 * HOUR_MS)[0 if n % 10 < 7 else 1 if n % 10 < 9 else 2] for n in range(options.tasks)
    }
    begun = {n: START_MS + n * options.hours * HOUR_MS * 3 // 4 // options.tasks for n in range(options.tasks)}

    def ask(_: HttpClient, job: Job) -> Heard:
        n = int(job.task_id)
        if job.asked_at < begun[n] + lasts[n]:
            return Heard(Pending(Document("pending", name="Default", started_at=begun[n])))
        document = {"id": job.task_id, "status": "failure", "discoveryPaths": {"unsuccessful": [{"name": "Medicare"}]}}
        body = str(document).replace("'", '"').encode()
        told = read_document(body, job.task_id)
        assert isinstance(told, Document)
        return Heard(Concluded(told))

    wake = threading.Event()
    tls = tls_context(None)
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "cdpoll.db", create=True) as store:
        pool = Pool(4, lambda: HttpClient(tls, 1000), ask, wake.set)
        rules = PollRules(schedule, RateLimit(1.0, 5), 30_000)
        round_ = PollRound(store, pool, rules, Quiet(), START_MS)
        now, recorded, polls = START_MS, 0, 0
        print("| hour | recorded | pending | polls | MB | files | threads |\n|" + " ---: |" * 7)
        for hour in range(options.hours):
            while now < START_MS + (hour + 1) * HOUR_MS:
                fresh = recorded
                while fresh < options.tasks and begun[fresh] <= now:
                    fresh += 1
                if fresh > recorded:
                    record(
                        store,
                        [Recording(str(n), "id") for n in range(recorded, fresh)],
                        (),
                        origin="",
                        now=now,
                        schedule=schedule,
                    )
                    recorded = fresh
                wake.clear()
                next_at = round_.run(now, now)
                polls += len(pool.out)
                while pool.out:
                    wake.wait()
                    wake.clear()
                    round_.run(now, now, claim=False)
                now = max(now + 1, min(next_at, now + 15_000))
            files = len(list(Path("/proc/self/fd").iterdir()))
            waiting = tallies.by_state(store)["pending"]
            print(
                f"| {hour + 1} | {recorded} | {waiting} | {polls} | {resident():.1f} | {files} |"
                f" {threading.active_count()} |",
                flush=True,
            )
        pool.close()


if __name__ == "__main__":
    main()
