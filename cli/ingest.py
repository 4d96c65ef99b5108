"""``cdpoll ingest`` and ``cdpoll files``: batch 271 files, and the list of those that came in."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import click

from cli.opening import Opened, dumped, opened
from worker.store.batch import keeping, quarantine

# A file smaller than this is read before a bar could be seen.
WORTH_A_BAR = 4 * 1024 * 1024

COUNTS = ("interchanges", "transaction_sets", "subscribers", "matched", "candidates", "unmatched", "quarantined_sets")


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path())
@click.option("--dry-run", is_flag=True, help="Read and report; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def ingest(obj: dict[str, Any], paths: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Read batch 271 files into the database: those named (- is standard input), or one round over the SFTP drop.

    Harmless to repeat: a file is known by its content, and so is every transaction set in it. Exit 1: something was
    quarantined, incomplete or could not be opened; 65: nothing could be read at all.
    """
    if not paths:
        from cli import drop

        return drop.run(obj, dry_run, as_json)
    with ExitStack() as stack:
        # Root becomes the owner of the database in opened(), and may no longer read what only root can.
        files = [_open(stack, path) for path in paths] if os.geteuid() == 0 else None
        house = stack.enter_context(opened(obj, create=True))
        reports: list[dict[str, Any]] = []
        refused: list[str] = []
        for n, path in enumerate(paths):
            found = files[n] if files is not None else _open(stack, path)
            if isinstance(found, str):
                refused.append(found)
            else:
                with found:
                    reports.append(_read(house, path, found, dry_run))
    show(reports, as_json)
    for line in refused:
        click.echo(f"cdpoll: {line}", err=True)
    if refused and not reports:
        return 65
    return 1 if refused else exit_code(reports)


def _open(stack: ExitStack, path: str) -> BinaryIO | str:
    """The file, or why it cannot be read."""
    if path == "-":
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(path).open("rb"))
    except OSError as error:
        return f"{path}: {error.strerror}"


def _read(house: Opened, path: str, file: BinaryIO, dry_run: bool) -> dict[str, Any]:
    """Read one file; its report."""
    from worker.rounds.batch_file import Given, ingest, rehearse

    name = "standard input" if path == "-" else Path(path).name
    with ExitStack() as stack:
        if not file.seekable():
            file = stack.enter_context(keeping.spooled(house.store.path, file))
        progress = stack.enter_context(bar(name, os.fstat(file.fileno()).st_size))
        given = Given(file, name, "path")
        work = rehearse if dry_run else ingest
        return report_json(work(house.store, given, house.now, progress=progress))


@contextmanager
def bar(name: str, size: int) -> Iterator[Any]:
    """Progress on a long file, on a terminal; else nothing."""
    if size < WORTH_A_BAR or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(name, total=size)
        yield lambda at, _size: shown.update(task, completed=at)


def report_json(report: Any) -> dict[str, Any]:
    """A report in the documented form."""
    counts = asdict(report.counts)
    return {
        "name": report.name,
        "sha256": report.sha256,
        "state": report.state,
        **{name: counts[name] for name in COUNTS},
        "known_sets": counts["known_sets"],
        "other_sets": counts["other_sets"],
        "warnings": [asdict(one) for one in report.warnings],
        "reason": report.reason,
        "number": None if report.number is None else f"f{report.number}",
    }


def exit_code(reports: list[dict[str, Any]]) -> int:
    """1 if anything came in that wants a person, else 0."""
    good = {"ingested", "known", "skipped"}
    fine = all(one["state"] in good and (one["state"] == "known" or not one["quarantined_sets"]) for one in reports)
    return 0 if fine else 1


def show(reports: list[dict[str, Any]], as_json: bool) -> None:
    """Print what became of each file."""
    if as_json:
        click.echo(dumped({"files": reports}))
        return
    for one in reports:
        click.echo(f"{one['name']}: {_words(one)}")
        for warning in one["warnings"]:
            click.echo(f"    {warning['code']}: {warning['message']}")


def _words(one: dict[str, Any]) -> str:
    if one["reason"]:
        return f"{one['state']}. {one['reason']}"
    said = f"{one['state']}, {one['transaction_sets']} transaction sets"
    said += f" ({one['known_sets']} known before)" if one["known_sets"] else ""
    kinds = ("matched", "candidates", "unmatched")
    said += f", {sum(one[kind] for kind in kinds)} answers: {', '.join(f'{one[kind]} {kind}' for kind in kinds)}"
    return said + (f"; {one['quarantined_sets']} sets in quarantine" if one["quarantined_sets"] else "")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def files(obj: dict[str, Any], as_json: bool) -> None:
    """List the batch files that came in, oldest first."""
    with opened(obj) as house:
        separator = "\n  "
        if as_json:
            click.echo('{"files": [', nl=False)
        for page in quarantine.files(house.store):
            for one in page:
                if as_json:
                    click.echo(separator + json.dumps(one, ensure_ascii=False), nl=False)
                    separator = ",\n  "
                else:
                    click.echo(f"{one['number']:<6} {one['done_at']}  {one['name']}: {_words(one)}")
        if as_json:
            click.echo("\n]}")
