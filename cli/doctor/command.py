"""``cdpoll doctor``: the groups of checks side by side, and what is printed of them."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from cli.config import become_reader
from cli.doctor import status_page
from cli.doctor.alert import alert
from cli.doctor.callback import Callbacks
from cli.doctor.configuration import as_handed, configuration, with_credentials
from cli.doctor.database import database
from cli.doctor.deadline import Running, within
from cli.doctor.drop import DropChecks
from cli.doctor.files import disk, files
from cli.doctor.finding import Finding, fail, lines_of, unchecked
from cli.doctor.page import page
from cli.doctor.spool import spool, unused_spool
from cli.doctor.vendor import Vendor
from cli.lines import drawn
from cli.opening import settle_in
from cli.output import AS_JSON, dumped
from cli.table import output_width
from worker import __version__
from worker.clock import Clock
from worker.config import Examined, Tolerated, load_store
from worker.config.spool_keys import DEFAULT_PATH
from worker.core.errors import CdpollError
from worker.core.problems import counted
from worker.ownership import user_name

# All groups begin at once, so this is what the whole takes at most.
READING_S, GROUP_MS = 4.0, 20_000


@dataclass(slots=True)
class _Asked:
    """What was asked of the vendor."""

    vendor: Vendor | None = None
    drop: DropChecks | None = None
    page: list[status_page.PageSaid] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return 0 if self.vendor is None else self.vendor.requests

    @property
    def logins(self) -> int:
        return 0 if self.drop is None else self.drop.logins


@click.command()
@click.option("--user", metavar="NAME", help="As root: look as this user, not as the owner of the state folder.")
@AS_JSON
@click.pass_obj
def doctor(obj: dict[str, Any], user: str | None, as_json: bool) -> int:
    """See whether everything is in place, and if not, what to do; exit 1 where anything has failed.

    Each line is OK, WARN or FAIL. It looks as the service's user does (root becomes the owner of the state folder),
    takes half a minute at most, and changes nothing: of the vendor it asks for a token, its health check and one page
    of the list, and on the SFTP server it logs in once and lists the drop.
    """
    become_reader(obj, user)
    asked = _Asked()
    found = _found(obj["config"], os.environ, asked)
    told = []
    for one in found:
        told.append(one)
        if not as_json:
            click.echo("\n".join(drawn(lines_of(one), output_width())))
    counts = Counter(one.level for one in told)
    if as_json:
        click.echo(dumped(_picture(told, obj["config"], asked)))
    else:
        click.echo()
        levels = ", ".join(f"{counts[level]} {level}" for level in ("FAIL", "WARN", "OK"))
        click.echo(f"{levels}; read as {user_name(os.geteuid())}; {_said(asked)}")
    return 1 if counts["FAIL"] else 0


def _said(asked: _Asked) -> str:
    """What was asked of the vendor, in words."""
    parts = [f"{counted(asked.requests, 'request')} to the vendor"] * bool(asked.requests)
    parts += [f"{counted(asked.logins, 'login')} to the SFTP server"] * bool(asked.logins)
    return f"{' and '.join(parts)}, and nothing was changed there" if parts else "nothing was asked of the vendor"


def _picture(told: list[Finding], explicit: str | None, asked: _Asked) -> dict[str, Any]:
    config = place = None
    with suppress(CdpollError):
        found = load_store(explicit, os.environ).config
        config, place = found.source, found.store.place
    return {
        "ok": all(one.level != "FAIL" for one in told),
        "version": __version__,
        "read_as": user_name(os.geteuid()),
        "config": None if config is None else str(config),
        "database": None if place is None else place.name,
        "requests": asked.requests,
        "logins": asked.logins,
        "findings": [one.as_json() for one in told],
    }


def _found(explicit: str | None, environ: Mapping[str, str], asked: _Asked) -> Iterator[Finding]:
    """Everything, group by group; each group is told once it has ended, or its time is over."""
    try:
        examined = within(READING_S, lambda: as_handed(explicit, environ))
        tolerated = within(READING_S, lambda: _tolerated(explicit, with_credentials(environ)))
    except TimeoutError:
        said = f"it could not be read in {READING_S:g} s; nothing else is checked"
        yield fail("configuration", said, "does the disk or the network that it lies on hang?")
        return
    groups = _begun(examined, tolerated, asked, lambda: as_handed(explicit, environ))
    for running in groups:
        yield from running.findings()
    if examined.config is None:
        yield from unchecked(("files", "disk", "database", "dns", "sftp_dns"), "configuration")
    elif tolerated is None:
        yield from unchecked(("database",), "configuration")
    theirs = None if examined.config is None else examined.config.doctor.vendor_status
    if theirs and asked.page:
        yield status_page.verdict(theirs, asked.page[0], [] if asked.vendor is None else asked.vendor.failures)


def _tolerated(explicit: str | None, environ: Mapping[str, str]) -> Tolerated | None:
    """The configuration as far as `status` needs it; ``None``: which database is meant cannot be told."""
    try:
        return load_store(explicit, environ)
    except CdpollError:
        return None


def _begun(
    examined: Examined, tolerated: Tolerated | None, asked: _Asked, again: Callable[[], Examined]
) -> list[Running]:
    """``again`` reads the configuration once more: a service that starts meanwhile is handed its credentials."""
    clock, config = Clock(), examined.config
    groups = [Running("configuration", lambda: configuration(examined), GROUP_MS, clock)]
    if config is None:
        return groups
    known = examined.store_known
    if known:
        with suppress(CdpollError):  # told of the database
            settle_in(config.store.path)
    groups.append(Running("files", lambda: files(config, store_known=known), GROUP_MS, clock))
    if known:
        groups.append(Running("disk", lambda: disk(Path(config.store.path)), GROUP_MS, clock))
    if config.api is not None:
        asked.vendor = Vendor(config.api, clock, None if config.backfill is None else config.backfill.tenant_names)
        groups.append(Running("vendor", asked.vendor.checks, GROUP_MS, clock))
    if config.sftp is not None:
        asked.drop = DropChecks(config, config.sftp, clock, store_known=known)
        groups.append(Running("sftp", asked.drop.checks, GROUP_MS, clock))
    looks, path = (unused_spool, Path(DEFAULT_PATH)) if config.spool is None else (spool, config.spool.path)
    groups.append(Running("spool", lambda: looks(path), GROUP_MS, clock))
    if config.alert.ping is not None or config.alert.command is not None:
        groups.append(Running("alert", lambda: alert(config.alert), GROUP_MS, clock))
    if tolerated is not None:
        groups.append(Running("database", lambda: database(tolerated, clock), GROUP_MS, clock))
    if config.callback is not None:
        groups.append(Running("callback", Callbacks(config, again, clock).checks, GROUP_MS, clock))
    groups.append(Running("page", lambda: page(config), GROUP_MS, clock))
    if config.doctor.vendor_status:

        def ask() -> list[Finding]:
            asked.page.append(status_page.asked(config))
            return []

        groups.append(Running("vendor_status", ask, GROUP_MS, clock))
    return groups
