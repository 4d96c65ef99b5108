"""The table of the keys of ``[local]``: what `cdpoll serve local` serves on this machine."""

import re
from ipaddress import ip_address

from worker.config.kinds import Kind, Written, quoted
from worker.config.table import Key, Section

_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)|localhost):(?P<port>[0-9]{1,5})")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def _address(written: Written) -> str:
    found = _ADDRESS.fullmatch(written.text)
    if found is None or not 0 < int(found["port"]) < 65_536:
        raise ValueError(f"{quoted(written.text)} is not an address; write one with a port, as in 127.0.0.1:9271")
    try:
        loopback = ip_address(found["six"] or found["four"] or "127.0.0.1").is_loopback
    except ValueError:
        raise ValueError(f"{quoted(written.text)} is not an address; write one, as in 127.0.0.1:9271") from None
    if not loopback:
        raise ValueError(
            "not an address of this machine alone; write one, as in 127.0.0.1:9271, and let a web server with a login "
            "stand before it"
        )
    return written.text.replace("localhost", "127.0.0.1")


def _hosts(written: Written) -> tuple[str, ...]:
    names = tuple(written.text.lower().split())
    for name in names:
        if not _HOST_NAME.fullmatch(name):
            raise ValueError(f"{quoted(name)} is not the name of a host; write names without a port")
    return names


LOCAL = Section(
    "local",
    "What `cdpoll serve local` serves on this machine: the status page, `/metrics`, `/healthz` and `/readyz`.",
    (
        Key(
            "listen",
            Kind("loopback address with port", _address),
            "127.0.0.1:9271",
            "Where it listens; a loopback address, because it asks for no password. Where systemd hands it a socket "
            "(cdpoll-local.socket), that counts instead.",
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
    ),
)
