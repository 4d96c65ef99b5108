"""How fast batches go into the database: against the reader's own speed, and how long others wait for the lock.

Reader and ingest take turns in one process, on the same file, and the best of their times are compared (CPU, and the
wall clock, in which the disk counts too): on a machine with other work the best is the least disturbed. The lock is
timed from BEGIN to the end of COMMIT; the longest of a run counts, and the best run.

Run it as ``python bench/ingest.py --sets 50000``.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]

import x12  # noqa: E402

from worker.rounds.batch_file import Given, ingest  # noqa: E402
from worker.store.db import Store  # noqa: E402


class Watched(Store):
    """A store that times its transactions."""

    longest = 0.0
    transactions = 0

    @contextlib.contextmanager
    def write(self) -> Iterator[None]:
        began = None
        try:
            with super().write():
                began = time.perf_counter()
                yield
        finally:
            if began is not None:
                self.longest = max(self.longest, time.perf_counter() - began)
                self.transactions += 1


def timed(work) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Seconds of CPU and of the wall clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--journal", default="auto", choices=["auto", "wal", "truncate"])
    options = parser.parse_args()
    readers, ingests, longest, transactions = [], [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "batch.271"
        x12.write(path, options.sets)
        size = path.stat().st_size
        for turn in range(options.rounds):
            readers.append(timed(lambda: x12.reader(path)))
            database = Path(folder) / f"{turn}.db"
            with Watched(database, options.journal) as store, path.open("rb") as file:
                ingests.append(timed(lambda: ingest(store, Given(file, "batch", "path"), 1_800_000_000_000)))
                (row,) = store.read("SELECT count(*) AS n FROM found_coverage")
                assert row["n"] <= options.sets
                longest.append(store.longest)
                transactions = store.transactions
            for left in Path(folder).glob(f"{turn}.db*"):
                left.unlink()
    cpu = [min(times) for times in zip(*readers, strict=True)]
    taken = [min(times) for times in zip(*ingests, strict=True)]
    speed = f"{cpu[0] / taken[0]:.2f}, {cpu[1] / taken[1]:.2f}"
    print("| sets | file | reader (CPU, wall) | ingest (CPU, wall) | reader / ingest | transactions | longest lock |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(
        f"| {options.sets:,} | {size / 1e6:.1f} MB | {cpu[0]:.2f} s, {cpu[1]:.2f} s | {taken[0]:.2f} s, "
        f"{taken[1]:.2f} s | {speed} | {transactions:,} | {min(longest) * 1000:.0f} ms |"
    )


if __name__ == "__main__":
    main()
