"""``cdpoll found``: coverage to bill, one line for each coverage and ref."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import click

from cli.audit import audited
from cli.csv_cells import echo_csv
from cli.opening import opened
from cli.output import AS_JSON, echo_pages, say
from cli.who import who
from worker.clock import Clock
from worker.core.instant import duration, iso
from worker.core.problems import counted
from worker.core.vendor.findings import each_coverage, each_once
from worker.core.x12.issues import OF_ENVELOPE
from worker.store.batch import rereading
from worker.store.views.found import KEYS, Json, found_pages, ref_is_known, results_to_read


def instant_of(text: str, now: int) -> int:
    """The instant (ms) of an ISO 8601 time or date, in UTC where it names no zone, or of so long before ``now``.

    Raises ``ValueError`` with a line for people where it is none of these.
    """
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(text.strip().upper())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return max(0, round(moment.timestamp() * 1000))
    with suppress(ValueError, OverflowError):
        return max(0, now - duration(text))
    raise ValueError(f"{text!r} is not a time, a date or a duration: write 2026-05-01T12:00:00Z, 2026-05-01, 7d or 12h")


def _since(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    try:
        return None if text is None else instant_of(text, Clock().now())
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command()
@click.option(
    "--since",
    metavar="T",
    callback=_since,
    help="Only what became visible then or later: an ISO 8601 time or date, or how long ago (7d, 12h).",
)
@click.option("--ref", metavar="TEXT", help="Only what this key of yours is for.")
@click.option("--subtenant", metavar="TEXT", help="Only what was recorded with this tag.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV for a spreadsheet, with every field.")
@AS_JSON
@click.pass_obj
def found(
    obj: dict[str, Any], since: int | None, ref: str | None, subtenant: str | None, as_csv: bool, as_json: bool
) -> None:
    """Coverage to bill: ref, patient, payer, member id, from, to. One line for each coverage and ref.

    Patient data. What the vendor has found while it still searches is marked as early. A terminal shows as many columns
    as it has room for, and none that is empty.
    """
    if as_csv and as_json:
        raise click.UsageError("give --csv or --json")
    by = who()
    with opened(obj) as here:
        if as_csv or as_json:
            audited(here.store, by, "listed coverage", None if since is None else f"since {iso(since)}", here.now)
        if ref is not None and not ref_is_known(here.store, ref):
            click.echo("cdpoll: no task was recorded for that ref; refs keep their letter case", err=True)
        if unread := results_to_read(here.store):
            said = f"the 271s of {counted(unread, 'result')} are still to be read; the daemon does it in seconds"
            say(f"cdpoll: {said}", err=True)
        if older := rereading.how_many(here.store):
            said = f"{counted(older, 'answer')} of batches, as an earlier cdpoll read {'it' if older == 1 else 'them'}"
            say(f"cdpoll: {said}; the daemon or `cdpoll ingest` reads anew", err=True)
        pages: Iterator[list[Json]] = map(each_once, found_pages(here.store, since_ms=since, ref=ref))
        if subtenant is not None:
            pages = ([line for line in page if line["subtenant"] == subtenant] for page in pages)
        if as_json:
            echo_pages("found", pages)
        elif as_csv:
            echo_csv(_FIELDS, (list(map(_flat, page)) for page in pages))
        else:
            _echo_table(pages)


_PATIENT = ("last_name", "first_name", "birth_date", "level")
_FIELDS = tuple(field for key in KEYS for field in (_PATIENT if key == "patient" else (key,)))


def _flat(line: Json) -> Json:
    warnings = [f"{one['code']}: {one['message']}" for one in line["warnings"]]
    return {**line, **line["patient"], "warnings": warnings}


def _echo_table(pages: Iterator[list[Json]]) -> None:
    from cli.table import Column, output_width, say_left_out, table_lines

    columns = (
        Column("ref", cut=True, least=24),
        Column("patient", 3, cut=True),
        Column("born", 4),
        Column("payer", cut=True),
        Column("payer id", 1),
        Column("member id"),
        Column("plan", 5),
        Column("group", 6),
        Column("from"),
        Column("to", 2),
        Column("by", 7),
        Column(""),
    )
    marks: set[str] = set()
    left_out: list[str] = []
    rows = ([_cells(line, marks) for line in each_coverage(page)] for page in pages)
    lines = table_lines(columns, rows, output_width(), left_out)
    printed = False
    for line in lines:
        say(line)
        printed = True
    if not printed:
        say("cdpoll: no coverage was found yet, or none that you ask for", err=True)
    for mark in sorted(marks):
        say(f"{mark}  {_MEANS[mark]}", err=True)
    say_left_out(left_out)


_MEANS = {
    "!": "something is odd in the answer: `cdpoll show`, or `cdpoll found --json`, says what",
    "early": "found while the vendor still searches; it may say otherwise at the end",
}


def _cells(line: Json, marks: set[str]) -> list[str]:
    """In the order of the columns; ``marks`` gets those that the line has."""
    patient = line["patient"]
    odd = {one["code"] for one in line["warnings"]} - OF_ENVELOPE
    mine = [mark for mark, is_so in (("early", line["provisional"]), ("!", odd)) if is_so]
    marks.update(mine)
    name = ", ".join(patient[key] for key in ("last_name", "first_name") if patient[key])
    cells = (
        line["ref"] or _abbreviated(line["id"]),
        name,
        patient["birth_date"],
        line["payer"] or line["payer_id"],
        line["payer_id"],
        line["member_id"],
        line["plan"],
        line["group_number"],
        line["begins"],
        line["ends"],
        line["path"] or line["source"],
        " ".join(mine),
    )
    return [cell or "" for cell in cells[:-1]] + [cells[-1]]


def _abbreviated(task_id: str | None) -> str:
    """The beginning of an id, by which a person finds it again."""
    return "" if task_id is None else task_id if len(task_id) <= 12 else f"{task_id[:8]}…"
