"""``cdpoll deliveries``: what is under way to the ways out, and what was given up."""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from cli.groups import Group
from cli.opening import Opened, opened
from cli.output import AS_JSON, dumped, echo_pages, say
from cli.table import Column, output_width, table_lines
from cli.who import who
from worker.core.errors import BadData
from worker.core.instant import about, from_iso
from worker.store import deliveries_by_hand as by_hand
from worker.store.deliveries import position
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
@SUBTENANT
@AS_JSON
@click.pass_obj
def retry(
    obj: dict[str, Any], numbers: tuple[int, ...], every: bool, way: str | None, subtenant: str | None, as_json: bool
) -> int:
    """Send these now, with a fresh schedule. A way that has stopped begins again, with all that waits on it."""
    if every == bool(numbers):
        raise click.UsageError("give the numbers to send, or --all")
    by = who()
    with opened(obj) as here:
        _known(here, way)
        if every:
            chosen = by_hand.keys(here.store, way=way, subtenant=subtenant, states=("failed", "dead"))
            begin = [way] if way is not None else _ways_of(here, subtenant)
        else:
            chosen, begin = by_hand.keys(here.store, way=way, subtenant=subtenant, numbers=numbers), []
        done, begun = by_hand.retry(here.store, chosen, begin, here.now, by)
    refused = _refused(numbers, done)
    if as_json:
        echo_pages("done", _each(done), refused=refused, begun=[{"way": name} for name in begun])
    else:
        _tell(done, "to be sent now", each=not every)
        say(*(f"{name} begins again, with what waits" for name in begun))
    return _refusals(refused, done, as_json)


def _ways_of(here: Opened, subtenant: str | None) -> list[str]:
    """All ways; of a subtenant, those on which something of it waits."""
    if subtenant is None:
        return by_hand.ways(here.store)
    return sorted({key.way for key in by_hand.keys(here.store, subtenant=subtenant)})


@deliveries.command()
@NUMBERS
@click.option("--all-dead", is_flag=True, help="All that were given up.")
@WAY
@SUBTENANT
@AS_JSON
@click.pass_obj
def skip(
    obj: dict[str, Any], numbers: tuple[int, ...], all_dead: bool, way: str | None, subtenant: str | None, as_json: bool
) -> int:
    """Never send these."""
    if all_dead == bool(numbers):
        raise click.UsageError("give the numbers to skip, or --all-dead")
    by = who()
    with opened(obj) as here:
        _known(here, way)
        if all_dead:
            chosen = by_hand.keys(here.store, way=way, subtenant=subtenant, states=("dead",))
        else:
            chosen = by_hand.keys(here.store, way=way, subtenant=subtenant, numbers=numbers)
        done = by_hand.skip(here.store, chosen, here.now, by)
    refused = _refused(numbers, done)
    if as_json:
        echo_pages("done", _each(done), refused=refused)
    else:
        _tell(done, "skipped", each=not all_dead)
    return _refusals(refused, done, as_json)


@deliveries.command()
@click.option("--from", "first", metavar="SEQ", type=click.IntRange(1), required=True, help="The first number.")
@click.option("--to", "last", metavar="SEQ", type=click.IntRange(1), required=True, help="The last one.")
@WAY
@SUBTENANT
@AS_JSON
@click.pass_obj
def replay(obj: dict[str, Any], first: int, last: int, way: str | None, subtenant: str | None, as_json: bool) -> int:
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
        told = []
        for one in ways:
            rules = one if subtenant is None else one.of(subtenant)
            letters = again(here.store, rules, (first, last), here.now, by)
            why = _why_stopped(here, one.name)
            told.append({"way": one.name, "letters": letters, "stopped": why is not None, "reason": why})
            if not as_json:
                _tell_again(one.name, letters, why)
    if as_json:
        click.echo(dumped({"ways": told}))
    return 0


def _why_stopped(here: Opened, way: str) -> str | None:
    """``None``: it is not stopped."""
    place = position(here.store, way)
    return None if place is None or place.way.stopped_at is None else place.way.reason or "its receiver said so"


def _tell_again(way: str, letters: int, why_stopped: str | None) -> None:
    say(f"{way}: {letters} to be sent again")
    if why_stopped is not None:
        say(f"cdpoll: {way} is stopped, and nothing is sent: {why_stopped}", err=True)
        say(f"        mend its receiver; `cdpoll deliveries retry --all --way {way}` then begins it again", err=True)


def _known(here: Opened, way: str | None) -> None:
    """Raises BadData for a way that was never used."""
    if way is not None and way not in by_hand.ways(here.store):
        raise BadData(f"no way out {way} was ever used", "`cdpoll status` names the ways out")


def _each(done: Iterable[by_hand.Key]) -> Iterator[list[view.Json]]:
    return ([{"way": key.way, "seq": key.number}] for key in done)


def _tell(done: list[by_hand.Key], said: str, *, each: bool) -> None:
    say(*(f"{key.number} ({key.way}) {said}" for key in done) if each else (f"{len(done)} {said}",))


_WHY_NOT = "does not wait to be delivered: it was delivered or skipped, is of another way or subtenant, or is not there"


def _refused(numbers: tuple[int, ...], done: list[by_hand.Key]) -> list[view.Json]:
    """The numbers of which nothing was done."""
    return [{"seq": number, "reason": _WHY_NOT} for number in sorted({*numbers} - {key.number for key in done})]


def _refusals(refused: list[view.Json], done: list[by_hand.Key], as_json: bool) -> int:
    """65 if nothing was done of what was asked for by its number, 1 if a part of it."""
    if not refused:
        return 0
    if not as_json:
        say(*(f"cdpoll: {one['seq']} {one['reason']}" for one in refused), err=True)
        say(f"        {LIST}; `cdpoll deliveries replay` sends again what was delivered", err=True)
    return 1 if done else 65
