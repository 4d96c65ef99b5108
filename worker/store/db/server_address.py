"""How a PostgreSQL server is reached: what the URL says, and what holds where it says nothing."""

import hashlib
import ipaddress
import logging
import os
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from worker.core.errors import BadConfiguration
from worker.place import Server
from worker.store.db.server_values import ADAPTED, ServerRow, server_rows

# How long a peer that does not answer is believed in, by both ends.
CONNECTING_S, SILENCE_MS = 5, 10_000

# The authorities that Debian trusts. The library that psycopg brings has none of its own.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

# What psycopg tells of a connection that it loses would stand between the lines of our log, and may quote a value.
logging.getLogger("psycopg").setLevel(logging.CRITICAL + 1)


def parameters_of(server: Server, timeout_s: float) -> dict[str, Any]:
    """What libpq is given. Without a word of it in the URL: a server on another host must prove by its certificate
    that it is the host that is named. Raises :class:`BadConfiguration` for a URL that cannot be read."""
    try:
        said = dict(conninfo_to_dict(server.url()))
    except psycopg.Error:  # its text may quote the password
        raise BadConfiguration(
            "[store] url cannot be read", "write it as postgresql://user@host:5432/name, as docs/postgresql.md says"
        ) from None
    if not _local(said):
        said.setdefault("sslmode", "verify-full")
        if said["sslmode"] in ("verify-full", "verify-ca"):
            said.setdefault("sslrootcert", str(AUTHORITIES) if AUTHORITIES.exists() else "system")
    defaults: dict[str, Any] = {
        "connect_timeout": max(2, min(CONNECTING_S, int(timeout_s))),  # libpq takes less for 2
        "application_name": f"cdpoll {server.daemon}",
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": SILENCE_MS,
    }
    return defaults | said | {"client_encoding": "UTF8"}


def connected(parameters: dict[str, Any], prepare_threshold: int | None) -> psycopg.Connection[ServerRow]:
    """A connection on which each statement is a transaction of its own, unless it is told otherwise."""
    return psycopg.connect(
        autocommit=True,
        row_factory=server_rows,
        prepare_threshold=prepare_threshold,
        cursor_factory=psycopg.RawCursor,
        context=ADAPTED,
        **parameters,
    )


def shown(said: dict[str, Any]) -> str:
    """The address for people, without a user or a password."""
    ports = _listed(said, "port")
    places = []
    for number, host in enumerate(_listed(said, "host") or _listed(said, "hostaddr")):
        port = ports[min(number, len(ports) - 1)] if ports else ""
        if host and not _is_socket(host):
            places.append((f"[{host}]" if ":" in host else host) + (f":{port}" if port else ""))
    return f"postgresql://{','.join(places)}/{said.get('dbname') or said.get('user') or ''}"


def file_word(said: dict[str, Any]) -> str:
    """Tells this address from others in the name of a file."""
    told = [said.get(key) for key in ("service", "host", "hostaddr", "port", "dbname", "options")]
    return hashlib.sha256(repr(told if told[4] else [*told, said.get("user")]).encode()).hexdigest()[:8]


def _local(said: dict[str, Any]) -> bool:
    """Whether nothing leaves this machine: Unix sockets and loopback addresses. What a service file or the environment
    names may be elsewhere."""
    hosts, addresses = _listed(said, "host"), _listed(said, "hostaddr")
    if not hosts and not addresses:
        return not said.get("service") and not {"PGSERVICE", "PGHOST", "PGHOSTADDR"} & os.environ.keys()
    reached = [address or host for host, address in zip_longest(hosts, addresses, fillvalue="")]
    return all(not host or _is_socket(host) or _loopback(host) for host in reached)


def _listed(said: dict[str, Any], key: str) -> list[str]:
    """Several servers are written with commas."""
    return str(said[key]).split(",") if said.get(key) else []


def _is_socket(host: str) -> bool:
    return host.startswith(("/", "@"))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
