"""Whom a request comes from: only proxies that are trusted are believed, and nothing that a client writes itself."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.web.callback.source import true_source

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("127.0.0.1")]

addresses = st.integers(0, 2**32 - 1).map(IPv4Address).map(str) | st.integers(2**96, 2**128 - 1).map(IPv6Address).map(
    str
)
trusted = st.integers(10 << 24, (11 << 24) - 1).map(IPv4Address).map(str)
foreign = addresses.filter(lambda text: not any(ip_address(text) in network for network in PROXIES))
# What a client may write into the header.
written = st.one_of(st.text(), st.lists(addresses).map(", ".join))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "source"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7,  203.0.113.9\t", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "2001:DB8::1", "2001:db8::1"),
        ("fd00::1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, ", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, unknown, 10.0.0.2", "10.0.0.2"),
        ("", "198.51.100.7", "198.51.100.7"),
        ("", None, ""),
    ],
)
def test_by_hand(peer: str, forwarded_for: str | None, source: str) -> None:
    assert true_source(peer, forwarded_for, PROXIES) == source


def test_where_no_network_is_trusted_a_local_proxy_is_not_either() -> None:
    assert true_source("", "198.51.100.7", []) == ""


@given(peer=foreign, forwarded_for=st.none() | written)
def test_who_is_not_trusted_names_no_other(peer: str, forwarded_for: str | None) -> None:
    assert true_source(peer, forwarded_for, PROXIES) == peer


@given(claimed=written, client=foreign, between=st.lists(trusted), peer=trusted)
def test_a_client_behind_proxies_is_seen_whatever_it_claims(
    claimed: str, client: str, between: list[str], peer: str
) -> None:
    told = ", ".join([claimed, client, *between])
    assert true_source(peer, told, PROXIES) == client


@given(peer=trusted | st.just(""), forwarded_for=st.text())
def test_any_text_yields_an_address_or_the_peer(peer: str, forwarded_for: str) -> None:
    found = true_source(peer, forwarded_for, PROXIES)
    assert found == peer or str(ip_address(found)) == found
