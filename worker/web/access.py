"""Who may ask what of `cdpoll serve local`.

============  =====================================================================================================
way in        may
============  =====================================================================================================
the port      all, under a name that is served here, and with the token where one is set (/healthz needs none)
a socket      hand ids in, and read how; its permissions say who may, so no token and no name is asked for
a browser     look, and hand nothing in: a page of another site could have it do so
============  =====================================================================================================
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from ipaddress import ip_address

from flask import Response, request

from worker.rounds.log_lines import Log
from worker.web.refusal import refused
from worker.web.throttle import FAILURES, Throttle

# What is answered by a Unix socket. Its users may hand in, and read nothing.
BY_SOCKET = ("/v1/tasks", "/v1/openapi.json", "/healthz")

REALM = "cdpoll"

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")


class Access:
    """``hosts``: names under which a request may ask, beside those of this machine. ``token``: as it was read, or
    ``None``, where none is asked for. ``now`` reads the clock (ms)."""

    def __init__(self, hosts: tuple[str, ...], token: str | None, now: Callable[[], int], log: Log) -> None:
        self._hosts, self._now, self._log = hosts, now, log
        self._token = None if token is None else _digest(token)
        self._throttle = Throttle()

    def refusal(self) -> Response | None:
        """The answer to a request that may not ask."""
        if by_socket():
            found = None if request.path in BY_SOCKET else refused(404, "not_found", "a socket takes ids, and no more")
        else:
            found = self._under_another_name() or self._without_token()
        return found or _from_a_browser()

    def _under_another_name(self) -> Response | None:
        # A page of another site can make a browser ask here under its own name (DNS rebinding), and read the answer.
        if is_meant(request.environ.get("HTTP_HOST", ""), self._hosts):
            return None
        said = "this name is not served here; [local] hosts lists those that are, beside localhost"
        return refused(421, "wrong_host", said)

    def _without_token(self) -> Response | None:
        if self._token is None or request.path == "/healthz":
            return None
        scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            said = "a bearer token is needed, that of [local] token"
            return refused(401, "token_missing", said, {"WWW-Authenticate": f'Bearer realm="{REALM}"'})
        if hmac.compare_digest(_digest(token), self._token):
            return None
        return self._slowed() or refused(
            401,
            "token_wrong",
            "the token is not that of [local] token",
            {"WWW-Authenticate": f'Bearer realm="{REALM}", error="invalid_token"'},
        )

    def _slowed(self) -> Response | None:
        """Count a wrong token; the answer for an address that has sent too many of them."""
        source = request.environ.get("REMOTE_ADDR", "")
        count, rest_ms = self._throttle.failed(source, self._now())
        if count == 1 or count == FAILURES + 1:
            slowed = "further ones from there are answered 429" if count > 1 else "it was refused"
            self._log.warning("a wrong token for [local]", source=source, then=slowed)
        if count <= FAILURES:
            return None
        wait = {"Retry-After": str(max(1, -(-rest_ms // 1000)))}
        return refused(429, "too_many_attempts", "too many wrong tokens have come from this address", wait)


def by_socket() -> bool:
    """Whether the request came by a Unix socket: its peer has no address."""
    return not request.environ.get("REMOTE_ADDR")


def is_meant(host: str, hosts: tuple[str, ...]) -> bool:
    """Whether a Host header names this machine, or one of ``hosts``."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].lower().strip("[]").removesuffix(".")
    if name == "localhost" or name in hosts:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _from_a_browser() -> Response | None:
    if request.method in ("GET", "HEAD") or not {"Origin", "Sec-Fetch-Site"} & set(request.headers.keys()):
        return None
    return refused(403, "from_a_browser", "a browser may hand nothing in: leave out Origin and Sec-Fetch-Site")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
