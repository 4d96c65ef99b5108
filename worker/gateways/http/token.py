"""The bearer token: one for all threads, fetched ahead of its expiry by the first thread that asks then.

The vendor's number of seconds is trusted where it is one; where it is missing, zero, tiny or no number, a life is
assumed that causes no storm of refreshes (a token that dies earlier is noticed by its 401). The token and the secret
live in this object only: never in the database, a log, a message or a representation.
"""

import dataclasses
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_when_event_set, wait_exponential
from tenacity.nap import sleep_using_event

from worker.core.errors import CdpollError
from worker.core.vendor.document import is_html, parse_json
from worker.core.vendor.reply import (
    PROXY_REFUSED,
    HttpAnswer,
    RateLimited,
    Refused,
    Unreachable,
    error_word,
    rate_limited,
    refusal,
)
from worker.gateways.http.client import HttpClient, HttpFailed, Unusable, answer_of

DEFAULT_LIFE_MS = 3_600_000
SHORTEST_LIFE_MS = 30_000
LONGEST_LIFE_MS = 86_400_000
REFRESH_AHEAD_MS = 60_000

# What OAuth calls a trouble of the endpoint's own, in the words of a refusal.
_THEIR_TROUBLE = ("server_error", "temporarily_unavailable")


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Where and how to ask. The two callables resolve a secret at first use; they may raise BadConfiguration."""

    url: str
    client_id: Callable[[], str] = field(repr=False)
    client_secret: Callable[[], str] = field(repr=False)
    scope: str | None = None
    form: bool = False  # the fields as a form instead of JSON


Failure = Refused | Unreachable | RateLimited


class TokenFailed(Exception):
    """No token; ``reply`` says why, in the words of a poll."""

    def __init__(self, reply: Failure) -> None:
        super().__init__(reply.code)
        self.reply = reply


class _Transient(TokenFailed):
    """Worth another attempt within the second."""


@dataclass(frozen=True, slots=True, repr=False)
class _Token:
    value: str
    refresh_at: int
    expires_at: int


class Tokens:
    """The token shared by all threads. ``stop`` ends the waits between attempts."""

    def __init__(self, settings: TokenSettings, stop: threading.Event) -> None:
        self._settings = settings
        self._stop = stop
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self._failed: Failure | None = None  # what came of the last try that has ended
        self._tries = 0  # that have ended

    @property
    def expires_at(self) -> int | None:
        """When the present token expires, ms; ``None`` without one."""
        token = self._token
        return None if token is None else token.expires_at

    def get(self, client: HttpClient, now: int) -> str:
        """A token that is good at ``now``. Raises :class:`TokenFailed`."""
        token = self._token
        if token is not None and now < token.refresh_at:
            return token.value
        if token is None or now >= token.expires_at:
            return self._single_flight(client, now, None if token is None else token.value)
        if not self._lock.acquire(blocking=False):
            return token.value  # another thread is fetching the next one, and this one still works
        try:
            return self._fetch_or_keep(client, now, token)
        finally:
            self._lock.release()

    def replace(self, client: HttpClient, now: int, rejected: str) -> str:
        """A token other than ``rejected``, which the API has just answered with 401."""
        token = self._token
        if token is not None and token.value != rejected:
            return token.value
        return self._single_flight(client, now, rejected)

    def _fetch_or_keep(self, client: HttpClient, now: int, token: _Token) -> str:
        if self._token is not token and self._token is not None:
            return self._token.value
        try:
            return self._fetch(client, now).value
        except TokenFailed:
            # The old token is good for a while, so wait before the next try.
            self._token = dataclasses.replace(token, refresh_at=now + REFRESH_AHEAD_MS // 4)
            return token.value

    def _single_flight(self, client: HttpClient, now: int, stale: str | None) -> str:
        tries = self._tries
        with self._lock:
            if self._token is not None and self._token.value != stale:
                return self._token.value
            if self._tries != tries and self._failed is not None:
                raise TokenFailed(self._failed)  # another thread's try failed while this one waited
            return self._fetch(client, now).value

    def _fetch(self, client: HttpClient, now: int) -> _Token:
        attempts = Retrying(
            stop=stop_after_attempt(3) | stop_when_event_set(self._stop),
            wait=wait_exponential(multiplier=0.2, max=2),
            sleep=sleep_using_event(self._stop),
            retry=retry_if_exception_type(_Transient),
            reraise=True,
        )
        try:
            self._token = attempts(self._ask, client, now)
        except TokenFailed as failed:
            self._token = None if self._token is None or now >= self._token.expires_at else self._token
            self._failed = failed.reply
            raise
        else:
            self._failed = None
            return self._token
        finally:
            self._tries += 1

    def _ask(self, client: HttpClient, now: int) -> _Token:
        try:
            fields = {
                "grant_type": "client_credentials",
                "client_id": self._settings.client_id(),
                "client_secret": self._settings.client_secret(),
            }
        except CdpollError:
            # The daemon could read the secret at its start; perhaps it is being changed.
            raise TokenFailed(Refused("secret_unreadable", "token")) from None
        if self._settings.scope:
            fields["scope"] = self._settings.scope
        form = self._settings.form
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        content = urlencode(fields) if form else json.dumps(fields)
        try:
            response = client.send("POST", self._settings.url, {"content-type": kind}, content.encode())
        except Unusable as error:
            raise TokenFailed(Unreachable(f"token_{error.code}", "token")) from None
        except HttpFailed as error:
            if error.code == PROXY_REFUSED.code:
                raise TokenFailed(PROXY_REFUSED) from None
            raise _Transient(Unreachable(f"token_{error.code}", "token")) from None
        return _read(answer_of(response), now)


def _read(answer: HttpAnswer, now: int) -> _Token:
    """The token in a 2xx. An ``error`` refuses us, with whatever status it comes."""
    status = answer.status
    if (limited := rate_limited(answer, now)) is not None:
        raise TokenFailed(RateLimited(f"token_{limited.code}", limited.retry_after, "token"))
    if status == 407:
        raise TokenFailed(PROXY_REFUSED)
    word = error_word(answer)
    if status >= 500 or word in _THEIR_TROUBLE:
        raise _Transient(Unreachable(f"token_http_{status}", "token"))
    well = 200 <= status < 300
    fields = parse_json(answer.body) if well else None
    value = fields.get("access_token") if isinstance(fields, dict) else None
    value = value.strip() if isinstance(value, str) else ""
    if isinstance(fields, dict) and re.fullmatch(r"[\x21-\x7e]+", value):
        life = _life(fields.get("expires_in"))
        return _Token(value, now + life - min(REFRESH_AHEAD_MS, life // 5), now + life)
    if status in (400, 401, 403) or (well and word):
        raise TokenFailed(Refused(f"token_{refusal(answer)}", "token"))
    code = f"http_{status}"
    if well:
        code = "html" if is_html(answer.body) else "garbled"
    elif 300 <= status < 400:
        code = "redirect"
    raise TokenFailed(Unreachable(f"token_{code}", "token"))


def _life(expires_in: object) -> int:
    try:
        seconds = float(expires_in)  # type: ignore[arg-type]
        life = round(seconds * 1000)
    except (TypeError, ValueError, OverflowError):
        return DEFAULT_LIFE_MS
    return max(SHORTEST_LIFE_MS, min(life, LONGEST_LIFE_MS))
