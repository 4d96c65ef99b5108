"""``cdpoll show``: one task, what came of it and how it went."""

import sys
from typing import Any, NamedTuple

import click

from cli.answer_report import answer_lines
from cli.audit import audited
from cli.completion import complete_id
from cli.opening import Opened, opened
from cli.output import AS_JSON, dumped, json_seen, say
from cli.task_report import lines
from cli.who import who
from worker.config.polling import delay_per_request_of, schedule_of
from worker.core.errors import BadData
from worker.store.db.store import Store
from worker.store.views import tasks
from worker.store.views.findings import answers_in_full
from worker.store.views.report import body_of
from worker.store.views.report import show as report


@click.command()
@click.argument("name", metavar="[ID|PREFIX]", required=False, shell_complete=complete_id)
@click.option("--ref", metavar="TEXT", help="The tasks with this key of yours, in place of an id.")
@click.option("--benefits", is_flag=True, help="Add all that the answers say, each benefit in words.")
@click.option("--body", is_flag=True, help="Add the body as it was received.")
@AS_JSON
@click.pass_obj
def show(obj: dict[str, Any], name: str | None, ref: str | None, benefits: bool, body: bool, as_json: bool) -> None:
    """What came of one task, and its life: how it came in, what was seen, how it ended."""
    if (name is None) == (ref is None):
        raise click.UsageError("give an id, the beginning of one, or --ref")
    by = who()
    with opened(obj) as here:
        ids = ids_of(here.store, name, ref)
        if len(ids) > 1 and (ref is None or as_json):
            raise several(ids, "have this ref" if name is None else f"begin with {name}")
        for number, task_id in enumerate(ids):
            if body or as_json:
                audited(here.store, by, "showed body" if body else "showed task", task_id, here.now)
            if number:
                click.echo("")
            _show(here, task_id, _Extent(benefits, body), as_json)


def ids_of(store: Store, name: str | None, ref: str | None) -> list[str]:
    """The ids that begin with ``name``, or that have this ref. Raises BadData where there is none."""
    if ref is not None:
        ids = tasks.ids_with_ref(store, ref)
        if not ids:
            raise BadData("no task with this ref is recorded here", "`cdpoll tasks` lists them; refs keep letter case")
        return ids
    ids = tasks.ids_named(store, name) if name else []
    if not ids:
        raise BadData(f"no task {name} is recorded here", "`cdpoll record` makes one; ids keep their letter case")
    return ids


_SHOWN_IDS = 10


def several(ids: list[str], why: str) -> BadData:
    """The error that several tasks are meant where one must be."""
    more = ", and more" if len(ids) > _SHOWN_IDS else ""
    return BadData(f"several tasks {why}: {', '.join(ids[:_SHOWN_IDS])}{more}", "give one of these ids")


class _Extent(NamedTuple):
    """What is shown beside the report."""

    benefits: bool
    body: bool


def _show(here: Opened, task_id: str, extent: _Extent, as_json: bool) -> None:
    found = report(
        here.store,
        task_id,
        body=extent.body and as_json,
        schedule=schedule_of(here.config),
        least_delay_ms=delay_per_request_of(here.config.polling),
    )
    if found is None:  # it was taken away just now
        raise BadData(f"no task {task_id} is recorded here")
    full = answers_in_full(here.store, task_id) if extent.benefits else []
    if as_json:
        if extent.benefits:
            found["answers_in_full"] = [{"told_by": teller, "said": said} for teller, said in full]
        click.echo(dumped(found))
        return
    say(*lines(found, here.now))
    for teller, said in full:
        say(*answer_lines(teller, said))
    if extent.body:
        click.echo("")
        _show_body(body_of(here.store, task_id), purged=found["headline"].startswith("purged"))


def _show_body(raw: bytes | None, *, purged: bool) -> None:
    """As received; on a terminal, with what cannot be seen in escapes of JSON."""
    if raw is None:
        click.echo("the body was purged" if purged else "no body yet")
    elif sys.stdout.isatty():
        say(*json_seen(raw.decode("utf-8", "replace")).splitlines())
    else:
        click.echo(raw)
