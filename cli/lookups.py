"""``cdpoll lookups``: requests whose answer was lost, and what came of looking for them."""

from typing import Any

import click

from cli.audit import audited
from cli.groups import Group
from cli.opening import opened
from cli.output import AS_JSON, echo_pages, say
from cli.who import who
from worker.core.errors import BadData
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
        came = False
        for page in pages:
            say(*([] if came else [HEADER]), *(_line(item) for item in page))
            came = True
    if not came:
        say("cdpoll: nothing is looked for", err=True)


def _line(item: dict[str, Any]) -> str:
    ref = f"; {item['ref']}" if item["ref"] else ""
    error = item["last_error"]
    why = f"  ({_WHY.get(error, error)})" if error else ""
    return (
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
    if wanted and not gone:
        raise BadData("none of these numbers is known", "`cdpoll lookups list` shows them")
    click.echo(f"dropped {', '.join(map(str, gone)) if wanted else len(gone)}")
    return 0 if len(gone) == len(wanted) or not wanted else 1
