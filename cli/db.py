"""``cdpoll db``: the database file."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from cli.audit import audited, note_act
from cli.db_move import move
from cli.groups import Group
from cli.journal import tell_journal
from cli.opening import Opened, known_store, opened, settle_in
from cli.output import AS_JSON, dumped, say
from cli.who import who
from worker.clock import Clock
from worker.config import load
from worker.core.errors import BadConfiguration, BadData, TryLater
from worker.core.instant import iso, iso_or_none
from worker.store.db.lock import DaemonLock
from worker.store.state import acts, backups
from worker.store.state.acts import Action
from worker.store.state.api import origin_of, rebind_origin
from worker.store.state.daemon import others_live

# What does there what these commands do with a file.
_CHECK = "pg_amcheck reads all tables and indexes there, and pg_verifybackup a backup: docs/postgresql.md"
_COPY = "pg_basebackup or pg_dump makes a copy there: docs/postgresql.md says how, and how a restore is rehearsed"


def _of_a_file(obj: dict[str, Any], command: str, instead: str) -> None:
    """Raise BadData where the database is on a server."""
    if known_store(obj).config.store.url:
        raise BadData(f"`cdpoll db {command}` is for a database file, and [store] url names a server", instead)


@click.group(cls=Group)
def db() -> None:
    """The database: where it is, and whether it is whole."""


db.add_command(move)


@db.command()
@AS_JSON
@click.pass_obj
def path(obj: dict[str, Any], as_json: bool) -> None:
    """Print where the database is, whether it is there yet or not."""
    where = known_store(obj).config.store.place.name
    click.echo(dumped({"database": where}) if as_json else where)


@db.command()
@AS_JSON
@click.pass_obj
def integrity(obj: dict[str, Any], as_json: bool) -> int:
    """Read every page of the database and check it; exit 74 if anything is wrong."""
    _of_a_file(obj, "integrity", _CHECK)
    with opened(obj) as here:
        wrong = here.store.wrong()
        where = here.store.name
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

    On a server no copy is made. Its tables are made where there are none, and roles get the rights that they need.
    """
    by = who()
    with opened(obj, migrate=True) as here:
        where, version, before = here.store.name, here.store.version(), here.store.migrated_from
        shared = here.store.shared
        if shared:
            from worker.store.schema.server import grant

            grant(here.store)
        if before is not None:
            audited(here.store, by, "migrated the database", f"schema {before} to {version}", here.now)
    if as_json:
        click.echo(dumped({"database": where, "schema": version}))
    elif before is None:
        click.echo(f"{where}: schema {version}")
    else:
        kept = "" if shared else f"; as it was: {where}.schema-{before}"
        click.echo(f"{where}: brought from schema {before} to {version}{kept}")


@db.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@AS_JSON
@click.pass_obj
def rebind(obj: dict[str, Any], yes: bool, as_json: bool) -> None:
    """Let the database belong to the API that [api] base_url names now, as after a move of the vendor to another host.

    The tasks in it are asked for there from now on, so it must be the same vendor with the same tasks: the ids of a
    sandbox mean nothing in production. Exit 75: a daemon works on the database.
    """
    by = who()
    with opened(obj, whole=True, patient=True) as here:
        name, origin, before = here.store.name, here.origin, origin_of(here.store)
        if not origin:
            raise BadConfiguration("there is no [api]", "set [api] base_url to the API that knows the tasks now")
        moved = 0
        if before != origin:
            if before is not None and not yes:
                if not sys.stdin.isatty():
                    raise click.UsageError("this needs --yes where no one can be asked")
                click.confirm(f"{name} belongs to {before}; ask {origin} for all of its tasks?", abort=True, err=True)
            lock = DaemonLock(here.store.path)
            try:
                with here.store.write():
                    _refuse_beside_daemons(here)
                    moved = rebind_origin(here.store, origin)
                    acts.note(here.store, by, "rebound the database", f"{before or 'no API'} to {origin}", here.now)
            finally:
                lock.release()
    if as_json:
        click.echo(dumped({"database": name, "before": before, "origin": origin, "tasks": moved}))
    elif before == origin:
        click.echo(f"{name}: belongs to {origin} already")
    else:
        click.echo(f"{name}: belongs to {origin}; {moved} {'task is' if moved == 1 else 'tasks are'} asked for there")


def _refuse_beside_daemons(here: Opened) -> None:
    """A daemon of another host goes on asking the API that it has in its configuration."""
    if others_live(here.store, here.now):
        raise TryLater("a daemon of another host works on this database", "stop the daemons of all hosts first")


