"""The configuration as values. Durations are whole milliseconds; each field is named as its key, with the unit."""

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, NamedTuple

from worker.config.deliver_settings import WaySettings
from worker.config.mistakes import Mistake, Place
from worker.config.secret import Secret
from worker.config.urls import read_url
from worker.core.errors import BadConfiguration
from worker.core.schedule.cadence import Cadence
from worker.core.ssh import Algorithms
from worker.core.weekly import Weekly
from worker.place import DatabasePlace, Server


class ApiSection(NamedTuple):
    """``base_url`` ends without a slash. ``client_id``, ``client_secret`` and ``proxy`` are resolved by ``reveal()``.

    ``client_id`` and ``client_secret`` are false when nothing was configured; ``proxy`` is None then.
    """

    base_url: str
    token_url: str
    client_id: Secret
    client_secret: Secret
    scope: str | None
    tenant_id: str | None
    subtenant_id: str | None
    token_body: str
    ca_file: Path | None
    proxy: Secret | None
    timeout_ms: int

    @property
    def origin(self) -> str:
        """``scheme://host[:port]`` of ``base_url`` in lower case, without the scheme's own port."""
        return read_url(self.base_url).origin


class StoreSection(NamedTuple):
    """``path`` is absolute; ``journal`` is ``auto``, ``wal`` or ``truncate``; ``runs`` is ``daemon`` or ``once``.

    ``url`` is false when nothing was configured; ``daemon`` is ``None`` for the name of the host; a
    ``prepare_threshold`` of 0 means never.
    """

    path: Path
    journal: str
    runs: Literal["daemon", "once"] = "daemon"
    url: Secret | None = None
    daemon: str | None = None
    prepare_threshold: int = 5

    @property
    def place(self) -> DatabasePlace:
        """What the store opens."""
        if not self.url:
            return DatabasePlace(self.path, self.journal)
        name = self.daemon or os.uname().nodename
        return DatabasePlace(
            self.path, self.journal, Server(self.url.reveal, self.url.shown, name, self.prepare_threshold or None)
        )


class PollingSection(NamedTuple):
    """``requests_per_second``, ``burst`` and ``daily_budget`` limit all requests together.

    ``schedule`` is ``learned`` or ``fixed``; ``delay_per_request_ms`` matters to the first.
    """

    requests_per_second: float
    burst: int
    max_in_flight: int
    daily_budget: int | None
    schedule: str
    delay_per_request_ms: int
    cadence: Cadence
    min_interval_ms: int
    max_interval_ms: int
    alert_after_ms: int
    give_up_after_ms: int
    not_found_grace_ms: int
    callback_grace_ms: int
    lookup_for_ms: int
    pace_recovery_ms: int


class SftpSection(NamedTuple):
    """``include`` and ``exclude`` are patterns of names; ``after`` is ``leave``, ``move`` or ``delete``.

    ``receiver`` are the values of ISA08 and GS03 that are ours; ``None``: all are.

    ``drop``, ``move_to`` and ``archive`` are folders on the server; ``key_passphrase`` and ``password`` are false when
    nothing was configured.
    """

    host: str
    port: int
    username: str
    key_file: Path | None
    key_passphrase: Secret
    password: Secret
    known_hosts: Path
    algorithms: Algorithms
    drop: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] | None
    settle_ms: int
    after: str
    move_to: str | None
    archive: str | None
    every_ms: int
    receiver: tuple[str, ...] | None
    hold_test: bool


class SpoolSection(NamedTuple):
    """``path`` is absolute; files are left in ``in`` below it."""

    path: Path
    every_ms: int
    keep_done_ms: int


class BackfillSection(NamedTuple):
    """``names`` and ``correlation_ids`` are patterns, ``tenant_names`` names; ``None``: any."""

    every_ms: int
    overlap_ms: int
    tenant_names: tuple[str, ...] | None
    names: tuple[str, ...] | None
    correlation_ids: tuple[str, ...] | None


class CallbackSection(NamedTuple):
    """``public_url`` ends without a slash. ``client_id``, ``client_secret`` and ``previous_secret`` are resolved by
    ``reveal()``, and are false when nothing was configured. ``verify`` is ``unknown``, ``all`` or ``off``.

    ``tls_certificate`` and ``tls_key`` are both set, or neither. ``trusted_proxies`` and ``allow`` are networks;
    ``allow``: ``None``: from anywhere.
    """

    listen: str
    public_url: str | None
    client_id: Secret
    client_secret: Secret
    previous_secret: Secret
    token_path: str
    callback_path: str
    scope: str | None
    tenant_id: str | None
    token_lifetime_ms: int
    verify: Literal["unknown", "all", "off"]
    tls_certificate: Path | None
    tls_key: Path | None
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] | None
    allow: tuple[IPv4Network | IPv6Network, ...] | None


class AlertSection(NamedTuple):
    """``ping`` and ``proxy`` are resolved by ``reveal()``; they and ``command`` are None when nothing was configured.

    ``command``: the program, by its absolute path, and its arguments. ``min_severity``: which problems are alerts.
    """

    ping: Secret | None
    proxy: Secret | None
    ca_file: Path | None
    command: tuple[str, ...] | None
    timeout_ms: int
    min_severity: Literal["warning", "critical"]


