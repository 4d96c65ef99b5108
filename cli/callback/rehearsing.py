"""The vendor's part, from the names to the deliveries: the whole of it, or what shows that callbacks arrive."""

import ssl
from collections.abc import Generator, Iterator

from cli.callback.address import Target, addressed, port_of, way
from cli.callback.caller import Caller, Credentials
from cli.callback.endpoints import Endpoints
from cli.callback.stalling import Stalled, oversized
from cli.callback.words import of_code
from cli.doctor.finding import Finding, fail, good, unchecked, warn
from worker.clock import Clock
from worker.config.urls import Url
from worker.core.instant import DAY_MS, about
from worker.core.vendor.httpdate import http_date
from worker.gateways.http.client import HttpFailed

SOON_MS = 21 * DAY_MS
SKEWED_MS = 30_000

_IN_CLEAR = (400, 403, 404, 410, 421, 426)  # the answers of a web server that has no such endpoint in clear

BEHIND_THE_WAY = ("tls", "token_basic", "delivery")
ALL_BEHIND = (
    *("tls", "plain_http", "token_basic", "token_json", "wrong_secret", "clock"),
    *("delivery", "duplicate", "large", "wrong_token", "wrong_scope", "content_type", "oversized", "slow"),
)
CHECKS = ("url", "domain", "dns", "tcp", *ALL_BEHIND)


class Rehearsal:
    """``requests`` counts what was asked for by HTTP."""

    def __init__(
        self, target: Target, pair: Credentials | None, tls: ssl.SSLContext, clock: Clock, step_s: float
    ) -> None:
        self.target = target
        self._caller = Caller(tls, step_s)
        self._clock = clock
        self._has_pair = pair is not None
        self._endpoints = Endpoints(target, pair or Credentials("", ""), self._caller, clock.now())

    @property
    def requests(self) -> int:
        return self._caller.requests

    def close(self) -> None:
        self._caller.close()

    def brief(self) -> Iterator[Finding]:
        """The way as it is from the server itself, a token and a delivery, as far as there is a pair."""
        stands = yield from self._reached(BEHIND_THE_WAY, inside=True)
        if not stands:
            return
        if not self._has_pair:
            yield from unchecked(("token_basic", "delivery"), "callback_secret")
            return
        yield self._endpoints.basic()
        yield from [self._endpoints.delivery()] if self._endpoints.token else unchecked(("delivery",), "callback_token")

    def whole(self, slow_s: float) -> Iterator[Finding]:
        """Everything. ``slow_s``: how long a client that stalls waits for its end."""
        stands = True
        for found in addressed(self.target):
            stands = stands and (found.check, found.level) != ("url", "FAIL")
            yield found
        if not stands:  # nothing is sent in clear, not even the token request
            yield from unchecked(("dns", "tcp", *ALL_BEHIND), "url")
            return
        stands = yield from self._reached(ALL_BEHIND)
        if not stands:
            return
        yield from self._in_clear()
        asked = self._endpoints
        yield from (asked.basic(), asked.in_json(), asked.wrong_secret(), *self._time())
        if not asked.token:
            yield from unchecked(ALL_BEHIND[ALL_BEHIND.index("delivery") :], "token_basic and token_json")
            return
        stalled = Stalled(asked, self.target, self._caller.tls, slow_s)
        yield from asked.deliveries()
        yield from asked.wrong_token()
        yield from [asked.wrong_scope()] if self.target.scope is not None else []
        yield asked.content_type()
        yield oversized(asked, self.target, self._caller, slow_s)
        yield from stalled.findings()

    def _reached(self, behind: tuple[str, ...], *, inside: bool = False) -> Generator[Finding, None, bool]:
        """Names, ports and TLS of both. Returns whether all of them stand."""
        for url in self.target.hosts:
            last = None
            for last in way(url, inside=inside):
                yield last
            if last is None or last.level == "FAIL":
                yield from unchecked(behind, "dns or tcp")
                return False
        for url in self.target.hosts:
            if url.scheme == "https":
                found = self._tls(url)
                yield found
                if found.level == "FAIL":
                    yield from unchecked(tuple(one for one in behind if one != "tls"), "tls")
                    return False
        return True

    def _tls(self, url: Url) -> Finding:
        try:
            seen = self._caller.handshake(url.host, url.origin)
        except HttpFailed as error:
            trouble = of_code(error.code)
            return fail("tls", f"{url.host}: {trouble.words}", trouble.cure)
        said = f"{url.host}: {seen.version}, a trusted certificate of {seen.issuer or 'its own'}"
        left = None if seen.expires_at is None else seen.expires_at - self._clock.now()
        if left is None:
            return good("tls", said)
        said = f"{said}, which expires in {about(left)}"
        return warn("tls", said, "renew it now: is its renewal automatic?") if left < SOON_MS else good("tls", said)

    def _in_clear(self) -> Iterator[Finding]:
        for url in self.target.hosts:
            if url.scheme != "https" or port_of(url) != 443:
                continue
            came = self._caller.ask("GET", f"http://{url.host}{url.path}", {})
            if came.code:
                yield good("plain_http", f"nothing answers at port 80 of {url.host}")
            elif 300 <= came.status < 400 and came.header("location").startswith("https://"):
                yield good("plain_http", f"port 80 of {url.host} leads to https, and takes nothing in clear")
            elif came.status in _IN_CLEAR:
                yield good("plain_http", f"port 80 of {url.host} does not have the endpoint: HTTP {came.status}")
            else:
                said = f"port 80 of {url.host} answers HTTP {came.status} at this path: it may take secrets in clear"
                yield warn("plain_http", said, "have it lead to https, or close it")

    def _time(self) -> list[Finding]:
        theirs = http_date(self._caller.date or "")
        if theirs is None:
            return []
        apart = self._clock.now() - theirs
        if abs(apart) < SKEWED_MS:
            return [good("clock", "the server's is as this machine's, to within half a minute")]
        said = f"the server's is {about(abs(apart))} {'behind' if apart > 0 else 'ahead of'} this machine's"
        return [warn("clock", said, "is time kept by NTP on both? `timedatectl` says")]
