"""``cdpoll status``. It reads only, and it starts fast."""

import sys
from typing import Any

import click

from cli.lines import Line, drawn
from cli.opening import Opened, opened
from cli.output import AS_JSON, dumped, say
from cli.startable import hindrance
from cli.status_screen import screen
from cli.table import output_width
from worker.clock import Clock
from worker.config.polling import status_rules_of
from worker.core.errors import BadConfiguration, ServerLost, StorageFailed
from worker.gateways.machine import process_exists
from worker.rounds.machine import from_outside
from worker.store.db.lock import holder
from worker.store.views import status as view
from worker.store.views.problems import Machine
from worker.store.views.verdicts import Installation, Verdict, verdicts


@click.command()
@AS_JSON
@click.option("--watch", is_flag=True, help="Draw it anew every 2 s until Ctrl-C; only on a terminal.")
@click.option("--check", is_flag=True, help="A Nagios plug-in: one line, performance data, exit 0, 1, 2 or 3.")
@click.pass_obj
def status(obj: dict[str, Any], as_json: bool, watch: bool, check: bool) -> int:
    """The whole picture, also with the daemon dead: is work flowing, are its parts well, and how fresh is that."""
    if as_json + watch + check > 1:
        raise click.UsageError("give one of --json, --watch and --check")
    if check:
        return _check(obj)
    if watch:
        if not sys.stdout.isatty():
            raise click.UsageError("--watch needs a terminal; a program reads --json, as often as it likes")
        from cli.watching import watched

        watched(lambda: drawn(_lines(obj), output_width()))
    (picture, verdict, here), now, code = _seen(obj)
    if as_json:
        click.echo(dumped(picture))
    else:
        lines = screen(picture, verdict, here, now, brief=sys.stdout.isatty())
        click.echo("\n".join(drawn(lines, output_width())))
    return code


Told = tuple[view.Json, dict[str, Verdict], Installation]


def _lines(obj: dict[str, Any]) -> list[Line]:
    seen, now, _ = _seen(obj)
    return screen(*seen, now, brief=sys.stdout.isatty())


def _seen(obj: dict[str, Any]) -> tuple[Told, int, int]:
    """The picture with its verdicts, of when (ms) it is, and the exit code. In its place stands the summary of this
    host's daemon for a user who may not read the database, and, with the exit code of that, where a server cannot be
    reached."""
    try:
        with opened(obj) as here:
            return told(here), here.now, 0
    except (BadConfiguration, StorageFailed, ServerLost) as error:
        from cli.told_to_all import summary_for
        from worker.store.views.told_to_all import installed, picture_of

        summary = summary_for(obj)
        if summary is None:
            raise
        now = Clock().now()
        try:
            found = judged(picture_of(summary, now, process_exists) | {"source": "summary"}, installed(summary), now)
            screen(*found, now, brief=False)
        except Exception:
            # A daemon of another release wrote it: something that is told here is not in it.
            raise error from None
        say(f"note: {error.message}; what follows is what the daemon tells all users", err=True)
        if error.hint:
            say(f"        {error.hint}", err=True)
        return found, now, error.exit_code if isinstance(error, ServerLost) else 0


def told(here: Opened) -> Told:
    """The picture, its verdicts, and what they are measured by."""
    rules = status_rules_of(here.config)
    picture = view.status(here.store, here.now, rules, machine_of(here))
    return judged(picture | {"source": "database"}, Installation(rules.asks, daemon=rules.runs == "daemon"), here.now)


def judged(picture: view.Json, installed: Installation, now: int) -> tuple[view.Json, dict[str, Verdict], Installation]:
    """The picture with its verdicts in it, these, and what they are measured by."""
    found = verdicts(picture, installed, now)
    return picture | {"verdicts": {name: one._asdict() for name, one in found.items()}}, found, installed


def machine_of(here: Opened) -> Machine:
    """What the machine says of the daemon's process and of the disk, and why no daemon runs."""
    machine, alive = from_outside(here.store, here.now)
    if alive or here.config.store.runs != "daemon":
        return machine
    starting = holder(here.store.file)
    return machine._replace(starting=starting, unusable=hindrance(here) if starting is None else None)


def _check(obj: dict[str, Any]) -> int:
    try:
        (picture, _, _), _, _ = _seen(obj)
    except Exception as error:
        # One line is all that a Nagios plug-in has, and what follows a bar is read as performance data.
        parts = [getattr(error, "message", type(error).__name__), getattr(error, "hint", "")]
        line = "; ".join(filter(None, parts)).replace("\n", "; ").replace("|", "/")
        say(f"CDPOLL UNKNOWN - {line}")
        return 3
    problems = picture["problems"]
    code = 2 if any(p["severity"] == "critical" for p in problems) else 1 if problems else 0
    said = ", ".join(f"{p['code']} {p['count']}" for p in problems) or "no problems"
    tasks = picture["tasks"]
    numbers = {**tasks, "oldest_s": picture["oldest_pending_age_s"] or 0}
    data = " ".join(f"{name}={value}" for name, value in numbers.items())
    click.echo(f"CDPOLL {('OK', 'WARNING', 'CRITICAL')[code]} - {said} | {data}")
    return code
