"""How a PostgreSQL server is reached: what the URL says, and what holds where it says nothing."""

import ipaddress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from worker.core.errors import BadConfiguration
from worker.place import Server
from worker.store.db.server_values import ADAPTED, ServerRow, server_rows

# How long a peer that does not answer is believed in, by both ends.
CONNECTING_S, SILENCE_MS = 5, 10_000


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
            said.setdefault("sslrootcert", "system")
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
        context=ADAPTED,
        **parameters,
    )


def shown(said: dict[str, Any]) -> str:
    """The address for people, without a user or a password."""
    host = said.get("host") or said.get("hostaddr") or ""
    port = f":{said['port']}" if said.get("port") and not str(host).startswith("/") else ""
    place = "" if str(host).startswith("/") else f"{host}{port}"
    return f"postgresql://{place}/{said.get('dbname') or said.get('user') or ''}"


def _local(said: dict[str, Any]) -> bool:
    """Whether nothing leaves this machine: Unix sockets and loopback addresses."""
    hosts = str(said.get("hostaddr") or said.get("host") or "").split(",")
    return all(not host or host.startswith("/") or _loopback(host) for host in hosts)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
