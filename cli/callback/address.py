"""The addresses that the vendor is told: their form, the domain to be whitelisted, and the way there."""

import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from cli.callback.words import of_code
from cli.doctor.deadline import within
from cli.doctor.finding import Finding, fail, good, warn
from worker.config import CallbackSection
from worker.config.callback_keys import CALLBACK_PATH, TOKEN_PATH
from worker.config.urls import Url, loopback, read_url
from worker.gateways.http.dialing import Dialer
from worker.gateways.http.failure import unreached

DNS_S, TCP_S = 4.0, 4.0
MOST_ADDRESSES = 8

# Names that public DNS does not have.
_PRIVATE_ENDINGS = (
    "local",
    "localhost",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "localdomain",
    "test",
    "invalid",
)


class Target(NamedTuple):
    """Both addresses in full, and the scope that tokens need."""

    token: Url
    callback: Url
    scope: str | None

    @property
    def token_url(self) -> str:
        return self.token.origin + self.token.path

    @property
    def callback_url(self) -> str:
        return self.callback.origin + self.callback.path

    @property
    def hosts(self) -> list[Url]:
        """Each of them once."""
        apart = (self.token.host, port_of(self.token)) != (self.callback.host, port_of(self.callback))
        return [self.callback, *([self.token] if apart else [])]


def target_of(url: str, token_url: str | None, section: CallbackSection | None) -> Target:
    """``url``: what both paths stand below, or the callback URL itself. Raises ValueError saying what is wrong."""
    paths = (TOKEN_PATH, CALLBACK_PATH) if section is None else (section.token_path, section.callback_path)
    given = read_url(url)
    before = given.path.rstrip("/")
    for path in paths:
        before = before.removesuffix(path)
    token = given._replace(path=before + paths[0]) if token_url is None else read_url(token_url)
    return Target(token, given._replace(path=before + paths[1]), None if section is None else section.scope)


def port_of(url: Url) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def addressed(target: Target) -> Iterator[Finding]:
    """The form of both addresses, and their domain."""
    for url in target.hosts:
        where = f"{url.origin}"
        if url.scheme == "https":
            yield _port(url) or good("url", f"{where} is https")
        elif loopback(url.host):
            yield warn("url", f"{where} is plain HTTP, for a rehearsal on this machine", "the vendor needs https")
        else:
            cure = "put a certificate on it ([callback] tls_certificate and tls_key, or a web server), and write https"
            yield fail(
                "url", f"{where} is plain HTTP: secret and patient data would come in clear; nothing is sent", cure
            )
    yield _domain(target)


def _port(url: Url) -> Finding | None:
    if port_of(url) == 443 or loopback(url.host):
        return None
    cure = "use port 443, or ask the vendor whether it delivers to this one"
    return warn("url", f"{url.origin} has a port that the vendor may not be let out to", cure)


def _domain(target: Target) -> Finding:
    names = [one.host for one in target.hosts]
    for name in names:
        if loopback(name):
            return warn("domain", f"{name} is this machine itself: a rehearsal", "the vendor needs a public name")
        if _is_address(name):
            return fail(
                "domain", f"{name} is an address: the vendor whitelists domains", "give it a name in public DNS"
            )
        labels = name.split(".")
        if len(labels) < 2 or labels[-1] in _PRIVATE_ENDINGS:
            return fail("domain", f"{name} is no name of public DNS", "use one below a domain of yours")
    if target.token.host == target.callback.host:
        return good("domain", f"{names[0]} is to be whitelisted: token URL and callback URL lie there")
    common = common_domain(target.token.host, target.callback.host)
    said = f"token URL ({target.token.host}) and callback URL ({target.callback.host})"
    if common is None:
        return fail("domain", f"{said} lie in no common domain", "serve both under one host: it is one process")
    cure = f"have {common} whitelisted with all below it, or serve both under one host"
    return warn("domain", f"{said} are different hosts", cure)


def common_domain(one: str, other: str) -> str | None:
    """The longest domain of two labels at least in which both lie."""
    common: list[str] = []
    for mine, theirs in zip(reversed(one.split(".")), reversed(other.split(".")), strict=False):
        if mine != theirs:
            break
        common.insert(0, mine)
    return ".".join(common) if len(common) > 1 else None


def addresses_of(host: str, port: int) -> list[str]:
    """Those that a resolver gives. Raises OSError."""
    found = within(DNS_S, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def way(url: Url, *, inside: bool = False) -> Iterator[Finding]:
    """All addresses of the name, and a connection to each of them. The last finding is a FAIL where none stands.

    ``inside``: it is looked at from the server itself, whose own network may have other addresses for the name.
    """
    port = port_of(url)
    try:
        found = addresses_of(url.host, port)
    except (OSError, UnicodeError) as error:
        code = unreached(error) if isinstance(error, socket.gaierror) else "dns_no_resolver"
        trouble = of_code(code)
        yield fail("dns", f"{url.host}: {trouble.words}", trouble.cure)
        return
    yield _addresses(url.host, found, fail if not inside else warn)
    tried = {one: _code(one, port) for one in found[:MOST_ADDRESSES]}
    stands = [one for one, code in tried.items() if not code]
    for one, code in tried.items():
        if code:
            trouble = of_code(code)
            # Where another address answers, one without a route is of a family that this machine does not have.
            level = warn if stands and code == "no_route" else fail
            yield level("tcp", f"{_shown(one, port)}: {trouble.words}", trouble.cure)
    if stands:
        yield good("tcp", f"takes connections: {', '.join(_shown(one, port) for one in stands)}")


def _addresses(host: str, found: list[str], level: Callable[[str, str, str], Finding]) -> Finding:
    listed = ", ".join(found[:MOST_ADDRESSES]) + (
        f" and {len(found) - MOST_ADDRESSES} more" * (len(found) > MOST_ADDRESSES)
    )
    private = [one for one in found if not ip_address(one.partition("%")[0]).is_global]
    if private and loopback(host):
        return warn("dns", f"{host} is this machine itself", "run it with the public URL before you ask the vendor")
    if private:
        said = f"{host} has addresses that the vendor cannot reach: {', '.join(private[:MOST_ADDRESSES])}"
        cure = (
            "have public addresses in public DNS; if your own network has another answer, run the check outside of it"
        )
        return level("dns", said, cure)
    return good("dns", f"{host} is an address" if found == [host] else f"{host} has {listed}")


def _code(address: str, port: int) -> str:
    """Why no connection stands; empty: one did, and is closed again."""
    try:
        made = within(TCP_S + 1, lambda: Dialer(lambda: False).dial(address, port, TCP_S))
    except OSError as error:
        return unreached(error)
    made.close()
    return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _shown(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
