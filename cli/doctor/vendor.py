"""The vendor's API as the daemon would meet it: the way there, TLS, the proxy, the clock, a token, its own health, and
whether it lets us ask for discoveries.

One token is asked for, then the health check and one page of the list of a minute: three requests that change nothing.
None is repeated, but for a GET over a connection that the peer had closed.
"""

import contextlib
import threading
from collections.abc import Iterator

from cli.doctor.finding import Finding, fail, good, not_checked, unchecked, warn
from cli.doctor.way import Peer, connected, failed, found_name, peer_of
from worker.clock import Clock
from worker.config import ApiSection
from worker.config.urls import read_url
from worker.core.errors import BadConfiguration
from worker.core.instant import about
from worker.core.poll_errors import cure_of, in_words
from worker.core.problems import counted
from worker.core.vendor.httpdate import http_date
from worker.core.vendor.page import Page, PageQuery
from worker.core.vendor.reply import Pending, RateLimited, Refused, Reply
from worker.daemon.vendor_access import tokens_of
from worker.gateways.http.api import Api, ApiSettings
from worker.gateways.http.client import HttpFailed, Unusable, tls_context
from worker.gateways.http.inspection import Handshake, InspectingClient
from worker.gateways.http.token import TokenFailed

REQUEST_S = 6.0
SOON_MS = 14 * 86_400_000
SKEWED_MS, WRONG_MS = 30_000, 300_000
LISTED_MS = 60_000
# Where a name is looked for, of the last day.
LOOKED_FOR_MS = 86_400_000
LISTED_ROWS = 25
BEHIND_THE_WAY = ("tls", "token", "clock", "healthcheck", "discovery")


