"""Where the simulated vendor delivers callbacks, and what it proves itself with there."""

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

GENERATIONS = ("newer", "older")
TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path, not a secret
CALLBACK_PATH = "/coverage-discovery/callback"


@dataclass(frozen=True, slots=True)
class Target:
    """The customer's two endpoints. ``generation`` is the vendor's: ``newer`` asks for a token with HTTP Basic and a
    form and delivers concluded tasks only; ``older`` asks with a JSON body, delivers the pending task first, and spells
    ``endDatetime``. ``authority`` is a file of certificates to trust in place of the machine's, and ``scope`` what a
    token is asked for with.

    Raises ValueError for an address that is not to be called.
    """

    url: str
    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    generation: str = "newer"
    authority: str = ""
    scope: str = ""

    def __post_init__(self) -> None:
        check_address(self.url)
        check_address(self.token_url)
        if self.generation not in GENERATIONS:
            raise ValueError(f"{self.generation!r} is not a generation: write {' or '.join(GENERATIONS)}")

    def allows(self, url: str) -> bool:
        """Whether a request's own ``callbackUrl`` lies on a host that was arranged: the vendor calls no other."""
        try:
            check_address(url)
        except ValueError:
            return False
        return urlsplit(url).hostname in {urlsplit(one).hostname for one in (self.url, self.token_url)}


def check_address(url: str) -> None:
    """Raises ValueError unless ``url`` is https, or http on a loopback address."""
    try:
        parts = urlsplit(url)
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{url!r} is not a URL")
    if parts.username is not None or parts.fragment:
        raise ValueError(f"{parts.scheme}://{parts.hostname}: a user, a password or a fragment has no place in the URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ValueError(f"{url!r} must begin with https:// (http:// for a loopback address alone)")


def is_loopback(host: str) -> bool:
    """Whether a host's name says that it is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listens_here(target: Target) -> tuple[str, str, str] | None:
    """Address with port, token path and callback path of a listener on this machine that would get what is sent to
    ``target``; ``None`` if none could."""
    token, callback = urlsplit(target.token_url), urlsplit(target.url)
    plain = not (token.query or callback.query) and len(token.path) > 1 and len(callback.path) > 1
    if token.netloc != callback.netloc or {token.scheme, callback.scheme} != {"http"} or not plain:
        return None
    return f"{callback.netloc}" if callback.port else f"{callback.netloc}:80", token.path, callback.path


def token_url_beside(url: str) -> str:
    """Where tokens are asked for by default: on the host of the callback URL, below what stands before its path."""
    parts = urlsplit(url)
    before = parts.path.removesuffix(CALLBACK_PATH) if parts.path.endswith(CALLBACK_PATH) else ""
    return f"{parts.scheme}://{parts.netloc}{before}{TOKEN_PATH}"
