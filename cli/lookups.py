"""``cdpoll lookups``: requests whose answer was lost, and what came of looking for them."""

from collections.abc import Iterator
from typing import Any

import click

from cli.audit import audited
from cli.groups import Group
from cli.opening import opened
from cli.output import AS_JSON, Row, echo_pages, say_dropped, say_pages
from cli.who import who
from worker.store.tasks import lookups as store
from worker.store.views import lookups as view

HEADER = f"{'number':<6}  {'state':<9}  {'recorded':<24}  {'searches':<8}  correlation id; the ref"

_WHY = {store.DOUBTFUL: "found, and recorded without the ref: it is not sure whose it is"}


@click.group(cls=Group)
def lookups() -> None:
    """Requests whose answer was lost: their discoveries are looked for by the correlation id."""


@lookups.command("list")
@AS_JSON
@click.pass_obj
def list_(obj: dict[str, Any], as_json: bool) -> None:
    """Print each with its number, and what came of it."""
    by = who()
    with opened(obj) as here:
        pages = view.pages(here.store)
        if as_json:
            audited(here.store, by, "listed lookups", None, here.now)
            echo_pages("lookups", pages)
            return
        say_pages(pages, HEADER, _lines, "nothing is looked for")


def _lines(item: Row) -> Iterator[str]:
    ref = f"; {item['ref']}" if item["ref"] else ""
    error = item["last_error"]
    why = f"  ({_WHY.get(error, error)})" if error else ""
    yield (
        f"{item['number']:<6}  {item['state']:<9}  {item['recorded_at']:<24}  {item['searches']:<8}  "
        f"{item['correlation_id']}{ref}{why}"
    )


@lookups.command()
@click.argument("numbers", metavar="[NUMBER]...", type=int, nargs=-1)
@click.option("--ended", is_flag=True, help="All that were found or have expired.")
@click.pass_obj
def drop(obj: dict[str, Any], numbers: tuple[int, ...], ended: bool) -> int:
    """Look for these no further, and forget them. Tasks that were found stay."""
    if ended == bool(numbers):
        raise click.UsageError("give the numbers to drop, or --ended")
    by = who()
    with opened(obj) as here:
        wanted = list(dict.fromkeys(numbers))
        gone = store.drop(here.store, wanted or None, here.now, by)
    return say_dropped(wanted, gone, "none of these numbers is known", "cdpoll lookups list")
