"""Tries what the daemon needs of a configuration: its secrets, the files that it names, the database."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from cli.startable import NOTHING_TO_RUN, another_origin, missing, nothing_to_run
from worker.config import (
    CommandSection,
    Config,
    DirectorySection,
    Examined,
    Mistake,
    Place,
    Secret,
    WaySettings,
    WebhookSection,
)
from worker.config.secret import OutOfReach
from worker.config.urls import read_url
from worker.core.errors import CdpollError, NoDatabaseYet, TryLater
from worker.gateways.deliver.command import trouble_with_program
from worker.gateways.deliver.directory import Folders, trouble_with
from worker.gateways.http.client import tls_context
from worker.gateways.sftp.failure import SftpFailed
from worker.gateways.sftp.known_hosts import read_known_hosts
from worker.gateways.sftp.private_key import read_private_key
from worker.ownership import cure, obstacle
from worker.store.db import marker
from worker.store.opening import open_store
from worker.store.state.api import origin_of


class Trial(NamedTuple):
    """``mistakes`` stop the daemon or its work. ``unchecked`` is what only the service is handed: its credentials."""

    mistakes: list[Mistake]
    unchecked: list[Mistake]
    warnings: list[Mistake]


def tried(examined: Examined) -> Trial:
    """Try what could be read, as the present user. Nothing is asked of the vendor, and no secret is told."""
    out, config = Trial([], [], []), examined.config
    if config is None:
        return out
    if config.api is not None:
        _api(config, examined.elsewhere, out)
    elif config.asks_without_fail and not {"base_url", "host"} & examined.elsewhere:
        out.mistakes.extend(nothing_to_run(config))
        if not out.mistakes:
            out.warnings.append(Mistake(Place(config.source), None, None, NOTHING_TO_RUN))
    if config.sftp is not None:
        _sftp(config, out)
    _callback(config, out)
    for way in config.deliver:
        _way(config, way, out)
    _alert(config, out)
    if examined.store_known:
        with _Noted(config, ("store", "path"), out):
            _database(config, out)
    return out


class _Noted:
    """Notes an error as a mistake of this key, and goes on behind the block."""

    def __init__(self, config: Config, key: tuple[str, str], out: Trial) -> None:
        self._config, self._key, self._out = config, key, out

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, CdpollError | SftpFailed):
            return False
        section, key = self._key
        message = error.message.removeprefix(f"[{section}] {key}: ")
        mistake = Mistake(self._config.places[self._key], section, key, f"{message}; {error.hint}")
        handed = isinstance(error, OutOfReach) and error.by_systemd
        (self._out.unchecked if handed else self._out.mistakes).append(mistake)
        return True


def _api(config: Config, elsewhere: frozenset[str], out: Trial) -> None:
    api = config.api
    if api is None:
        return
    out.mistakes.extend(missing(config, elsewhere))
    if api.base_url:
        _prefix(config, api.base_url, out)
    for key, secret in (
        ("client_id", api.client_id),
        ("client_secret", api.client_secret),
        ("proxy", api.proxy),
    ):
        _secret(config, "api", key, secret, out)
    with _Noted(config, ("api", "ca_file"), out):
        tls_context(None if api.ca_file is None else str(api.ca_file))


def _prefix(config: Config, base_url: str, out: Trial) -> None:
    """At the vendor's own hosts there is one prefix; elsewhere another is a warning (worker/config/checks.py)."""
    url = read_url(base_url)
    if url.host.endswith(".optum.com") and not re.fullmatch("/rcm/eligibility/v[0-9]+", url.path):
        message = "the prefix is not that of Coverage Discovery; end it with /rcm/eligibility/v1"
        out.mistakes.append(Mistake(config.places["api", "base_url"], "api", "base_url", message))


def _sftp(config: Config, out: Trial) -> None:
    sftp = config.require_sftp()
    _secret(config, "sftp", "password", sftp.password, out)
    _secret(config, "sftp", "key_passphrase", sftp.key_passphrase, out)
    if sftp.key_file is not None:
        passphrase: Callable[[], str] | None = sftp.key_passphrase.reveal if sftp.key_passphrase else None
        # A passphrase that cannot be had was told already.
        with _Noted(config, ("sftp", "key_file"), out), suppress(OutOfReach):
            read_private_key(sftp.key_file, passphrase)
    if not sftp.host:
        return
    with _Noted(config, ("sftp", "known_hosts"), out):
        read_known_hosts(sftp.known_hosts, sftp.host, sftp.port)


