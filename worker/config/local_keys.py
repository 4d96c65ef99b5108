"""The table of the keys of ``[local]``: what `cdpoll serve local` serves on this machine."""

import re

from worker.config.kinds import LISTEN, PATH, SECRET, Kind, Written, quoted, whole
from worker.config.table import Key, Section

_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def _hosts(written: Written) -> tuple[str, ...]:
    names = tuple(written.text.lower().split())
    for name in names:
        if not _HOST_NAME.fullmatch(name):
            raise ValueError(f"{quoted(name)} is not the name of a host; write names without a port")
    return names


LOCAL = Section(
    "local",
    "What `cdpoll serve local` serves: the intake of ids, the status page, `/metrics`, `/healthz` and `/readyz`.",
    (
        Key(
            "listen",
            LISTEN,
            "127.0.0.1:9271",
            "Where it listens. On an address that is not of this machine alone, token, tls_certificate and tls_key are "
            "required. Where systemd hands it a socket (cdpoll-local.socket), that counts instead.",
        ),
        Key(
            "socket",
            PATH,
            None,
            "A Unix socket on which it listens as well. Members of the group of the service may use it.",
            sample="/run/cdpoll-local/intake.sock",
            otherwise="none",
        ),
        Key(
            "hosts",
            Kind("names of hosts, separated by blanks", _hosts, " ".join),
            None,
            "Other names than localhost and loopback addresses under which a request may ask for it, as those of a web "
            "server that stands before it. Under any other name it is refused.",
            sample="status.example.com",
            otherwise="none",
        ),
        Key(
            "token",
            SECRET,
            None,
            "The bearer token that a request must bring. With it nothing but /healthz is answered without; "
            "`openssl rand -base64 33` makes one.",
            sample="{credential intake-token}",
            otherwise="on this machine alone, none is asked for",
        ),
        Key(
            "tls_certificate",
            PATH,
            None,
            "The certificate (PEM, with those between it and the root). With it, the port speaks TLS. It is read "
            "again at a reload.",
            sample="/etc/cdpoll/tls/fullchain.pem",
            otherwise="the port speaks plain HTTP",
        ),
        Key("tls_key", PATH, None, "The private key that belongs to it.", sample="/etc/cdpoll/tls/privkey.pem"),
        Key(
            "new_ids_per_minute",
            whole(1, 10_000_000),
            "60000",
            "How many ids that were not recorded before are taken within a minute. Beyond that a request gets 429, so "
            "that a caller that runs wild fills no disk.",
        ),
    ),
)
