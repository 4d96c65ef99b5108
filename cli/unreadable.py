"""``cdpoll unreadable``: what was handed in and could not be read."""

from typing import Any

import click

from cli.audit import audited
from cli.groups import Group
from cli.opening import opened
from cli.output import AS_JSON, Row, echo_pages, say_dropped, say_pages
from cli.who import who
from worker.store.tasks import unreadable as store

HEADER = f"{'number':<6}  {'first handed in':<24}  why it names no task; below it the text"

SHOWN_CHARS = 2000  # of a text; the longest that are kept would fill many screens


@click.group(cls=Group)
def unreadable() -> None:
    """What was handed in to `record` and named no task that could be read."""


@unreadable.command("list")
@AS_JSON
@click.pass_obj
def list_(obj: dict[str, Any], as_json: bool) -> None:
    """Print each with its number, the reason and the raw text, which may hold patient data."""
    by = who()
    with opened(obj) as here:
        pages = store.pages(here.store)
        if as_json:
            audited(here.store, by, "listed unreadable", None, here.now)
            echo_pages("unreadable", pages)
            return
        say_pages(pages, HEADER, _lines, "nothing unreadable is kept")


def _lines(item: Row) -> tuple[str, str]:
    ref = f"  ref {item['ref']}" if item["ref"] else ""
    raw = item["raw"]
    if len(raw) > SHOWN_CHARS:
        raw = f"{raw[:SHOWN_CHARS]}… ({len(raw):,} characters; --json has them all)"
    return f"{item['number']:<6}  {item['first_at']:<24}  {item['reason']}{ref}", f"        {raw}"


@unreadable.command()
@click.argument("numbers", metavar="[NUMBER]...", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that there are when the command begins.")
@click.pass_obj
def drop(obj: dict[str, Any], numbers: tuple[int, ...], every: bool) -> int:
    """Forget these: their tasks were recorded in another way, or there were none."""
    if every == bool(numbers):
        raise click.UsageError("give the numbers to drop, or --all")
    by = who()
    with opened(obj) as here:
        if every:
            click.echo(f"dropped {store.drop_all(here.store, here.now, by)}")
            return 0
        wanted = list(dict.fromkeys(numbers))
        gone = store.drop(here.store, wanted, here.now, by)
    return say_dropped(wanted, gone, "none of these numbers is known", "cdpoll unreadable list")