def _callback(config: Config, out: Trial) -> None:
    """Its secrets, without which a reload would be refused. The certificate may be half renewed: that mends itself."""
    section = config.callback
    if section is None:
        return
    for key in ("client_id", "client_secret"):
        if not getattr(section, key):
            message = f"{key} is missing, so no callback is let in; `cdpoll callback-secret` makes it"
            out.warnings.append(Mistake(config.headings["callback"], "callback", None, message))
    for key, secret in (
        ("client_id", section.client_id),
        ("client_secret", section.client_secret),
        ("previous_secret", section.previous_secret),
    ):
        # The variables of its service are not those of the daemon, whose reload tries the whole configuration.
        if secret and secret.form != "env":
            with _Noted(config, ("callback", key), out):
                _ = secret.reveal_if_there() if key == "previous_secret" else secret.reveal()


def _way(config: Config, way: WaySettings, out: Trial) -> None:
    """What a way out needs on this machine. A folder aside that is missing is made, as `cdpoll deliver` would."""
    section = f"deliver.{way.name}"
    match way:
        case DirectorySection():
            key, found = "path", trouble_with(Folders(way.path, way.aside))
            if found is not None:
                out.mistakes.append(Mistake(config.places[section, key], section, key, found.detail))
        case CommandSection():
            stopped = trouble_with_program(way.command[0])
            if stopped is not None:
                out.mistakes.append(Mistake(config.places[section, "command"], section, "command", stopped.detail))
        case WebhookSection():
            for key, secret in (
                ("url", way.url),
                ("secret", way.secret),
                ("previous_secret", way.previous_secret),
                ("proxy", way.proxy),
            ):
                _secret(config, section, key, secret, out)
            with _Noted(config, (section, "ca_file"), out):
                tls_context(None if way.ca_file is None else str(way.ca_file), f"[{section}] ca_file")


def _alert(config: Config, out: Trial) -> None:
    alert = config.alert
    _secret(config, "alert", "ping", alert.ping, out)
    _secret(config, "alert", "proxy", alert.proxy, out)
    with _Noted(config, ("alert", "ca_file"), out):
        tls_context(None if alert.ca_file is None else str(alert.ca_file), "[alert] ca_file")
    if alert.command is not None and (stopped := trouble_with_program(alert.command[0])) is not None:
        out.mistakes.append(Mistake(config.places["alert", "command"], "alert", "command", stopped.detail))


def _secret(config: Config, section: str, key: str, secret: Secret | None, out: Trial) -> None:
    if secret:
        with _Noted(config, (section, key), out):
            secret.reveal()


def _database(config: Config, out: Trial) -> None:
    if config.store.url:
        with (
            _Noted(config, ("store", "url"), out),
            suppress(TryLater, NoDatabaseYet),
            open_store(config.store.place, timeout=2.0) as store,
        ):
            out.mistakes.extend(another_origin(config, origin_of(store)))
        return
    path = config.store.path
    if (shut := cure(path)) is not None:
        message = f"the database cannot be used: {shut}"
        out.mistakes.append(Mistake(config.places["store", "path"], "store", "path", message))
        return
    if not path.exists() and marker.read(Path(os.path.realpath(path))) is None:
        _can_be_made(config, out)
        return
    # Busy, or of an earlier release: the daemon sees to both.
    with suppress(TryLater), open_store(path, config.store.journal, create=path.exists(), timeout=2.0) as store:
        out.mistakes.extend(another_origin(config, origin_of(store)))


def _can_be_made(config: Config, out: Trial) -> None:
    """The first command makes the database, and its folder: see whether it can. Nothing is left behind."""
    folder = Path(os.path.realpath(config.store.path)).parent
    there = folder if folder.exists() else folder.parent
    if not there.is_dir():
        said = f"there is no folder {there}; make it for the user of the service, or write another path"
    else:
        try:
            with NamedTemporaryFile(dir=there, prefix=".cdpoll-"):
                return
        except OSError as error:
            shut = obstacle(folder if there != folder else config.store.path, write=True)
            said = f"no file can be made in {there} ({error.strerror}); write another path"
            said = said if shut is None else f"{shut.words}; {shut.cure}"
    message = f"the database cannot be made: {said}"
    out.mistakes.append(Mistake(config.places["store", "path"], "store", "path", message))
