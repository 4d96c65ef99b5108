"""``cdpoll db move``: the database goes from a file to a PostgreSQL server, or back."""

import gc
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.opening import RECORDING_TIMEOUT_S, known_store, opened_as, settle_in
from cli.output import AS_JSON, dumped, say
from cli.who import who
from worker.config import Config
from worker.config.secret import Secret, read_reference
from worker.config.store_keys import shown_address
from worker.core.errors import BadData
from worker.store.db.store import Store
from worker.store.opening import identity_of
from worker.store.state import acts
from worker.store.state.moves import standing_of

if TYPE_CHECKING:
    from worker.store.moving.target import NewPlace
    from worker.store.moving.work import MoveReport, Watch

_A_URL = re.compile(r"postgres(ql)?://|\{")

# Folders beside the database with files that stay on this host.
_LOCAL_FOLDERS = ("incoming", "quarantine")


@click.command()
@click.option(
    "--to",
    metavar="URL|PATH",
    help="A database on a server, as [store] url has it, {file PATH} and {env NAME} too; or a file that is not there.",
)
@click.option("--dry-run", is_flag=True, help="Read everything, and see whether it can be moved; move nothing.")
@click.option("--undo", is_flag=True, help="Let the database that was moved away from here take writes again.")
@click.option("--yes", is_flag=True, help="Do not ask, with --undo.")
@AS_JSON
@click.pass_obj
def move(obj: dict[str, Any], to: str | None, dry_run: bool, undo: bool, yes: bool, as_json: bool) -> None:
    """Move the database to a PostgreSQL server, or from there to a file. Stop the daemon first.

    Every row is copied, read back and compared. Then the old one refuses all writes, and says where the data is. A move
    that was cut short has changed nothing: give the same command again. The configuration is yours to change.

    Exit 65: something else is at the new place. Exit 74: a row cannot be held there. Exit 75: a daemon works on it.
    """
    if undo == (to is not None) or (undo and dry_run):
        raise click.UsageError("give --to, or --undo")
    by, found = who(), known_store(obj)
    with opened_as(found, RECORDING_TIMEOUT_S) as here:
        if undo:
            _undo(here.store, by, here.now, yes=yes, as_json=as_json)
            return
        from worker.store.moving import work

        assert to is not None
        target, line = _target(to, found.config, identity_of(here.store))
        gc.disable()  # millions of rows make no circles, and to look for some takes a tenth of the time
        with _watch() as watch:
            if dry_run:
                report = work.rehearse(here.store, target, here.now, watch)
            else:
                report = work.move(here.store, target, by, here.now, watch)
        _tell(here.store, target, report, line, dry_run=dry_run, as_json=as_json)


def _target(to: str, config: Config, identity: str) -> "tuple[NewPlace, str]":
    """The new place, and the line of [store] that names it."""
    from worker.store.moving.into_file import FileTarget

    if not _A_URL.match(to):
        path = Path(to).absolute()
        settle_in(path)
        return FileTarget(path, identity), f"path = {path}"
    from worker.store.opening import needs_psycopg

    needs_psycopg()
    from worker.store.moving.into_server import ServerTarget

    url = _url(to)
    return ServerTarget(config.store._replace(url=url).place, identity), f"url = {url.shown}"


def _url(to: str) -> Secret:
    try:
        secret = read_reference("--to", to, Path.cwd(), os.environ, check=shown_address)
        if secret is not None:
            return secret
        shown = shown_address(to)
    except ValueError as error:
        raise click.UsageError(f"--to {error}") from None
    if "(not shown)" in shown:
        say("warning: others can read this command line, and the password in it; {file PATH} is safer", err=True)
    return Secret("--to", "literal", to, shown=shown)


def _undo(store: Store, by: str, now: int, *, yes: bool, as_json: bool) -> None:
    moved = standing_of(store).moved
    if moved is None:
        raise BadData(f"{store.name} was not moved", "[store] names the database that --undo is about")
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("this needs --yes where no one can be asked")
        question = f"use {store.name} again, without what came to {moved.other} since?"
        click.confirm(question, abort=True, err=True)
    from worker.store.moving.sealing import unseal

    with store.write():
        unseal(store)
        acts.note(store, by, "took a moved database back", f"from {moved.other}", now)
    said = f"{store.name}: takes writes again; see that nothing writes to {moved.other} any more"
    click.echo(dumped({"database": store.name, "other": moved.other}) if as_json else said)


class _Silent:
    def total(self, rows: int) -> None:
        """Nothing."""

    def done(self, rows: int) -> None:
        """Nothing."""


@contextmanager
def _watch() -> "Iterator[Watch]":
    """Progress on a terminal; else nothing."""
    if not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import Progress, TaskID

    with Progress(console=Console(stderr=True), transient=True) as shown:

        class Shown:
            bar = TaskID(0)

            def total(self, rows: int) -> None:
                self.bar = shown.add_task("rows", total=rows)

            def done(self, rows: int) -> None:
                shown.advance(self.bar, rows)

        yield Shown()


def _tell(source: Store, target: "NewPlace", report: "MoveReport", line: str, *, dry_run: bool, as_json: bool) -> None:
    rows = sum(one.rows for one in report.tables.values())
    kept = [str(source.path.parent / name) for name in _LOCAL_FOLDERS if (source.path.parent / name).is_dir()]
    if as_json:
        tables = {name: one._asdict() for name, one in report.tables.items()}
        said = {"from": source.name, "to": target.name, "dry_run": dry_run, "already": report.already}
        click.echo(dumped({**said, "configuration": line, "kept_here": kept, "tables": tables}))
        return
    if dry_run:
        say(f"{source.name}: {rows} rows of {len(report.tables)} tables can be moved to {target.name}")
        return
    if report.already and not report.tables:
        say(f"{source.name}: was moved to {target.name} before")
    else:
        say(f"{target.name}: {rows} rows of {len(report.tables)} tables, the same as in {source.name}")
    say(f"{source.name} refuses writes from now on")
    say("write into the configuration, then start the daemon:", "", "    [store]", f"    {line}", "")
    if kept and target.to_server:
        say(f"and leave [store] path as it is: {' and '.join(kept)} stay here")
    elif kept:
        say(f"{' and '.join(kept)} must lie beside the new file: move them where they are elsewhere")
