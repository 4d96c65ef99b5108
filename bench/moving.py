"""``cdpoll db move`` to a PostgreSQL server and back into a file, with tasks as a year leaves them.

The server is the bench's own, with fsync and Debian's settings. Both moves compare every row. The time of a plain copy
of the file, put on the disk, stands beside them. `python -m bench --only moving`.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.daemon import ROOT
from bench.lived import fill_lives
from bench.part import Part, at_most, table
from cli.demo.postgresql import DemoServer
from worker.clock import Clock

MINUTES_S = 120.0


class MoveTime(NamedTuple):
    """``own``: the CPU time of the command, without the server's. ``peak``: its memory, in MiB."""

    rows: int
    wall: float
    own: float
    peak: float


def timed_move(folder: Path, store: str, to: str) -> MoveTime:
    """Move what these lines of ``[store]`` name."""
    config = folder / "cdpoll.ini"
    config.write_text(f"[store]\n{store}\n")
    config.chmod(0o600)
    command = [sys.executable, "-m", "cli", "--config", str(config), "db", "move", "--to", to, "--json"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = sum(one["rows"] for one in json.loads(done.stdout)["tables"].values())
    return MoveTime(rows, wall, own, after.ru_maxrss / 1024)


def copy_time(path: Path) -> float:
    began, copy = time.perf_counter(), path.with_name("copy.db")
    shutil.copyfile(path, copy)
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    wall = time.perf_counter() - began
    copy.unlink()
    return wall


def part(*, quick: bool) -> Part:
    tasks = 1_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as name, DemoServer() as server:
        old, new = Path(name) / "old.db", Path(name) / "new.db"
        fill_lives(old, tasks, Clock().now())
        size, copied = old.stat().st_size, copy_time(old)
        there = timed_move(Path(name), f"path = {old}", server.url)
        back = timed_move(Path(name), f"path = {old}\nurl = {server.url}", str(new))
    rows = [
        [way, f"{one.wall:.1f} s", f"{one.own:.1f} s", f"{one.peak:.0f} MiB", f"{one.wall / copied:.1f}"]
        for way, one in (("to the server", there), ("back into a file", back))
    ]
    text = f"{tasks:,} tasks, nine of ten concluded: {there.rows:,} rows, a file of {size / 1e6:,.0f} MB.\n\n" + table(
        ["the move", "took", "CPU of the command", "its memory", "of a plain copy's time"], rows
    )
    slower = max(there.wall, back.wall)
    headline = f"{tasks:,} tasks move to a PostgreSQL server in {there.wall:.0f} s, and back in {back.wall:.0f} s."
    target = at_most(f"to move {tasks:,} tasks, the slower way", slower, MINUTES_S, "{:.0f} s")
    return Part("Moving to a server", "python -m bench --only moving", text, [target], [headline])
