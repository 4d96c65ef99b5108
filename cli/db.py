"""``cdpoll db``: the database file."""

import os
import sys
from typing import Any

import click

from cli.groups import Group
from cli.opening import known_store, opened, settle_in
from cli.output import AS_JSON, dumped, say
from worker.clock import Clock
from worker.config import load
from worker.core.instant import iso


@click.group(cls=Group)
def db() -> None:
    """The database: where it is, and whether it is whole."""


@db.command()
@AS_JSON
@click.pass_obj
def path(obj: dict[str, Any], as_json: bool) -> None:
    """Print where the database is, whether it is there yet or not."""
    where = str(known_store(obj).config.store.path)
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
        say(*wrong)
    else:
        click.echo(f"{where}: whole")
    return 74 if wrong else 0


@db.command()
@AS_JSON
@click.pass_obj
def migrate(obj: dict[str, Any], as_json: bool) -> None:
    """Bring the database of an earlier release up to date, after a copy of it was put beside it.

    `cdpoll run` does the same when it starts. Exit 75: a daemon works on the database.
    """
    with opened(obj, migrate=True) as here:
        where, version = str(here.store.path), here.store.version()
    click.echo(dumped({"database": where, "schema": version}) if as_json else f"{where}: schema {version}")


@db.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@AS_JSON
@click.pass_obj
def forget(obj: dict[str, Any], yes: bool, as_json: bool) -> None:
    """Let a new database be made where one was lost, or let another one be used that was put there.

    Removes the marker beside the database. A database that can be used stays where it is; the files of one that cannot
    be used are renamed. What was recorded in a lost database is never polled: restore a copy of it where there is one.
    """
    from worker.store import forgetting

    path = load(obj["config"], os.environ).store.path
    settle_in(path)
    found = forgetting.remains_of(path)
    if found.any and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("this needs --yes where no one can be asked")
        lost = "take the database that lies there" if found.usable else "forget what was recorded there"
        click.confirm(f"{path}: {lost}?", abort=True, err=True)
    suffix = ".forgotten-" + "".join(letter for letter in iso(Clock().now()) if letter.isalnum())
    renamed = forgetting.forget(path, suffix) if found.any else []
    if as_json:
        names = [str(name) for name in renamed]
        click.echo(dumped({"database": str(path), "forgotten": found.any, "usable": found.usable, "renamed": names}))
    elif not found.any:
        click.echo(f"{path}: nothing to forget")
    else:
        kept = "it is used from now on" if found.usable else "the next `cdpoll record` or `cdpoll run` makes a new one"
        click.echo("\n".join([f"{path}: {kept}", *(f"kept as {name}" for name in renamed)]))
