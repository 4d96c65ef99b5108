"""``cdpoll export``: results in the order of their numbers, for programs that fetch them."""

import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import click

from cli.audit import note_act
from cli.csv_cells import echo_csv
from cli.opening import opened
from cli.output import OutputFailed, dumped
from cli.who import who
from worker.core.vendor.result_schema import schema_text
from worker.rounds.ingest.deriving import derive_fresh
from worker.store import cursors
from worker.store.db.store import Store
from worker.store.views import exported

Json = dict[str, Any]

PAGE_ROWS = 200
MOST_CURSOR_LETTERS = 64

# What HL7's IN1 has, in the order of its fields, between what names the result and what tells where it came from.
_BEFORE = ("seq", "ref", "id")
_IN1 = (
    *("plan", "payer_id", "payer", "group_number", "group_name", "begins", "ends", "kind"),
    *("last_name", "first_name", "level", "birth_date", "member_id"),
)
_AFTER = (
    *("trace_number", "account", "subtenant", "correlation_id", "outcome", "revision", "concluded_at", "visible_at"),
    *("source", "list", "path", "file", "match", "warnings"),
)


def _cursor(ctx: click.Context, param: click.Parameter, name: str | None) -> str | None:
    if name is not None and not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MOST_CURSOR_LETTERS - 1}}}", name):
        raise click.BadParameter(
            f"a cursor's name has up to {MOST_CURSOR_LETTERS} letters, digits, dots, hyphens and underscores",
            ctx,
            param,
        )
    return name


@click.command()
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", help="csv: coverage to bill, a line each."
)
@click.option("--cursor", metavar="NAME", callback=_cursor, help="Go on where the last export of this name ended.")
@click.option("--since", metavar="SEQ", type=click.IntRange(min=0), help="Only what has a higher number.")
@click.option("--subtenant", metavar="TEXT", help="Only results of this subtenant.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of a line, and do nothing else.")
@click.pass_obj
def export(
    obj: dict[str, Any], form: str, cursor: str | None, since: int | None, subtenant: str | None, schema: bool
) -> None:
    """Results in the order of their numbers: one JSON object a line, or coverage to bill as CSV.

    Patient data. Each result comes at least once for each ref, and with --cursor once, unless an export was
    interrupted: the cursor moves when everything was written. Without --cursor and --since: everything.
    """
    if schema:
        click.echo(schema_text(), nl=False)
        return
    if cursor is not None and since is not None:
        raise click.UsageError("give --cursor or --since: a cursor knows where it ended")
    if sys.__stdout__ is None:  # closed by the caller: what is printed goes nowhere, and no cursor may move
        raise OutputFailed(errno.EBADF, os.strerror(errno.EBADF))
    by = who()
    with opened(obj) as here, nullcontext() if cursor is None else cursors.CursorLock(here.store, cursor, here.now):
        start = (since or 0) if cursor is None else cursors.position(here.store, cursor)
        about = f"behind {start}" if cursor is None else f"behind {start}, cursor {cursor}"
        note_act(here.store, by, "exported", about, here.now)
        reading = _Reading(here.store, start, subtenant, here.now)
        if form == "csv":
            echo_csv((*_BEFORE, *_IN1, *_AFTER), (_coverages(page) for page in reading.pages()))
        else:
            for page in reading.pages():
                click.echo("".join(dumped(one, None) + "\n" for one in page), nl=False)
        _keep_output()
        if cursor is not None:
            cursors.move(here.store, cursor, reading.number, here.now)


class _Reading:
    """What goes out behind a number, up to the last number that was given when the reading began: so it ends, also
    beside writers that never pause. ``number``: everything up to it was read."""

    def __init__(self, store: Store, number: int, subtenant: str | None, now: int) -> None:
        self._store = store
        self.number = number
        self._subtenant = subtenant
        self._now = now

    def pages(self) -> Iterator[list[Json]]:
        # What the 271s of a result say is part of it, and may give it a new number.
        while derive_fresh(self._store, self._now):
            pass
        last = exported.last_number(self._store)
        while self.number < last:
            page = exported.entries_after(self._store, self.number, min(PAGE_ROWS, last - self.number))
            if page.up_to == self.number:
                return
            for piece in exported.pieces(self._store, page.entries):
                told = exported.objects(self._store, piece).values()
                yield [one for one in told if self._subtenant is None or one["subtenant"] == self._subtenant]
            self.number = page.up_to


def _coverages(page: list[Json]) -> list[Json]:
    """The coverages of exported objects, as rows: what the coverage says, over what its object says."""
    return [
        {
            **{key: told.get(key) for key in (*_BEFORE, *_AFTER)},
            **coverage,
            **coverage["patient"],
            "warnings": [f"{one['code']}: {one['message']}" for one in coverage["warnings"]],
        }
        for told in page
        for coverage in told["found"]
    ]


def _keep_output() -> None:
    """Hand everything on before a cursor moves: to the reader of the pipe, or to the disk."""
    sys.stdout.flush()
    try:
        fd = sys.stdout.fileno()
    except (OSError, ValueError):
        return  # a stream without a file behind it
    try:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fsync(fd)
    except OSError as error:
        raise OutputFailed(error.errno, error.strerror) from None
