"""Batch files: reading and summarising 271s, ingest into the database, and the download that brings them.

`python -m bench --only batches`.
"""

from bench import ingest, sftp, x12
from bench.part import Part, at_least, at_most, table


def part(*, quick: bool) -> Part:
    read = x12.measure(*((300, 1) if quick else (50_000, 5)))
    kept = ingest.measure(*((300, 1) if quick else (20_000, 5)))
    pyx12 = None if quick else x12.beside_pyx12(3_000, 3)
    peak = read.peak / 1e6
    rows = [
        ["reading and summarising, times the CPU of reading and splitting", f"{read.reader_to_floor:.1f}"],
        [f"peak memory above an empty process, {read.size / 1e6:.0f} MB read", f"{peak:.1f} MB"],
        ["speed of ingest, of the reader's own (CPU)", f"{kept.speed:.2f}"],
        ["longest write lock during ingest", f"{kept.longest * 1000:.0f} ms"],
    ]
    if pyx12 is not None:
        rows.insert(1, ["pyx12, reading the segments alone, times the CPU of that", f"{pyx12:.1f}"])
    targets = [
        at_most("CPU of the reader, times the floor", read.reader_to_floor, 26, "{:.1f}"),
        at_most("peak memory of the reader", peak, 16, "{:.1f} MB"),
        at_least("speed of ingest, of the reader's own", kept.speed, 0.5),
        at_most("longest write lock", kept.longest * 1000, 100, "{:.0f} ms"),
    ]
    if not quick:
        speed = sftp.measure(100, 5)
        rows.append(["download of 100 MB, of the `sftp` program's speed", f"{speed:.2f}"])
        targets.append(at_least("SFTP download, of the `sftp` program's speed", speed, 0.7))
    text = table(["batch files", "measured"], rows)
    text += f"\n\n{read.sets:,} transaction sets for the reader, {kept.sets:,} for ingest; medians of the rounds."
    headline = (
        f"A batch of {read.sets:,} transaction sets is read in {read.reader_to_floor:.0f} times the CPU of splitting"
        f" the file, with {peak:.0f} MB of memory for any size of file; ingest runs at {kept.speed:.2f} of that speed."
    )
    return Part("Batch files", "python -m bench --only batches", text, targets, [headline])
