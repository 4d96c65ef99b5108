"""The configuration: everything that is wrong with it, and as whom it was read."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli.doctor.finding import Finding, fail, good, not_checked, warn
from cli.doctor.services import CALLBACK_SERVICE, DELIVER_SERVICE, LOCAL_SERVICE, SERVICE
from cli.opening import owner_of
from cli.trial import tried
from worker.config import Config, Examined, Mistake, examine
from worker.core.errors import StorageFailed
from worker.ownership import user_name

HANDED = Path("/run/credentials")


def as_handed(explicit: str | None, environ: Mapping[str, str], handed: Path = HANDED) -> Examined:
    """The configuration with the credentials that systemd has handed to the running services: each has its own."""
    examined = examine(explicit, with_credentials(environ, handed / SERVICE))
    config = examined.config
    if config is not None and config.deliver:
        other = examine(explicit, with_credentials(environ, handed / DELIVER_SERVICE)).config
        config = config._replace(deliver=config.deliver if other is None else other.deliver)
    if config is not None and config.callback is not None:
        other = examine(explicit, with_credentials(environ, handed / CALLBACK_SERVICE)).config
        config = config._replace(callback=config.callback if other is None else other.callback)
    if config is not None and config.local.token:
        other = examine(explicit, with_credentials(environ, handed / LOCAL_SERVICE)).config
        config = config._replace(local=config.local if other is None else other.local)
    return examined._replace(config=config)


def with_credentials(environ: Mapping[str, str], handed: Path = HANDED / SERVICE) -> dict[str, str]:
    """The environment, with the credentials that systemd has handed to a running service, where this user may look
    at them."""
    if environ.get("CREDENTIALS_DIRECTORY") or not os.access(handed, os.R_OK | os.X_OK):
        return dict(environ)
    return {**environ, "CREDENTIALS_DIRECTORY": str(handed)}


def configuration(examined: Examined) -> Iterator[Finding]:
    """Every mistake and every warning of the configuration, tried as the present user."""
    trial = tried(examined)
    config, mistakes = examined.config, [*examined.mistakes, *trial.mistakes]
    if config is not None:
        yield from _reader(config, examined)
    if config is None or mistakes:
        yield from (_told(one, examined.hint) for one in mistakes)
    else:
        files = ", ".join(map(str, config.files)) or "from the environment alone"
        yield good("configuration", f"{files}, read as {user_name(os.geteuid())}")
    for one in [*(() if config is None else config.warnings), *trial.warnings]:
        yield warn("configuration", *_parted(one))
    for one in trial.unchecked:
        yield not_checked("configuration", _parted(one)[0], _as_the_service(config))


def _told(one: Mistake, hint: str) -> Finding:
    said, cure = _parted(one)
    return fail("configuration", said, cure or hint)


def _parted(one: Mistake) -> tuple[str, str]:
    """What is wrong, and behind the last semicolon what to do."""
    said, between, cure = str(one).rpartition("; ")
    return (said, cure) if between else (str(one), "`cdpoll config example` explains every key")


def _as_the_service(config: Config | None) -> str:
    names = [] if config is None or config.source is None else [f"--config {config.source}"]
    command = " ".join(["cdpoll", *names, "doctor"])
    return (
        f"start the service, and run `{command}` as root: it reads what systemd has handed to the services; or run it "
        "with systemd-run, with the User= and LoadCredential= of the unit"
    )


def _reader(config: Config, examined: Examined) -> Iterator[Finding]:
    """Who is not the service's user may see mistakes that are none, and miss others."""
    if not examined.store_known:
        return
    try:
        owner = owner_of(config.store.path)[0]
    except StorageFailed:
        return  # told of the database
    if owner not in (0, os.geteuid()):
        name = user_name(owner)
        said = f"read as {user_name(os.geteuid())}, and the service runs as {name}, the owner of the state folder"
        yield warn("configuration", said, f"run it as root, or with sudo -u {name}")
