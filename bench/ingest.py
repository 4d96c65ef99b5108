"""How fast batches go into the database: against the reader's own speed, and how long others wait for the lock.

Reader and ingest take turns in one process, on the same file. Their CPU times are compared round by round, and the
median counts; of each the best time is shown too, by CPU and by the wall clock, in which the disk counts. The lock is
timed from BEGIN to the end of COMMIT; the longest of a run counts, and the best run.

Run it as ``python bench/ingest.py --sets 50000``.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench import x12
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.store.db.sqlite import SqliteStore
from worker.store.opening import open_store


class Watched(SqliteStore):
    """A store that times its transactions."""

    longest = 0.0
    transactions = 0

    @contextlib.contextmanager
    def write(self, *, alone: bool = True) -> Iterator[None]:
        began = None
        try:
            with super().write(alone=alone):
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


class IngestFigures(NamedTuple):
    """What one measurement comes to; seconds of CPU and of the wall clock, bytes."""

    sets: int
    size: int
    reader: tuple[float, float]
    ingest: tuple[float, float]
    speed: float
    """Of ingest, as a share of the reader's: the median over the rounds of their CPU times, each of one round."""
    transactions: int
    longest: float
    """The lock for writing, in the best round."""


def measure(sets: int = 50_000, rounds: int = 3, journal: str = "auto") -> IngestFigures:
    """Write a file of ``sets`` sets and measure, reader and ingest taking turns."""
    readers, ingests, longest, transactions = [], [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "batch.271"
        x12.write(path, sets)
        size = path.stat().st_size
        for turn in range(rounds):
            readers.append(timed(lambda: x12.reader(path)))
            database = Path(folder) / f"{turn}.db"
            open_store(database, journal, create=True).close()
            with contextlib.closing(Watched(database)) as store, path.open("rb") as file:
                store.use_journal(journal)
                given = BatchFile(file, "batch", "path")
                ingests.append(timed(partial(ingest, store, given, 1_800_000_000_000)))
                (row,) = store.read("SELECT count(*) AS n FROM found_coverage")
                assert row["n"] <= sets
                longest.append(store.longest)
                transactions = store.transactions
            for left in Path(folder).glob(f"{turn}.db*"):
                left.unlink()
    speed = statistics.median(a[0] / b[0] for a, b in zip(readers, ingests, strict=True))
    return IngestFigures(sets, size, _best(readers), _best(ingests), speed, transactions, min(longest))


def _best(times: list[tuple[float, float]]) -> tuple[float, float]:
    return min(cpu for cpu, _ in times), min(wall for _, wall in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--journal", default="auto", choices=["auto", "wal", "truncate"])
    options = parser.parse_args()
    found = measure(options.sets, options.rounds, options.journal)
    print("| sets | file | reader (CPU, wall) | ingest (CPU, wall) | reader / ingest | transactions | longest lock |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    print(
        f"| {found.sets:,} | {found.size / 1e6:.1f} MB | {found.reader[0]:.2f} s, {found.reader[1]:.2f} s "
        f"| {found.ingest[0]:.2f} s, {found.ingest[1]:.2f} s | {found.speed:.2f} | {found.transactions:,} "
        f"| {found.longest * 1000:.0f} ms |"
    )


if __name__ == "__main__":
    main()
