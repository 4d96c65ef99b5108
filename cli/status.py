"""``cdpoll status``. It reads only, and it starts fast."""

import sys
from typing import Any

import click

from cli.opening import Opened, opened
from cli.output import AS_JSON, dumped, say
from cli.startable import hindrance
from cli.status_screen import Line, drawn, screen
from cli.table import output_width
from cli.verdicts import Installation, Verdict, verdicts
from worker.config.polling import status_rules_of
from worker.core.vendor.environment import environment_of
from worker.gateways.machine import disk_of, process_exists
from worker.store.db.lock import holder
from worker.store.state.api import origin_of
from worker.store.state.daemon import last_beat
from worker.store.views import alerts
from worker.store.views import status as view
from worker.store.views.problems import Machine
from worker.store.views.retention import disk, retention


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
    if as_json:
        click.echo(dumped(_picture(obj)))
    else:
        click.echo("\n".join(drawn(_lines(obj), output_width())))
    return 0


def _lines(obj: dict[str, Any]) -> list[Line]:
    with opened(obj) as here:
        return screen(*told(here), here.now, brief=sys.stdout.isatty())


def _picture(obj: dict[str, Any]) -> view.Json:
    with opened(obj) as here:
        return told(here)[0]


def told(here: Opened) -> tuple[view.Json, dict[str, Verdict], Installation]:
    """The picture, its verdicts, and what they are measured by."""
    source, api = here.config.source, here.config.api
    rules = status_rules_of(here.config)
    machine = machine_of(here)
    picture = view.status(here.store, here.now, rules, machine, None if source is None else str(source))
    picture |= {
        "retention": retention(here.store, here.config.retention.keep_ms),
        "disk": disk(here.store, here.now, machine.free_bytes),
    }
    alert = here.config.alert
    picture["alerts"] = alerts.picture(here.store, ping=alert.ping is not None, command=alert.command is not None)
    origin = origin_of(here.store) or (api and api.origin)
    installed = Installation(api is not None, daemon=here.config.store.runs == "daemon")
    found = verdicts(picture, installed, here.now)
    picture |= {
        "verdicts": {name: one._asdict() for name, one in found.items()},
        "environment": {"origin": origin or None, "kind": environment_of(origin or "")},
    }
    return picture, found, installed


def machine_of(here: Opened) -> Machine:
    """What the machine says of the daemon's process and of the disk, and why no daemon runs."""
    beat, disk = last_beat(here.store), disk_of(here.store.path.parent)
    exists = beat is not None and process_exists(beat.pid)
    machine = Machine(exists, None) if disk is None else Machine(exists, *disk)
    if (beat is not None and beat.alive(here.now, exists)) or here.config.store.runs != "daemon":
        return machine
    starting = holder(here.store.file)
    return machine._replace(starting=starting, unusable=hindrance(here) if starting is None else None)


def _check(obj: dict[str, Any]) -> int:
    try:
        picture = _picture(obj)
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
