"""Slows down who tries secrets or tokens: after some failures within a minute a source gets 429 for further ones.

A valid secret or token is never refused for it, so that a vendor behind the same address as an attacker can deliver:
credentials are looked at first, and only what failed is counted here.
"""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network
from threading import Lock

FAILURES = 20
PERIOD_MS = 60_000

# Of the sources that failed last. An attacker with more addresses than this is slowed by nothing that counts them.
MOST_SOURCES = 10_000

_IPV6_PREFIX_BITS = 64  # one customer has at least such a network


class Throttle:
    """Failures by source, in the memory of one process. Instants in ms."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()  # since when, and how many

    def failed(self, source: str, now: int) -> tuple[int, int]:
        """Count a failure: how many this source has had in the period, and how long until it is over (ms)."""
        key = network_of(source)
        with self._lock:
            began_at, count = self._failures.pop(key, (now, 0))
            if not 0 <= now - began_at < PERIOD_MS:
                began_at, count = now, 0
            self._failures[key] = (began_at, count + 1)
            while len(self._failures) > MOST_SOURCES:
                self._failures.popitem(last=False)
            return count + 1, began_at + PERIOD_MS - now


def network_of(source: str) -> str:
    """What is counted together: an IPv4 address, or the network of an IPv6 one."""
    try:
        address = ip_address(source)
    except ValueError:
        return source
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_PREFIX_BITS), strict=False))
    return source