class Vendor:
    """``failures`` are the codes of what failed, ``requests`` how many were made; both grow while the checks run."""

    def __init__(self, api: ApiSection, clock: Clock, tenant_names: tuple[str, ...] | None = None) -> None:
        """``tenant_names``: whose rows of the list the backfill takes; ``None``: all."""
        self.failures: list[str] = []
        self.requests = 0
        self._api = api
        self._clock = clock
        self._tenant_names = tenant_names
        self._told_hosts: set[str] = set()

    def checks(self) -> Iterator[Finding]:
        """All of them, in the order in which one needs the other."""
        api = self._api
        if not api.base_url:
            yield from unchecked(("dns", "tcp", *BEHIND_THE_WAY), "configuration")
            return
        try:
            proxy = None if api.proxy is None else api.proxy.reveal()
            tls = tls_context(None if api.ca_file is None else str(api.ca_file))
        except BadConfiguration:
            yield from unchecked(("dns", "tcp", *BEHIND_THE_WAY), "configuration")
            return
        peers = [peer_of(proxy, "proxy_")] if proxy else [peer_of(api.base_url), peer_of(api.token_url, "token_")]
        before = len(self.failures)
        for peer in {(one.host, one.port): one for one in reversed(peers)}.values():
            yield from self._way(peer)
        if len(self.failures) > before:
            yield from unchecked(BEHIND_THE_WAY, "dns or tcp")
            return
        client = InspectingClient(tls, min(api.timeout_ms, round(REQUEST_S * 1000)), proxy)
        try:
            yield from self._asked(client)
        finally:
            client.close()

    def _way(self, peer: Peer) -> Iterator[Finding]:
        code, found = found_name(peer)
        yield found
        if code:
            self.failures.append(code)
            yield from unchecked(("tcp",), "dns")
            return
        code, found = connected(peer)
        yield found
        if code:
            self.failures.append(code)

    def _asked(self, client: InspectingClient) -> Iterator[Finding]:
        api = self._api
        try:
            api.client_id.reveal()
            api.client_secret.reveal()
        except BadConfiguration:
            yield from self._without_credentials(client)
            return
        # Set already, so that no attempt is repeated: who is refused again and again is locked out.
        once = threading.Event()
        once.set()
        tokens = tokens_of(api, once)
        now = self._clock.now()
        try:
            with self._bounded(client):
                tokens.get(client, now)
        except TokenFailed as refused:
            yield from self._of_the_way(client, refused.reply.code)
            yield from self._of_the_token(refused.reply)
            yield from unchecked(("healthcheck", "discovery"), "token")
            return
        yield from self._of_the_way(client, "")
        yield good("token", f"a token came, good for {about((tokens.expires_at or now) - now)}")
        yield from self._of_the_api(client, Api(ApiSettings(api.base_url, api.tenant_id), tokens))

    def _of_the_api(self, client: InspectingClient, asked: Api) -> Iterator[Finding]:
        with self._bounded(client):
            reply = asked.health(client, self._clock.now()).reply
        yield from self._tls(client)
        yield self._health(reply)
        now = self._clock.now()
        with self._bounded(client):
            since = now - (LISTED_MS if self._tenant_names is None else LOOKED_FOR_MS)
            listed = asked.page(client, PageQuery(since, now, limit=LISTED_ROWS), now)
        if isinstance(listed, Page):
            yield good("discovery", "the vendor lists discoveries for us")
            yield from self._tenants(listed)
        elif isinstance(listed, Refused):
            yield self._noted("discovery", listed.code)
        else:
            said = f"the list of discoveries did not come: {in_words(listed.code)}"  # type: ignore[union-attr]
            yield warn("discovery", said, "polling does without the list; run the doctor again")

    def _tenants(self, listed: Page) -> Iterator[Finding]:
        """Whether the backfill would take any of what is listed."""
        if self._tenant_names is None or not listed.rows:
            return
        if any(row.tenant in self._tenant_names for row in listed.rows):
            yield good("backfill", "the list has tasks with a tenantName of [backfill] tenant_names")
            return
        names = sorted({row.tenant for row in listed.rows if row.tenant is not None})
        said = f"the list says {'; '.join(names)}" if names else "its rows name no tenant"
        cure = "write [backfill] tenant_names letter for letter as the vendor does"
        none = f"none of {counted(len(listed.rows), 'task')} is of [backfill] tenant_names"
        yield warn("backfill", f"{none}; {said}", cure)

    def _without_credentials(self, client: InspectingClient) -> Iterator[Finding]:
        """The way alone: an answer that refuses us comes over the same way as any other."""
        code = ""
        try:
            with self._bounded(client):
                client.send("GET", f"{self._api.base_url}/healthcheck", {})
        except HttpFailed as error:
            code = error.code
        except Unusable:
            pass
        yield from self._of_the_way(client, code)
        if code and not code.startswith(("tls", "proxy")):
            yield self._noted("healthcheck", code)
        yield from unchecked(("token", "healthcheck", "discovery"), "configuration")

    @contextlib.contextmanager
    def _bounded(self, client: InspectingClient) -> Iterator[None]:
        """One request, or one with a token before it; each answer is cut when it takes too long in all."""
        client.begin()
        timer = threading.Timer(REQUEST_S, client.cut)
        timer.daemon = True
        timer.start()
        before = client.sent
        try:
            yield
        finally:
            timer.cancel()
            self.requests += client.sent - before

    def _of_the_way(self, client: InspectingClient, code: str) -> Iterator[Finding]:
        """What the first request tells of proxy, TLS and clock, whatever it was answered."""
        bare = code.removeprefix("token_")
        if self._api.proxy is not None and not bare.startswith("proxy"):
            yield good("proxy", f"{self._api.proxy.shown} lets us through")
        if bare.startswith("proxy"):
            yield self._noted("proxy", bare)
            yield from unchecked(("tls", "clock"), "proxy")
        elif bare.startswith("tls"):
            yield self._noted("tls", code)
            yield from unchecked(("clock",), "tls")
        else:
            yield from self._tls(client)
            yield from self._time(client)

    def _of_the_token(self, reply: Reply) -> Iterator[Finding]:
        code = str(getattr(reply, "code", ""))
        if isinstance(reply, RateLimited):
            yield warn("token", f"the vendor asks us to wait: {in_words(code)}", "run the doctor again later")
        elif code.removeprefix("token_").startswith(("proxy", "tls")):
            yield from unchecked(("token",), "proxy" if "proxy" in code else "tls")
        else:
            yield self._noted("token", code)

    def _tls(self, client: InspectingClient) -> Iterator[Finding]:
        """Of each host whose handshake was not told of yet."""
        for one in client.handshakes:
            if one.host not in self._told_hosts:
                self._told_hosts.add(one.host)
                yield self._handshake(one)
        if not client.handshakes and read_url(self._api.base_url).scheme == "http" and not self._told_hosts:
            self._told_hosts.add("")
            yield good("tls", "not used: plain HTTP to this machine itself")

    def _handshake(self, one: Handshake) -> Finding:
        said = f"{one.host}: {one.version} with {one.cipher}, a trusted certificate of {one.issuer or 'its own'}"
        left = None if one.expires_at is None else one.expires_at - self._clock.now()
        if left is None:
            return good("tls", said)
        said = f"{said}, which expires in {about(left)}"
        if left < SOON_MS:
            return warn("tls", said, "tell the vendor, or the people who run the proxy")
        return good("tls", said)

    def _time(self, client: InspectingClient) -> Iterator[Finding]:
        theirs = http_date(client.date or "")
        if theirs is None:
            yield not_checked("clock", "the answer has no Date", "compare `date -u` with another machine")
            return
        # A Date has whole seconds.
        apart = self._clock.now() - theirs
        if abs(apart) < SKEWED_MS:
            yield good("clock", "as the vendor's, to within half a minute")
            return
        said = f"this machine is {about(abs(apart))} {'ahead of' if apart > 0 else 'behind'} the vendor's Date"
        cure = "is time kept by NTP? `timedatectl` says; then `systemctl restart systemd-timesyncd` (or chrony)"
        yield (fail if abs(apart) >= WRONG_MS else warn)("clock", said, cure)

    def _health(self, reply: Reply) -> Finding:
        if isinstance(reply, Pending):
            return good("healthcheck", "the vendor says that it is well, and takes our token")
        code = reply.code  # type: ignore[union-attr]
        if isinstance(reply, RateLimited):
            return warn("healthcheck", f"the vendor asks us to wait: {in_words(code)}", cure_of(code) or "")
        if isinstance(reply, Refused) and code.startswith("http_403") and not code.endswith("html"):
            said = f"our credential may not ask for it ({in_words(code)})"
            return warn("healthcheck", said, "polling does without; ask the vendor for the scope read_healthcheck")
        return self._noted("healthcheck", code)

    def _noted(self, check: str, code: str) -> Finding:
        self.failures.append(code)
        return failed(check, code)
