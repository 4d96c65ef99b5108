"""Where a request truly comes from, when proxies stand between."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def true_source(peer: str, forwarded_for: str | None, trusted: Sequence[Network]) -> str:
    """The address that a request comes from: of the peer, or of whom the proxies that are trusted name.

    Each proxy writes at the end of ``X-Forwarded-For`` from whom it has the request. So the list is read from its end
    while the addresses are trusted; the first that is not is the source. Where all are trusted it is the first of the
    list. What a client has written itself stands before that, and is not reached. Where something else than an address
    comes first, the source is what was reached before. ``peer`` is empty for a Unix socket, which only a proxy of this
    machine uses; it is trusted where any network is.

    >>> from ipaddress import ip_network
    >>> here = [ip_network("127.0.0.0/8")]
    >>> true_source("127.0.0.1", "198.51.100.7, 203.0.113.9", here)
    '203.0.113.9'
    >>> true_source("203.0.113.9", "198.51.100.7", here)
    '203.0.113.9'
    """
    reached = peer
    if not _is_trusted(peer, trusted):
        return _plain(peer)
    for written in reversed((forwarded_for or "").split(",")):
        address = _address(written)
        if address is None:
            break
        reached = str(address)
        if not _is_among(address, trusted):
            break
    return _plain(reached)


def _is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    if not peer:
        return bool(trusted)
    address = _address(peer)
    return address is not None and _is_among(address, trusted)


def _is_among(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _plain(text: str) -> str:
    address = _address(text)
    return text if address is None else str(address)


def _address(written: str) -> IPv4Address | IPv6Address | None:
    """Some proxies write a port behind it, as in ``192.0.2.1:4711`` and ``[2001:db8::1]:4711``."""
    text = written.strip(" \t")
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A socket for both families tells of IPv4 as ::ffff:192.0.2.1.
    return getattr(address, "ipv4_mapped", None) or address
