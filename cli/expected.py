"""``cdpoll expected``: answers of batches that are expected without an id."""

from collections.abc import Iterator
from typing import Any

import click

from cli.age import age
from cli.audit import audited
from cli.groups import Group
from cli.opening import opened
from cli.output import AS_JSON, Row, echo_pages, say_dropped, say_pages
from cli.who import who
from worker.core.problems import counted
from worker.store.tasks import expected as store
from worker.store.views import expected as view

HEADER = f"{'number':<6}  {'waited for since':<24}  trace number; the ref"


@click.group(cls=Group)
def expected() -> None:
    """Answers of batches that are expected without an id, by the trace number of the inquiry."""


@expected.command("list")
@click.option("--overdue", "age_ms", metavar="D", callback=age, help="Only those waited for longer than that: 7d, 12h.")
@AS_JSON
@click.pass_obj
def list_(obj: dict[str, Any], age_ms: int | None, as_json: bool) -> None:
    """Print what is still waited for, each with its number and ref. The refs may be patient data."""
    by = who()
    with opened(obj) as here:
        pages = view.pages(here.store, None if age_ms is None else here.now - age_ms)
        if as_json:
            audited(here.store, by, "listed expected answers", None, here.now)
            echo_pages("expected", pages)
            return
        say_pages(pages, HEADER, _lines, "no answer is waited for" + ("" if age_ms is None else " that long"))


def _lines(item: Row) -> Iterator[str]:
    alike = item["candidates"]
    beside = f"  ({counted(alike, 'answer')} with that number joined to nothing)" if alike else ""
    yield f"{item['number']:<6}  {item['recorded_at']:<24}  {item['trace_number']}; {item['ref']}{beside}"


@expected.command()
@click.argument("numbers", metavar="[NUMBER]...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that are waited for when the command begins.")
@click.pass_obj
def drop(obj: dict[str, Any], numbers: tuple[int, ...], every: bool) -> int:
    """Stop waiting for these. What was answered stays: its answer goes out under its ref."""
    if every == bool(numbers):
        raise click.UsageError("give the numbers to drop, or --all")
    by = who()
    with opened(obj) as here:
        wanted = list(dict.fromkeys(numbers))
        gone = store.drop(here.store, wanted or None, here.now, by)
    return say_dropped(wanted, gone, "none of these numbers is waited for", "cdpoll expected list")
