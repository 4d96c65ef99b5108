"""The processes that work on the database, and what systemd says of their units."""

from collections.abc import Iterator
from typing import Any

from cli.doctor.finding import Finding, fail, good, not_checked, unchecked, warn
from worker.build import VERSION
from worker.core.instant import about
from worker.core.problems import kind_of
from worker.gateways.units import unit_of
from worker.store.views.daemons import fact, speaker

SERVICE = "cdpoll.service"
DELIVER_SERVICE = "cdpoll-deliver.service"
LOCAL_SERVICE = "cdpoll-local.service"
CALLBACK_SERVICE, CALLBACK_SOCKET = "cdpoll-callback.service", "cdpoll-callback.socket"


def daemons(picture: dict[str, Any], now: int, *, expected: bool) -> Iterator[Finding]:
    """All daemons by their beats; ``expected``: one is to run here all the time."""
    yield from _own(picture, expected=expected)
    for one in picture["daemons"]:
        if one["name"] != picture["daemon"]["name"]:
            is_well = one["alive"] or one["stopped_at"] is not None
            cure = "look at that host, and start it there: systemctl start cdpoll"
            yield good("daemon", fact(one, now)) if is_well else warn("daemon", fact(one, now), cure)


def _own(picture: dict[str, Any], *, expected: bool) -> Iterator[Finding]:
    """That of this host."""
    told = picture["daemon"]
    if not told["alive"]:
        if any(one["code"] == "daemon_stuck" for one in picture["problems"]):
            yield fail("daemon", "it lives, and makes no passes", "restart it: systemctl restart cdpoll")
            yield from unchecked(("watchdog",), "daemon")
        elif not expected:
            yield good("daemon", "none is expected: [store] runs = once")
        elif told["starting"] is not None:
            yield warn("daemon", f"process {told['starting']} is starting", "run the doctor again in a minute")
        elif speaker(picture)["alive"]:
            yield warn("daemon", "none runs on this host, while others work", "start it: systemctl start cdpoll")
            yield from unchecked(("watchdog",), "daemon")
        else:
            yield from no_daemon()
        return
    said = f"process {told['pid']} finished its last pass {about(told['beat_age_ms'])} ago"
    if told["version"] != VERSION:
        cure = "restart it: systemctl restart cdpoll"
        yield warn("daemon", f"{said}, and is of version {told['version']}; installed is {VERSION}", cure)
    else:
        yield good("daemon", said)
    if expected:
        yield _watchdog(told["pid"])


def no_daemon() -> Iterator[Finding]:
    """One is to run, and none does."""
    unit = unit_of(SERVICE)
    if unit is None:
        state = "no systemd answers here"
    else:
        state = f"{SERVICE} is {unit.state if unit.known else 'not installed'}"
    down = kind_of("daemon_down")
    yield fail("daemon", f"{down.words} ({state})", down.cure)
    yield from unchecked(("watchdog",), "daemon")


def _watchdog(pid: int) -> Finding:
    """Whether systemd restarts the daemon, which is the process ``pid``."""
    unit = unit_of(SERVICE)
    if unit is None:
        said = "no systemd answers here, so it is not known what restarts a daemon that ends or hangs"
        return not_checked("watchdog", said, "have it started again by what runs your services; see docs/operations.md")
    if unit.pid != pid:
        said = f"process {pid} is not that of {SERVICE}: nothing restarts it when it ends or hangs"
        return warn("watchdog", said, "stop it, and start the service: systemctl enable --now cdpoll")
    if not unit.watched or not unit.restarts:
        said = f"{SERVICE} has no {'WatchdogSec=' if not unit.watched else 'Restart='}"
        return warn("watchdog", said, "take the unit that comes with cdpoll")
    return good("watchdog", f"systemd watches {SERVICE} and restarts it")


def deliveries(picture: dict[str, Any], what: str) -> Finding:
    """The process that delivers; ``what`` is configured wants it."""
    told = picture["deliveries"]
    if told["alive"]:
        return good("deliveries", f"`cdpoll deliver` works: process {told['pid']}")
    unit = unit_of(DELIVER_SERVICE)
    state = "" if unit is None or not unit.known else f" ({DELIVER_SERVICE} is {unit.state})"
    cure = kind_of("deliver_not_running").cure
    return fail("deliveries", f"{what} configured, and no `cdpoll deliver` runs{state}", cure)
