"""``cdpoll db``: the database file."""

import json
import os
from typing import Any

import click

from cli.opening import opened
from worker.config import load


@click.group()
def db() -> None:
    """The database: where it is, and whether it is whole."""


@db.command()
@click.pass_obj
def path(obj: dict[str, Any]) -> None:
    """Print where the database is."""
    click.echo(str(load(obj["config"], os.environ).store.path))


@db.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def integrity(obj: dict[str, Any], as_json: bool) -> int:
    """Read every page of the database and check it; exit 74 if anything is wrong."""
    with opened(obj) as house:
        found = [str(row[0]) for row in house.store.read("PRAGMA integrity_check(20)")]
        found += [f"{row[0]}: a row refers to nothing" for row in house.store.read("PRAGMA foreign_key_check")][:20]
        where = str(house.store.path)
    wrong = [line for line in found if line != "ok"]
    if as_json:
        click.echo(json.dumps({"database": where, "ok": not wrong, "wrong": wrong}, indent=2))
    elif wrong:
        click.echo("\n".join(wrong))
    else:
        click.echo(f"{where}: whole")
    return 74 if wrong else 0