@db.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@AS_JSON
@click.pass_obj
def forget(obj: dict[str, Any], yes: bool, as_json: bool) -> None:
    """Let a new database be made where one was lost, or let another one be used that was put there.

    Removes the marker beside the database, or this host's of one on a server. A database that can be used stays where
    it is; the files of one that cannot be used are renamed. What was recorded in a lost database is never polled:
    restore a copy of it where there is one.
    """
    from worker.store import forgetting

    by = who()
    place = load(obj["config"], os.environ).store.place
    name = place.name
    settle_in(place.path)
    found = forgetting.remains_of(place)
    if found.any and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("this needs --yes where no one can be asked")
        lost = "take the database that lies there" if found.usable else "forget what was recorded there"
        click.confirm(f"{name}: {lost}?", abort=True, err=True)
    suffix = ".forgotten-" + "".join(letter for letter in iso(Clock().now()) if letter.isalnum())
    renamed = forgetting.forget(place, suffix) if found.any else []
    if found.any:  # there may be no database that could have a row
        tell_journal(acts.line_of(by, "forgot the database", None))
    if as_json:
        names = [str(path) for path in renamed]
        click.echo(dumped({"database": name, "forgotten": found.any, "usable": found.usable, "renamed": names}))
    elif not found.any:
        click.echo(f"{name}: nothing to forget")
    else:
        kept = "it is used from now on" if found.usable else "the next `cdpoll record` or `cdpoll run` makes a new one"
        click.echo("\n".join([f"{name}: {kept}", *(f"kept as {path}" for path in renamed)]))


@db.command()
@click.argument("path", type=click.Path(path_type=Path))
@AS_JSON
@click.pass_obj
def snapshot(obj: dict[str, Any], path: Path, as_json: bool) -> None:
    """Put a copy of the database at PATH, also while the daemon works: for a backup, or for readers of your own.

    Patient data; its owner alone may read it. It is one file, whole or not there, and replaces none. Where the database
    has no WAL (see `[store] journal`), whoever writes waits meanwhile.
    """
    from worker.store import snapshots

    _of_a_file(obj, "snapshot", _COPY)
    by = who()
    with opened(obj) as here:
        note_act(here.store, by, "began a snapshot", None, here.now)
        held = snapshots.take(here.store, path, here.now)
        with here.store.write():
            backups.note(here.store, snapshot_at=here.now)
            acts.note(here.store, by, "took a snapshot", None, here.now)
    said = {"snapshot": str(path), "taken_at": iso(here.now), "tasks": held["tasks"], "concluded": held["concluded"]}
    click.echo(dumped(said) if as_json else f"{path}: {held['tasks']} tasks, {held['concluded']} of them concluded")


@db.command("verify-restore")
@click.argument("path", metavar="SNAPSHOT", type=click.Path(path_type=Path))
@AS_JSON
@click.pass_obj
def verify_restore(obj: dict[str, Any], path: Path, as_json: bool) -> int:
    """Rehearse a restore: put the snapshot aside, open and check it there, and compare it with the database in use.

    Exit 74 if it is no good. When one was good is told by `cdpoll status`. It needs as much room beside the database as
    the snapshot has bytes, and nothing of it stays.
    """
    from worker.store import snapshots

    _of_a_file(obj, "verify-restore", _COPY)
    by = who()
    with opened(obj) as here:
        found = snapshots.verify(here.store, path, here.config.store.journal)
        with here.store.write():
            if not found.wrong:
                backups.note(here.store, verified_at=here.now, verified_snapshot_at=found.taken_at)
            act: Action = "found a snapshot bad" if found.wrong else "found a snapshot good"
            acts.note(here.store, by, act, iso_or_none(found.taken_at), here.now)
    if as_json:
        said = {
            "snapshot": str(path),
            "taken_at": iso_or_none(found.taken_at),
            "schema": found.schema,
            "ok": not found.wrong,
            "wrong": found.wrong,
            "counts": {
                name: {"noted": None if found.held is None else found.held.get(name), "restored": n, "live": live}
                for (name, n), live in zip(found.restored.items(), found.live.values(), strict=True)
            },
        }
        click.echo(dumped(said))
    elif found.wrong:
        say(*(f"{path}: {line}" for line in found.wrong))
    else:
        of = "a copy" if found.taken_at is None else f"the snapshot of {iso(found.taken_at)}"
        click.echo(f"{path}: {of} can be restored; {found.restored['tasks']} tasks, all of those that were there")
    return 74 if found.wrong else 0
