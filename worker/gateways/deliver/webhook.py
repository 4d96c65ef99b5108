"""A way out over HTTP, as Standard Webhooks (standardwebhooks.com) has it: each result is one signed POST.

``webhook-id`` is the same at each attempt, so a receiver can tell what it has; the timestamp is the attempt's. The
signature is HMAC-SHA256, with both secrets while one replaces the other. Of the answer, only its status and Retry-After
are looked at.
"""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from worker.core.delivery import Delivered, Letter, LetterRefused, ReceiverDown, ReceiverGone, Sent
from worker.core.errors import BadConfiguration
from worker.core.instant import iso, words
from worker.core.vendor.reply import retry_after
from worker.core.webhook import signing_key
from worker.gateways.http.client import HttpClient, HttpFailed, Response, Unusable, header

_BODY_CAP_BYTES = 65_536
_SLOW = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Hook:
    """Where to post, and with which secrets to sign; both are looked up for each request.

    ``timeout_ms``: for the whole request. ``full``: all of a result is sent, not only what names it.
    """

    url: Callable[[], str]
    secrets: Sequence[Callable[[], str]]
    timeout_ms: int
    full: bool


class Webhook:
    """Posts to one address. For one thread."""

    def __init__(self, hook: Hook, client: HttpClient) -> None:
        self._hook = hook
        self._client = client

    def close(self) -> None:
        self._client.close()

    def send(self, letter: Letter, now: int) -> Sent:
        """Post one result. ``now`` is the time of this attempt."""
        try:
            url = self._hook.url()
            keys = [signing_key(secret()) for secret in self._hook.secrets]
        except BadConfiguration as error:
            return ReceiverDown("configuration", f"{error.message}; {error.hint}")
        body = envelope(letter, now, full=self._hook.full)
        host = urlsplit(url).hostname or ""
        try:
            response = self._post(url, signed_headers(letter.number, now, body, keys), body)
        except HttpFailed as failed:
            if failed.code == "timeout":
                said = f"{host} did not answer within {words(self._hook.timeout_ms)}"
            else:
                said = f"no whole answer came from {host}: {failed.code}"
            return ReceiverDown(failed.code, said)
        except Unusable as unusable:
            response = unusable.response  # its body is not needed
        return _sent(response, host, now)

    def _post(self, url: str, headers: dict[str, str], body: bytes) -> Response:
        self._client.begin()
        # The client's own timeout is for each part of the answer.
        deadline = threading.Timer(self._hook.timeout_ms / 1000, self._client.cut)
        deadline.daemon = True
        deadline.start()
        try:
            try:
                return self._client.send("POST", url, headers, body, _BODY_CAP_BYTES)
            except HttpFailed as failed:
                # The peer had closed the kept connection. It knows a request that came twice by its id.
                if failed.code not in ("cut", "protocol") or not self._client.was_kept:
                    raise
                self._client.forget()
                return self._client.send("POST", url, headers, body, _BODY_CAP_BYTES)
        finally:
            deadline.cancel()


def envelope(letter: Letter, now: int, *, full: bool) -> bytes:
    """The body of a request: what happened, when, and the result as it is."""
    kind = "batch_answer.ingested" if letter.outcome == "batch" else "coverage_discovery.concluded"
    # The same at each attempt, where the result says when it became visible.
    happened = json.loads(letter.thin).get("visible_at") or iso(now)
    data = letter.body if full else letter.thin
    return b'{"type": "%s", "timestamp": "%s", "data": %s}' % (kind.encode(), happened.encode(), data)


def signed_headers(number: int, at: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The headers of a request; ``at`` is the time of the attempt in ms."""
    name, seconds = f"msg_{number}", str(at // 1000)
    signed = b"%s.%s.%s" % (name.encode(), seconds.encode(), body)
    digests = [hmac.digest(key, signed, hashlib.sha256) for key in keys]
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


def _sent(response: Response, host: str, now: int) -> Sent:
    status = response.status
    code, said = f"http_{status}", f"{host} answered {status}"
    if 200 <= status < 300:
        return Delivered()
    if status == 410:
        return ReceiverGone(code, f"{said}: it wants no more results")
    if status in _SLOW:
        wait = retry_after(header(response, "retry-after"), now, header(response, "date"))
        return ReceiverDown(code, said, wait, counts=status != 429)
    if 300 <= status < 400:
        said += ", a redirect, which is not followed; write the address that it leads to under url"
    return LetterRefused(code, said)
