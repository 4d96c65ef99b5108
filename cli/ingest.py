"""``cdpoll ingest`` and ``cdpoll files``: batch 271 files, and the list of those that came in."""

import os
import stat
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import click

from cli.audit import audited
from cli.lines import Line, drawn
from cli.opening import Opened, opened
from cli.output import AS_JSON, echo_pages, say
from cli.reports import bar, exit_code, in_words, read_older, report_json, show
from cli.table import output_width
from cli.who import who
from worker.clock import Clock
from worker.core.errors import BadData
from worker.core.exit_code import ExitCode
from worker.core.problems import counted
from worker.store.batch import keeping, quarantine
from worker.store.views.waiting_files import waiting_files


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path())
@click.option("--as-is", is_flag=True, help="Take of an incomplete file what is there; needs a path.")
@click.option("--dry-run", is_flag=True, help="Read and report; write nothing.")
@AS_JSON
@click.pass_obj
def ingest(obj: dict[str, Any], paths: tuple[str, ...], as_is: bool, dry_run: bool, as_json: bool) -> int:
    """Read batch 271 files into the database: those named (- is standard input), or one round over the SFTP drop.

    Harmless to repeat: a file is known by its content, and so is every transaction set in it. Exit 1: something was
    quarantined, incomplete or could not be opened; 65: nothing could be read at all.
    """
    if not paths and as_is:
        raise click.UsageError("--as-is needs a path: what is taken incomplete is named by a person")
    if not paths and dry_run:
        raise BadData("--dry-run needs a path", "to fetch a file may move it away for others: name files of your own")
    if not paths:
        from cli import drop

        return drop.run(obj, as_json)
    by = who()
    with ExitStack() as stack:
        # opened() gives up root for the owner of the database, who may not be able to read these files.
        files = [_open(stack, path) for path in paths] if os.geteuid() == 0 else None
        here = stack.enter_context(opened(obj, create=True, migrate=True, whole=True))
        if not dry_run:
            audited(here.store, by, "began to ingest", counted(len(paths), "file"), here.now)
            _read_unknown(here)
        reports: list[dict[str, Any]] = []
        refused: list[str] = []
        try:
            for n, path in enumerate(paths):
                found = files[n] if files is not None else _open(stack, path)
                if isinstance(found, str):
                    refused.append(found)
                else:
                    with found:
                        reports.append(_read(here, path, found, as_is=as_is, dry_run=dry_run))
                    if not dry_run:
                        _note(here, by, reports[-1], as_is=as_is)
        finally:
            # Also when a full disk ends it in the middle: the files before are stored.
            show(reports, as_json)
            for line in refused:
                say(f"cdpoll: {line}", err=True)
        if not dry_run:
            read_older(here.store, here.now)
    if refused and not reports:
        return ExitCode.BAD_DATA
    return ExitCode.IN_PART if refused else exit_code(reports)


def _note(here: Opened, by: str, report: dict[str, Any], *, as_is: bool) -> None:
    about = f"{report['number']} ({report['state']})"
    audited(here.store, by, "ingested as is" if as_is else "ingested", about, here.now)


def _read_unknown(here: Opened) -> None:
    """Read in again what is kept beside the database and is not known to it."""
    from worker.log import make_log
    from worker.rounds.ingest import found_again

    log = make_log(here.config.log.format, "warning", Clock())
    for path in found_again.unknown_kept(here.store, here.now, wait=True):
        report = found_again.read_again(here.store, path, here.now, here.hold_rules, wait=True)
        found_again.tell(here.store, log, report, here.now, kept=True)


def _open(stack: ExitStack, path: str) -> BinaryIO | str:
    """The file, or why it cannot be read."""
    if path == "-":
        return sys.stdin.buffer
    if not path:
        return "the name of a file is empty: was a variable of the shell not set?"
    try:
        if stat.S_ISFIFO(Path(path).stat().st_mode):
            say(f"cdpoll: {path} is a pipe: it is read once something writes into it", err=True)
        return stack.enter_context(Path(path).open("rb"))
    except OSError as error:
        return f"{path}: {error.strerror}"


def _read(here: Opened, path: str, file: BinaryIO, *, as_is: bool, dry_run: bool) -> dict[str, Any]:
    """Read one file; its report."""
    from worker.rounds.ingest.batch_file import BatchFile, ingest, ingest_dry_run

    name = "standard input" if path == "-" else Path(path).name
    with ExitStack() as stack:
        if not file.seekable():
            file = stack.enter_context(keeping.spooled(here.store.path, file))
        progress = stack.enter_context(bar(name, os.fstat(file.fileno()).st_size))
        given = BatchFile(file, name, "path", rules=here.hold_rules, as_is=as_is)
        work = ingest_dry_run if dry_run else ingest
        report = report_json(work(here.store, given, here.now, progress=progress))
        return {**report, "dry_run": True} if dry_run else report


@click.command()
@AS_JSON
@click.pass_obj
def files(obj: dict[str, Any], as_json: bool) -> None:
    """List the batch files that came in, oldest first, and those that wait on the drop, and why."""
    with opened(obj) as here:
        sftp = here.config.sftp
        waiting = [] if sftp is None else waiting_files(here.store, here.now, sftp.settle_ms)
        pages = quarantine.files(here.store)
        if as_json:
            echo_pages("files", pages, waiting=waiting)
            return
        if not _echo_files(pages, waiting):
            say("cdpoll: no file came in yet", err=True)


def _echo_files(pages: Iterable[list[dict[str, Any]]], waiting: list[dict[str, Any]]) -> bool:
    """For people, wrapped on a terminal; whether a file came in."""
    width, came = output_width(), False
    for page in pages:
        if page and not came:
            say(f"{'number':<6}  {'read at (UTC)':<19}  file")
            came = True
        for one in page:
            at = str(one["done_at"])[:19].replace("T", " ")
            say(*drawn([Line(f"{one['number']:<6}  {at}  {one['name']}: {in_words(one)}", indent=8)], width))
    if waiting:
        say("", f"{counted(len(waiting), 'file')} on the drop, as of the last round:")
        say(*drawn((Line(f"  {one['name']}: {one['why']}", indent=4) for one in waiting), width))
    return came
