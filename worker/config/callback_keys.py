"""The table of the keys of ``[callback]``: where the vendor delivers what it has found."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from worker.config.kinds import (
    LISTEN,
    PATH,
    SECRET,
    TOKEN,
    TOKENS,
    Kind,
    Written,
    literal,
    missing,
    quoted,
    show_secret,
    span,
    word,
)
from worker.config.secret import Secret, read_reference
from worker.config.table import Key, Section
from worker.config.urls import read_service_url

Network = IPv4Network | IPv6Network

# Where neither path is configured.
TOKEN_PATH, CALLBACK_PATH = "/oauth2/token", "/coverage-discovery/callback"

_SEGMENTS = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_MAPPED_PREFIX_BITS = 96
_SEPARATORS = re.compile(r"[\s,]+")


def _without_colon(text: str) -> None:
    if ":" in text:
        raise ValueError("has a colon, which ends the id in an Authorization header; write one without")


def _client_id(written: Written) -> Secret:
    found = read_reference(written.where, written.text, written.folder, written.environ, check=_without_colon)
    if found is None:
        _without_colon(written.text)
    return found or literal(written, written.text)


def _path_of_url(written: Written) -> str:
    if not _SEGMENTS.fullmatch(written.text) or re.search(r"/\.{1,2}(/|$)", written.text):
        raise ValueError("not a path; write plain segments, as in /optum/callback")
    return written.text


def _public_url(written: Written) -> str:
    url = read_service_url(written.text)
    return url.origin + url.path.rstrip("/")


def _networks(written: Written) -> tuple[Network, ...]:
    found = []
    for text in filter(None, _SEPARATORS.split(written.text)):
        try:
            found.append(_plain(ip_network(text)))
        except ValueError:
            raise ValueError(
                f"{quoted(text)} is no address or network; write them as in 203.0.113.7 or 10.0.0.0/8"
            ) from None
    if not found:
        raise ValueError("names no network; write them as in 203.0.113.7 or 10.0.0.0/8")
    return tuple(found)


def _plain(network: Network) -> Network:
    """IPv4 in IPv6 (``::ffff:192.0.2.0/120``) as ``192.0.2.0/24``: so are the addresses that are compared with it."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return network if mapped is None else ip_network((mapped, network.prefixlen - _MAPPED_PREFIX_BITS))


def _show_networks(networks: tuple[Network, ...]) -> str:
    return " ".join(map(str, networks))


_CLIENT_ID = Kind(
    "text without a colon, or a reference as for a secret", _client_id, show_secret, unset=missing, comments=False
)
_URL_PATH = Kind("path of an address", _path_of_url)
_NETWORKS = Kind("addresses and networks, separated by blanks", _networks, _show_networks)

CALLBACK = Section(
    "callback",
    "Where the vendor delivers what it has found (`cdpoll serve callback`). With this section polling waits for the "
    "callback first; see docs/callbacks.md.",
    (
        Key(
            "listen",
            LISTEN,
            "127.0.0.1:9272",
            "Where it listens. On an address of this machine alone a web server with TLS stands before it; for any "
            "other one set tls_certificate and tls_key. Where systemd hands it a socket (cdpoll-callback.socket), "
            "that counts instead.",
        ),
        Key(
            "public_url",
            Kind("https address; http to loopback addresses only", _public_url),
            None,
            "The address under which the vendor reaches both paths from outside; `cdpoll doctor` asks there.",
            sample="https://callbacks.example.com",
            otherwise="doctor does not ask",
        ),
        Key(
            "client_id",
            _CLIENT_ID,
            None,
            "The client id that the vendor is given; `cdpoll callback-secret` makes the pair.",
            sample="cdpoll-your-organisation",
        ),
        Key(
            "client_secret",
            SECRET,
            None,
            "The secret that belongs to it.",
            sample="{credential callback-secret}",
        ),
        Key(
            "previous_secret",
            SECRET,
            None,
            "While the secret is changed: the former one. Both are accepted, and so are tokens that came from it.",
            sample="{credential callback-secret-before}",
        ),
        Key("token_path", _URL_PATH, TOKEN_PATH, "Where the vendor asks for a token."),
        Key("callback_path", _URL_PATH, CALLBACK_PATH, "Where the vendor delivers."),
        Key(
            "scope",
            TOKENS,
            None,
            "The scope that a token must have to deliver. The vendor is told it, and asks for it.",
            sample="coverage-discovery",
            otherwise="none is asked for",
        ),
        Key(
            "tenant_id",
            TOKEN,
            None,
            "Your tenant at the vendor. What comes for another one is put into quarantine.",
            sample="your-tenant-id",
            otherwise="tenant_id of [api]",
        ),
        Key("token_lifetime", span("1m", "1d"), "1h", "How long a token can be used that the vendor is given."),
        Key(
            "verify",
            word("unknown", "all", "off"),
            "unknown",
            "Which callbacks are confirmed by one request to the vendor, as they carry no signature: those for tasks "
            "that were not recorded here, all, or none. Without [api] none is.",
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
        Key(
            "tls_key",
            PATH,
            None,
            "The private key that belongs to the certificate.",
            sample="/etc/cdpoll/tls/privkey.pem",
        ),
        Key(
            "trusted_proxies",
            _NETWORKS,
            None,
            "The web servers before this one, which are believed where a request came from (X-Forwarded-For).",
            sample="127.0.0.1 ::1",
            otherwise="none: the other end of the connection counts",
        ),
        Key(
            "allow",
            _NETWORKS,
            None,
            "From where requests are taken; any other gets 403.",
            sample="203.0.113.0/28",
            otherwise="from anywhere",
        ),
    ),
    optional=True,
)
