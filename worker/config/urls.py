"""Addresses: what may be written, and their normal form.

The grammar is narrow on purpose, so that no two readers of the same address can disagree about its host. Messages
never repeat the address: it may hold a password.
"""

import re
from typing import NamedTuple

_PORTS = {"https": 443, "http": 80}
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_DOTS = re.compile(r"(?i)/(\.|%2e){1,2}(/|$)")


class Url(NamedTuple):
    """An address in parts: scheme and host in lower case, an IPv6 host in its shortest form without brackets."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def origin(self) -> str:
        """``scheme://host[:port]``, without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port in (None, _PORTS[self.scheme]) else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def read_url(text: str) -> Url:
    """Read an ``http`` or ``https`` address without user information. Raises ValueError saying what is wrong."""
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("holds a blank or a character that is not plain ASCII; write it without")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _PORTS:
        raise ValueError("not an http address; begin with https://")
    if "?" in rest or "#" in rest:
        raise ValueError("holds a query or a fragment; write nothing after the path")
    authority, slash, path = rest.partition("/")
    if "@" in authority:
        raise ValueError("holds a user name or password; write https://host/path alone")
    match = _AUTHORITY.fullmatch(authority.lower())
    if match is None:
        raise ValueError("has no host, or a host or port that is not well-formed; write https://host[:port]/path")
    port = None if match[2] is None else int(match[2])
    if port is not None and not 1 <= port <= 65535:
        raise ValueError("has a port outside 1 to 65535; write the port the server listens on, or none")
    if not _PATH.fullmatch(path) or _DOTS.search(slash + path):
        raise ValueError("has a path that is not well-formed; write plain segments without . or ..")
    return Url(scheme, _host(match[1]), port, slash + path)


def read_service_url(text: str) -> Url:
    """:func:`read_url` for where secrets go: ``https``, or ``http`` to a loopback address."""
    url = read_url(text)
    if url.scheme == "http" and not loopback(url.host):
        raise ValueError("http is only for loopback addresses (localhost, 127.0.0.0/8, ::1); write https://")
    return url


def loopback(host: str) -> bool:
    """Whether a host of a :class:`Url` is this machine: ``localhost``, 127.0.0.0/8 or ``::1``."""
    return host in ("localhost", "::1") or (host.startswith("127.") and bool(_NUMBER.fullmatch(host.split(".")[-1])))


def _host(text: str) -> str:
    if text.startswith("["):
        from ipaddress import IPv6Address

        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError:
            raise ValueError("has a host that is not an IPv6 address; write it as in [::1]") from None
    labels = text.split(".")
    # Resolvers read 127.1, 0177.0.0.1 and 0x7f000001 as addresses too: only the full decimal form is clear to all.
    if _NUMBER.fullmatch(labels[-1]):
        from ipaddress import IPv4Address

        try:
            return str(IPv4Address(text))
        except ValueError:
            raise ValueError("has a host that is not an IPv4 address; write four decimal numbers") from None
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("has a host name that is not well-formed; write it as in api.example.com")
    return text
