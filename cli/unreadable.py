"""``cdpoll unreadable``: what was handed in and could not be read."""

from typing import Any

import click

from cli.opening import opened
from cli.output import AS_JSON, dumped
from worker.core.errors import BadData
from worker.store.tasks import unreadable as store


@click.group()
def unreadable() -> None:
    """What was handed in to `record` and named no task that could be read."""


@unreadable.command("list")
@AS_JSON
@click.pass_obj
def list_(obj: dict[str, Any], as_json: bool) -> None:
    """Print each with its number, the reason and the raw text, which may hold patient data."""
    with opened(obj) as here:
        items = store.listed(here.store)
    if as_json:
        click.echo(dumped({"unreadable": items}))
    for item in [] if as_json else items:
        click.echo(
            f"{item['number']}  {item['first_at']}  {item['reason']}" + (f"  ref {item['ref']}" if item["ref"] else "")
        )
        click.echo(f"    {item['raw']!r}")


@unreadable.command()
@click.argument("numbers", metavar="NUMBER...", type=int, nargs=-1, required=True)
@click.pass_obj
def drop(obj: dict[str, Any], numbers: tuple[int, ...]) -> int:
    """Forget these: their tasks were recorded in another way, or there were none."""
    with opened(obj) as here:
        gone = store.drop(here.store, numbers)
    if not gone:
        raise BadData("none of these numbers is known", "`cdpoll unreadable list` shows them")
    click.echo(f"dropped {', '.join(map(str, gone))}")
    return 0 if len(gone) == len(set(numbers)) else 1
