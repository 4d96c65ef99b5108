"""``cdpoll config``: the configuration as computed, and everything that is wrong with it."""

import os
from typing import Any

import click

from cli.output import AS_JSON, dumped
from worker.config import Config, ConfigurationMistakes, load
from worker.config.keys import SECTIONS


@click.group()
def config() -> None:
    """Show or check the configuration."""


@config.command()
@AS_JSON
@click.pass_obj
def show(obj: dict[str, Any], as_json: bool) -> None:
    """Print every key as computed, and where its value comes from.

    Secrets are shown as the reference that names them, never as themselves.
    """
    found = load(obj["config"], os.environ)
    keys = _keys(found)
    if as_json:
        click.echo(
            dumped(
                {
                    "config": None if found.source is None else str(found.source),
                    "files": [str(path) for path in found.files],
                    "keys": keys,
                    "warnings": [warning.as_json() for warning in found.warnings],
                }
            )
        )
        return
    click.echo(f"# {found.source or 'from the environment alone'}")
    for section in SECTIONS:
        absent = getattr(found, section.name) is None
        click.echo(f"\n[{section.name}]" + "  # not configured" * absent)
        rows = [row for row in keys if row["section"] == section.name and not absent]
        written = [f"{row['key']} =" if row["value"] is None else f"{row['key']} = {row['value']}" for row in rows]
        width = max(map(len, written), default=0)
        for text, row in zip(written, rows, strict=True):
            click.echo(f"{text:{width}}  # {row['from']}")
    _warn(found)


@config.command()
@AS_JSON
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """List everything that is wrong, with file and line; exit 78 if anything is.

    Warnings alone are exit 0. No secret is looked up.
    """
    try:
        found = load(ctx.obj["config"], os.environ)
    except ConfigurationMistakes as error:
        if not as_json:
            raise
        mistakes = [mistake.as_json() for mistake in error.mistakes]
        click.echo(dumped({"ok": False, "mistakes": mistakes, "warnings": []}))
        ctx.exit(error.exit_code)
    if as_json:
        warnings = [warning.as_json() for warning in found.warnings]
        click.echo(dumped({"ok": True, "mistakes": [], "warnings": warnings}))
        return
    _warn(found)
    click.echo(f"the configuration is right: {', '.join(map(str, found.files)) or 'from the environment alone'}")


def _keys(found: Config) -> list[dict[str, str | None]]:
    """Every key in the order of the table; ``value`` is null where nothing is set."""
    rows: list[dict[str, str | None]] = []
    for section in SECTIONS:
        values = getattr(found, section.name)
        for key in section.keys:
            value = None if values is None else getattr(values, key.field)
            rows.append(
                {
                    "section": section.name,
                    "key": key.name,
                    "value": None if not value and value != 0 else key.kind.show(value),
                    "from": str(found.places[section.name, key.name]),
                }
            )
    return rows


def _warn(found: Config) -> None:
    for warning in found.warnings:
        click.echo(f"warning: {warning}", err=True)
