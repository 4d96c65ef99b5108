"""``cdpoll config``: the configuration as computed, and everything that is wrong with it."""

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import click

from cli.groups import Group
from cli.opening import become, owner_of
from cli.output import AS_JSON, dumped
from worker.config import EXAMPLE, Config, ConfigurationMistakes, Mistake, examine, load, load_store
from worker.config.keys import SECTIONS
from worker.config.table import Section
from worker.config.ways import written_ways
from worker.ownership import user_name


@click.group(cls=Group)
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
    for section, values in _sections(found):
        absent = values is None
        click.echo(f"\n[{section.name}]" + "  # not configured" * absent)
        rows = [row for row in keys if row["section"] == section.name and not absent]
        written = [f"{row['key']} =" if row["value"] is None else f"{row['key']} = {row['value']}" for row in rows]
        width = max(map(len, written), default=0)
        for text, row in zip(written, rows, strict=True):
            click.echo(f"{text:{width}}  # {row['from']}")
    _warn(found.warnings)


@config.command()
@click.option("--user", metavar="NAME", help="As root: read as this user, not as the owner of the state folder.")
@AS_JSON
@click.pass_context
def check(ctx: click.Context, user: str | None, as_json: bool) -> None:
    """List everything that is wrong, with file and line; exit 78 if anything is.

    Reads as the service's user would what the daemon needs: secrets, keys, certificates, the database. Root becomes
    the owner of the state folder for it. No secret is shown, and nothing is asked of the vendor. Warnings alone are
    exit 0.
    """
    from cli.trial import tried

    become_reader(ctx.obj, user)
    reader = user_name(os.geteuid())
    examined = examine(ctx.obj["config"], os.environ)
    trial = tried(examined)
    mistakes = examined.mistakes + trial.mistakes
    found = examined.config
    warnings = [*(() if found is None else found.warnings), *trial.warnings]
    if as_json:
        _tell(reader, mistakes, warnings, trial.unchecked)
        ctx.exit(ConfigurationMistakes.exit_code if mistakes else 0)
    _warn(warnings)
    for one in trial.unchecked:
        click.echo(f"note: cannot be checked here, only where the service runs: {one}", err=True)
    if mistakes or found is None:
        raise ConfigurationMistakes(mistakes, f"read as {reader}; {EXAMPLE if found else examined.hint}")
    files = ", ".join(map(str, found.files)) or "from the environment alone"
    click.echo(f"the configuration is right, read as {reader}: {files}")


@config.command()
def example() -> None:
    """Print a configuration to begin with: every key, explained, and commented out."""
    from worker.config.reference import example_ini

    click.echo(example_ini(), nl=False)


def _tell(reader: str, mistakes: list[Mistake], warnings: list[Mistake], unchecked: list[Mistake]) -> None:
    told: dict[str, Any] = {"ok": not mistakes, "read_as": reader}
    lists = {"mistakes": mistakes, "warnings": warnings, "unchecked": unchecked}
    click.echo(dumped(told | {name: [one.as_json() for one in found] for name, found in lists.items()}))


def become_reader(obj: dict[str, Any], user: str | None) -> None:
    """As root: become the user that the service runs as, where that can be told. Who calls says as whom it reads."""
    if os.geteuid() != 0:
        if user is not None and user != user_name(os.geteuid()):
            raise click.UsageError("only root can read as another user")
        return
    if user is not None:
        import pwd

        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            raise click.UsageError(f"there is no user {user}") from None
        become(entry.pw_uid, entry.pw_gid)
        return
    # Where [store] cannot be told, what is wrong with it is found as root.
    with suppress(ConfigurationMistakes):
        uid, gid = owner_of(load_store(obj["config"], os.environ).config.store.path)
        if uid != 0:
            become(uid, gid)


def _sections(found: Config) -> list[tuple[Section, Any]]:
    """Every section with its values, ``None`` where it is not written; the ways out behind the others."""
    return [(section, getattr(found, section.name)) for section in SECTIONS] + written_ways(found)


def _keys(found: Config) -> list[dict[str, str | None]]:
    """Every key in the order of the table; ``value`` is null where nothing is set."""
    rows: list[dict[str, str | None]] = []
    for section, values in _sections(found):
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


def _warn(warnings: Iterable[Mistake]) -> None:
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
