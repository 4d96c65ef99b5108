"""``cdpoll db``: the database file."""

import os
from typing import Any

import click

from cli.opening import opened
from cli.output import AS_JSON, dumped
from worker.config import load


@click.group()
def db() -> None:
    """The database: where it is, and whether it is whole."""


@db.command()
@AS_JSON
@click.pass_obj
def path(obj: dict[str, Any], as_json: bool) -> None:
    """Print where the database is, whether it is there yet or not."""
    where = str(load(obj["config"], os.environ).store.path)
    click.echo(dumped({"database": where}) if as_json else where)


@db.command()
@AS_JSON
@click.pass_obj
def integrity(obj: dict[str, Any], as_json: bool) -> int:
    """Read every page of the database and check it; exit 74 if anything is wrong."""
    with opened(obj) as here:
        wrong = here.store.wrong()
        where = str(here.store.path)
    if as_json:
        click.echo(dumped({"database": where, "ok": not wrong, "wrong": wrong}))
    elif wrong:
        click.echo("\n".join(wrong))
    else:
        click.echo(f"{where}: whole")
    return 74 if wrong else 0
