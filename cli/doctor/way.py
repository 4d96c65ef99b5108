"""The way to a server: its name, and a connection to its port."""

import socket
from typing import NamedTuple

from cli.doctor.deadline import within
from cli.doctor.finding import Finding, fail, good
from worker.config.urls import read_url
from worker.core.poll_errors import cure_of, in_words
from worker.gateways.http.dialing import Dialer
from worker.gateways.http.failure import unreached

DNS_S, TCP_S = 4.0, 4.0


class Peer(NamedTuple):
    """A server that this machine connects to itself. ``prefix`` of the codes of what fails: ``proxy_``, ``token_``."""

    host: str
    port: int
    prefix: str = ""

    @property
    def name(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def peer_of(address: str, prefix: str = "") -> Peer:
    """Of an http or https address, user information left out."""
    scheme, between, rest = address.partition("://")
    url = read_url(f"{scheme}{between}{rest.rpartition('@')[2]}")
    return Peer(url.host, url.port or (443 if url.scheme == "https" else 80), prefix)


def found_name(peer: Peer, check: str = "dns") -> tuple[str, Finding]:
    """The code of what failed (empty: nothing), and what to tell of the name."""
    try:
        found = within(DNS_S, lambda: socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        code = "dns_no_resolver" if isinstance(error, TimeoutError) else "dns"
        code = peer.prefix + (unreached(error) if isinstance(error, socket.gaierror) else code)
        return code, failed(check, code, peer.host)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    if addresses == [peer.host]:
        return "", good(check, f"{peer.host} is an address, no name")
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    return "", good(check, f"{peer.host} is known: {addresses[0]}{more}")


def connected(peer: Peer) -> tuple[str, Finding]:
    """Likewise, of a connection, which is closed again."""
    try:
        made = within(TCP_S + 1, lambda: Dialer(lambda: False).dial(peer.host, peer.port, TCP_S))
    except OSError as error:
        code = peer.prefix + unreached(error)
        return code, failed("tcp", code, peer.name)
    with made:
        return "", good("tcp", f"{peer.name} takes connections ({made.getpeername()[0]})")


def failed(check: str, code: str, about: str = "") -> Finding:
    """What a code of worker/core/poll_errors.py says, with its cure."""
    said = in_words(code)
    return fail(check, f"{about}: {said}" if about else said, cure_of(code) or "see docs/operations.md")
