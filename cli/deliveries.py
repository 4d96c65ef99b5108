"""``cdpoll deliveries``: what is under way to the ways out, and what was given up."""

from collections.abc import Iterator
from typing import Any

import click

from cli.groups import Group
from cli.opening import Opened, opened
from cli.output import AS_JSON, echo_pages, say
from cli.table import Column, output_width, table_lines
from cli.who import who
from worker.core.errors import BadData
from worker.core.instant import about, from_iso
from worker.store import deliveries_by_hand as by_hand
from worker.store.views import deliveries as view

LIST = "`cdpoll deliveries list` shows what there is"

WAY = click.option("--way", metavar="NAME", help="Only of this way out.")
SUBTENANT = click.option("--subtenant", metavar="TEXT", help="Only results of tasks that were recorded with this tag.")
NUMBERS = click.argument("numbers", metavar="[SEQ]...", type=click.IntRange(1), nargs=-1)


@click.group(cls=Group)
def deliveries() -> None:
    """What waits to be delivered, has failed or was given up; what was delivered is not listed."""


@deliveries.command("list")
@WAY
@click.option("--state", type=click.Choice(["waiting", "failed", "dead"]), help="Only these.")
@SUBTENANT
@AS_JSON
@click.pass_obj
def list_(obj: dict[str, Any], way: str | None, state: str | None, subtenant: str | None, as_json: bool) -> None:
    """Print each with its number, its task and why the last attempt failed."""
    with opened(obj) as here:
        _known(here, way)
        pages = view.pages(here.store, way, state, subtenant)
        if as_json:
            echo_pages("deliveries", pages)
            return
        printed = False
        for line in table_lines(_COLUMNS, _rows(pages, here.now), output_width()):
            say(line)
            printed = True
    if not printed:
        say("cdpoll: nothing of that sort waits to be delivered", err=True)


_COLUMNS = (
    Column("way"),
    Column("seq"),
    Column("subtenant", 2, cut=True),
    Column("id", 2),
    Column("state"),
    Column("attempts", 1),
    Column("next", 1),
    Column("error", 0, cut=True, least=14),
    Column("detail", 3, cut=True, least=14),
)


def _rows(pages: Iterator[list[view.Json]], now: int) -> Iterator[list[list[str]]]:
    for page in pages:
        yield [
            [
                one["way"],
                str(one["seq"]),
                one["subtenant"] or "",
                one["id"] or "",
                one["state"],
                str(one["attempts"]),
                _when(one, now),
                one["error"] or "",
                one["detail"] or "",
            ]
            for one in page
        ]


def _when(one: view.Json, now: int) -> str:
    next_at = from_iso(one["next_at"])
    if next_at is None:
        return ""
    return f"in {about(next_at - now)}" if next_at > now else "now"


@deliveries.command()
@NUMBERS
@click.option("--all", "every", is_flag=True, help="All that have failed or are dead; a way that stopped begins again.")
@WAY
@click.pass_obj
def retry(obj: dict[str, Any], numbers: tuple[int, ...], every: bool, way: str | None) -> int:
    """Send these now, with a fresh schedule."""
    if every == bool(numbers):
        raise click.UsageError("give the numbers to send, or --all")
    by = who()
    with opened(obj) as here:
        _known(here, way)
        if every:
            chosen = by_hand.keys(here.store, way=way, states=("failed", "dead"))
            begin = by_hand.ways(here.store) if way is None else [way]
            done, begun = by_hand.retry(here.store, chosen, begin, here.now, by)
            say(f"{done} to be sent now", *(f"{name} begins again, with what waits" for name in begun))
            return 0
        chosen = by_hand.keys(here.store, way=way, numbers=numbers)
        by_hand.retry(here.store, chosen, [], here.now, by)
    return _tell(numbers, chosen, "to be sent now")


@deliveries.command()
@NUMBERS
@click.option("--all-dead", is_flag=True, help="All that were given up.")
@WAY
@click.pass_obj
def skip(obj: dict[str, Any], numbers: tuple[int, ...], all_dead: bool, way: str | None) -> int:
    """Never send these."""
    if all_dead == bool(numbers):
        raise click.UsageError("give the numbers to skip, or --all-dead")
    by = who()
    with opened(obj) as here:
        _known(here, way)
        if all_dead:
            done = by_hand.skip(here.store, by_hand.keys(here.store, way=way, states=("dead",)), here.now, by)
            click.echo(f"{done} skipped")
            return 0
        chosen = by_hand.keys(here.store, way=way, numbers=numbers)
        by_hand.skip(here.store, chosen, here.now, by)
    return _tell(numbers, chosen, "skipped")


@deliveries.command()
@click.option("--from", "first", metavar="SEQ", type=click.IntRange(1), required=True, help="The first number.")
@click.option("--to", "last", metavar="SEQ", type=click.IntRange(1), required=True, help="The last one.")
@WAY
@click.pass_obj
def replay(obj: dict[str, Any], first: int, last: int, way: str | None) -> int:
    """Send again what was delivered under these numbers, to a receiver that has lost it."""
    if last < first:
        raise click.UsageError("--to is before --from")
    by = who()
    from worker.daemon.ways_out import rules_of
    from worker.rounds.deliver.replaying import replay as again

    with opened(obj, whole=True) as here:
        ways = [rules_of(one) for one in here.config.deliver if way in (None, one.name)]
        if not ways:
            what = "no way out is configured" if way is None else f"there is no [deliver.{way}]"
            raise BadData(what, "`cdpoll config show` names the ways out")
        for one in ways:
            many = again(here.store, one, (first, last), here.now, by)
            say(f"{one.name}: {many} to be sent again")
    return 0


def _known(here: Opened, way: str | None) -> None:
    """Raises BadData for a way that was never used."""
    if way is not None and way not in by_hand.ways(here.store):
        raise BadData(f"no way out {way} was ever used", "`cdpoll status` names the ways out")


def _tell(numbers: tuple[int, ...], chosen: list[by_hand.Key], said: str) -> int:
    """Say what was done; 65 if nothing was, 1 if a part of it."""
    for key in chosen:
        say(f"{key.number} ({key.way}) {said}")
    refused = sorted({*numbers} - {key.number for key in chosen})
    for number in refused:
        say(f"cdpoll: {number} does not wait to be delivered: it was delivered or skipped, or is not there", err=True)
    if refused:
        say(f"        {LIST}; `cdpoll deliveries replay` sends again what was delivered", err=True)
    if not refused:
        return 0
    return 1 if chosen else 65
