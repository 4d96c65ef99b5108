"""All figures of the program: measures, and writes bench/RESULTS.md.

`make bench`, or `python -m bench [--only PART,…] [--quick] [--to FOLDER]`. With --only, the other parts of RESULTS.md
stay as they were measured before.
"""

import argparse
import os
import platform
import re
import sqlite3
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    batches,
    callbacks,
    claim,
    comparison,
    fairness,
    lateness,
    limit,
    memory,
    moving,
    page,
    servers,
    throughput,
)
from bench.part import Part

HERE = Path(__file__).parent

PARTS: dict[str, Callable[..., Part]] = {
    "throughput": throughput.part,
    "schedules": comparison.part,
    "fairness": fairness.part,
    "claim": claim.part,
    "lateness": lateness.part,
    "memory": memory.part,
    "limit": limit.part,
    "servers": servers.part,
    "moving": moving.part,
    "page": page.part,
    "callbacks": callbacks.part,
    "batches": batches.part,
}


def machine() -> str:
    """What the figures were taken on."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({cpu[1] if cpu else platform.machine()}),"
        f" Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, commit {commit or 'unknown'}"
    )


def written(name: str, part: Part, took: float) -> str:
    """One section."""
    lines = [f"## {part.title}", "", f"`{part.command}`, {took:.0f} s. {machine()}.", "", part.text, ""]
    if part.targets:
        lines += ["| aimed at | wanted | measured | |", "| --- | --- | --- | --- |"]
        lines += [f"| {t.what} | {t.wanted} | {t.got} | {'met' if t.met else '**missed**'} |" for t in part.targets]
        lines.append("")
    lines += [f"> {headline}" for headline in part.headlines]
    return f"<!-- {name} -->\n" + "\n".join(lines) + "\n"


def sections(text: str) -> dict[str, str]:
    """Those of an earlier RESULTS.md, by name."""
    found = re.split(r"(?m)^<!-- (\w+) -->\n", text)
    return {name: body.rstrip("\n") + "\n" for name, body in zip(found[1::2], found[2::2], strict=True)}


def quoted(text: str) -> list[str]:
    """The lines that say in short what a section found."""
    return [line[2:] for line in text.splitlines() if line.startswith("> ")]


def whole(parts: dict[str, str]) -> str:
    """The page: what was found in short, then each section."""
    head = (
        "# What was measured\n\nWritten by `make bench`. Figures are ratios of two things measured in one run, medians"
        " of several. What was aimed at stands beside what was reached, missed or not.\n\n"
    )
    there = [name for name in PARTS if name in parts]
    short = "".join(f"- {line}\n" for name in there for line in quoted(parts[name]))
    return f"{head}{short}\n" + "\n".join(f"<!-- {name} -->\n{parts[name]}" for name in there)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", metavar="PART,…", default=",".join(PARTS), help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="only to see that it runs; writes nowhere but with --to")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="write RESULTS.md there")
    given = parser.parse_args()
    names = given.only.split(",")
    if unknown := set(names) - PARTS.keys():
        parser.exit(2, f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}\n")
    folder = given.to or (None if given.quick else HERE)
    for name in names:
        began = time.perf_counter()
        part = PARTS[name](quick=given.quick)
        text = written(name, part, time.perf_counter() - began)
        print(text, flush=True)
        if folder is not None:
            keep(folder, text, part)


def keep(folder: Path, text: str, part: Part) -> None:
    """Put one section into RESULTS.md, and its pictures beside it."""
    folder.mkdir(exist_ok=True)
    results = folder / "RESULTS.md"
    parts = sections(results.read_text()) if results.exists() else {}
    results.write_text(whole(parts | sections(text)))
    for file, picture in part.pictures:
        (folder / file).write_text(picture)


if __name__ == "__main__":
    main()
