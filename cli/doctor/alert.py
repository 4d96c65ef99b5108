"""The two ways of ``[alert]``: the way to the address that is pinged, and the program that is started.

No ping is sent: the monitor would take it for the daemon's. TLS is agreed on, and the connection closed.
"""

from collections.abc import Iterator
from pathlib import Path

from cli.doctor.finding import Finding, good, unchecked, warn
from cli.doctor.services import DELIVER_SERVICE
from cli.doctor.way import connected, found_name, peer_of
from worker.config import AlertSection
from worker.config.urls import read_url
from worker.core.errors import BadConfiguration
from worker.core.poll_errors import in_words
from worker.gateways.deliver.command import trouble_with_program
from worker.gateways.http.client import HttpFailed, tls_context
from worker.gateways.http.inspection import HandshakeClient
from worker.gateways.units import unit_of

TLS_MS = 6_000
_WAY_CURE = "check [alert] ping, proxy and ca_file, the name servers, and the firewalls in between"

# ProtectHome= and PrivateTmp= of the unit.
_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - nothing is put there


def alert(section: AlertSection) -> Iterator[Finding]:
    """What is configured of both."""
    if section.ping is not None:
        yield from _ping(section)
    if section.command is not None and trouble_with_program(section.command[0]) is None:
        yield _command(section.command[0])


def _ping(section: AlertSection) -> Iterator[Finding]:
    assert section.ping is not None
    try:
        address = section.ping.reveal()
        proxy = None if section.proxy is None else section.proxy.reveal()
        tls = tls_context(None if section.ca_file is None else str(section.ca_file), "[alert] ca_file")
    except BadConfiguration:
        yield from unchecked(("alert_ping",), "configuration")
        return
    url, peer = read_url(address), peer_of(proxy or address)
    for step in (found_name, connected):
        code, found = step(peer)
        if code:
            yield warn("alert_ping", found.words, _WAY_CURE)
            return
    said = f"{peer.name} takes connections"
    if url.scheme == "https":
        client = HandshakeClient(tls, TLS_MS, proxy)
        try:
            seen = client.handshake(url.host, url.origin)
        except HttpFailed as error:
            yield warn("alert_ping", f"{url.host}: {in_words(error.code)}", _WAY_CURE)
            return
        finally:
            client.close()
        said = f"{url.host}: {seen.version}, a trusted certificate of {seen.issuer or 'its own'}"
    yield good("alert_ping", f"{said}; no ping was sent")


def _command(program: str) -> Finding:
    """It can be started by this user; under the unit some folders are not there."""
    folder = next((one for one in _HIDDEN if Path(program).is_relative_to(one)), None)
    unit = unit_of(DELIVER_SERVICE)
    if folder is not None and unit is not None and unit.known:
        said = f"{program}: {DELIVER_SERVICE} does not see {folder}"
        return warn("alert_command", said, "put the program into /usr/local/bin")
    return good("alert_command", f"{program} can be started")