class RetentionSection(NamedTuple):
    """``keep_ms``: ``None``: nothing is purged. ``vacuum``: ``None``: the daemon rewrites no file."""

    keep_ms: int | None
    vacuum: Weekly | None


class LocalSection(NamedTuple):
    """``hosts`` are further names under which it may be asked for. ``socket``: ``None``: no Unix socket.

    ``token`` is resolved by ``reveal()``, and false when nothing was configured; it is set, and so are
    ``tls_certificate`` and ``tls_key``, where ``listen`` is no loopback address.
    """

    listen: str
    socket: Path | None
    hosts: tuple[str, ...] | None
    token: Secret
    tls_certificate: Path | None
    tls_key: Path | None
    new_ids_per_minute: int


class SupportSection(NamedTuple):
    """Who asks the vendor's support."""

    customer: str | None
    submitter_id: str | None
    environment: str | None
    technical_owner: str | None


class DoctorSection(NamedTuple):
    """``vendor_status`` ends without a slash."""

    vendor_status: str | None


class LogSection(NamedTuple):
    """``format`` is ``auto``, ``json`` or ``console``; ``level`` is ``debug``, ``info``, ``warning`` or ``error``."""

    format: str
    level: str


class Config(NamedTuple):
    """The whole configuration as computed.

    ``api``, ``sftp``, ``spool``, ``backfill`` and ``callback`` are None when neither a file nor the environment speaks
    of that section. ``deliver`` are the ways out, in the order in which their sections are written. ``source`` is the
    main file, ``files`` are all that were read, both absolute. ``places`` tells for each (section, key) where its
    value comes from, ``headings`` where each section that is written begins. ``warnings`` stop nothing.
    """

    api: ApiSection | None
    store: StoreSection
    polling: PollingSection
    sftp: SftpSection | None
    spool: SpoolSection | None
    backfill: BackfillSection | None
    callback: CallbackSection | None
    deliver: tuple[WaySettings, ...]
    alert: AlertSection
    retention: RetentionSection
    local: LocalSection
    support: SupportSection
    doctor: DoctorSection
    log: LogSection
    source: Path | None
    files: tuple[Path, ...]
    warnings: tuple[Mistake, ...]
    places: dict[tuple[str, str], Place]
    headings: dict[str, Place]

    @property
    def asks_without_fail(self) -> bool:
        """Whether the daemon needs a complete ``[api]``: it is written, or there is nothing else to work for."""
        return self.api is not None or (self.sftp is None and self.spool is None and self.callback is None)

    def require_callback(self) -> CallbackSection:
        """The section of callbacks, complete with the pair. Raises BadConfiguration naming all that is missing."""
        found = self.callback
        missing = [key for key in ("client_id", "client_secret") if found is None or not getattr(found, key)]
        if found is None or missing:
            raise BadConfiguration(
                f"[callback] {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
                "`cdpoll callback-secret` makes both and says where to write them",
            )
        return found

    def require_api(self) -> ApiSection:
        """The API section, complete with credentials. Raises BadConfiguration naming all that is missing."""
        needed = ("base_url", "client_id", "client_secret")
        missing = [key for key in needed if self.api is None or not getattr(self.api, key)]
        if self.api is None or missing:
            where = "" if self.source is None else f" (in {self.source}, or beside it in conf.d)"
            listed = ", ".join(missing[:-1]) + " and " * (len(missing) > 1) + missing[-1]
            raise BadConfiguration(
                f"[api] {listed} {'is' if len(missing) == 1 else 'are'} missing",
                f"set what the vendor gave you under [api]{where}; `cdpoll sandbox` prints a ready-made one to try",
            )
        return self.api

    def require_sftp(self) -> SftpSection:
        """The SFTP section. Raises BadConfiguration where there is none."""
        if self.sftp is None:
            raise BadConfiguration(
                "[sftp] is missing: there is no server to fetch files from",
                "set at least host, username, include, and key_file or password under [sftp]; or name files to ingest",
            )
        return self.sftp


class Tolerated(NamedTuple):
    """A configuration of which ``[store]`` is known; something else in it may be wrong.

    A key with a mistake has its default, and a section without a required key is None; so ``config`` is good for
    recording and looking, and for nothing else. ``mistakes`` are all there are. Of these, ``unread`` are about files
    of ``conf.d`` that could not be read: they may name another database.
    """

    config: Config
    mistakes: tuple[Mistake, ...]
    unread: tuple[Mistake, ...]


class Examined(NamedTuple):
    """A configuration as far as it could be read, and everything that is wrong with what is written.

    A key that could not be read has its default, and a required one is empty. ``config`` is None where nothing could
    be read. ``elsewhere`` are keys that may be written where they mean nothing, so they are not missing.
    ``store_known``: no mistake can be about the database.
    """

    config: Config | None
    mistakes: list[Mistake]
    hint: str
    elsewhere: frozenset[str]
    store_known: bool
