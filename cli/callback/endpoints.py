"""Both endpoints as the vendor meets them: tokens in both forms, deliveries in both generations, and refusals."""

import json
import secrets
from collections.abc import Iterator
from urllib.parse import urlencode

from cli.callback.address import Target
from cli.callback.caller import FORM, JSON, Caller, Credentials, Said
from cli.callback.words import Trouble, of_code, of_status
from cli.doctor.finding import Finding, fail, good, warn
from worker.core.instant import iso, words
from worker.core.vendor.rehearsal import Json, concluded, rehearsals

# The vendor asks for a token before the first delivery; a life that is shorter than its retries costs one for each.
SHORT_TOKEN_S = 60

# Documents are small, but for their real-time answers; a web server's own limit is often 1 MiB.
LARGE_BYTES = 4 << 20

_GRANT = {"grant_type": "client_credentials"}

_CHANGED = "does the web server before cdpoll pass the body on as it came?"
_SAME_PAIR = "is it the pair that the service has read? it reads [callback] at a reload; see docs/callbacks.md"
_OTHER_PAIR = {"token_basic": f"{_SAME_PAIR}; does a web server before it pass Authorization on?"}


class Endpoints:
    """``token`` is the latest one that was given; empty without any."""

    def __init__(self, target: Target, pair: Credentials, caller: Caller, now: int) -> None:
        self.token = ""
        self._target, self._pair, self._caller = target, pair, caller
        self._at, self._mark = iso(now - now % 1000), secrets.token_hex(6)
        self.correlation_id = f"cdpoll-check-{self._mark}"

    # Tokens

    def basic(self) -> Finding:
        """As the newer page has it: the pair in a header, and a form."""
        return self._given("token_basic", self._asked_basic(self._pair, self._scoped(_GRANT)), "HTTP Basic and a form")

    def in_json(self) -> Finding:
        """As the older page has it: all of it in a JSON body."""
        pair = {"client_id": self._pair.client_id, "client_secret": self._pair.secret}
        body = json.dumps(self._scoped({**_GRANT, **pair})).encode()
        came = self._caller.post(self._target.token_url, {"content-type": JSON}, body)
        return self._given("token_json", came, "a JSON body")

    def wrong_secret(self) -> Finding:
        wrong = Credentials(self._pair.client_id, secrets.token_hex(32))
        came = self._asked_basic(wrong, _GRANT)
        if (lost := self._lost("wrong_secret", came)) is not None:
            return lost
        if came.status == 401 and not came.header("www-authenticate"):
            cure = "does the web server before cdpoll take the header WWW-Authenticate away?"
            return warn("wrong_secret", "a wrong secret gets 401 without WWW-Authenticate", cure)
        if came.status == 401:
            return good("wrong_secret", "a wrong secret gets 401 with WWW-Authenticate")
        if came.status == 200:
            cure = "is this cdpoll? who gets a token without the secret can deliver"
            return fail("wrong_secret", "a wrong secret gets a token", cure)
        return self._other("wrong_secret", came, "a wrong secret must get 401, and gets")

    def _scoped(self, fields: dict[str, str]) -> dict[str, str]:
        return fields if self._target.scope is None else {**fields, "scope": self._target.scope}

    def _asked_basic(self, pair: Credentials, fields: dict[str, str]) -> Said:
        headers = {"authorization": pair.as_header(), "content-type": FORM}
        return self._caller.post(self._target.token_url, headers, urlencode(fields).encode())

    def _given(self, check: str, came: Said, form: str) -> Finding:
        """A token came, with all that the vendor reads of the answer."""
        if (lost := self._lost(check, came)) is not None:
            return lost
        told = came.json()
        if came.status != 200:
            if came.status in (400, 401) and isinstance(told.get("error"), str):
                said = f"with {form}: HTTP {came.status}, {told['error'][:80]}"
                return fail(check, said, _CHANGED if came.status == 400 else _OTHER_PAIR.get(check, _SAME_PAIR))
            return self._other(check, came, f"with {form}:")
        token, life = told.get("access_token"), told.get("expires_in")
        if not isinstance(token, str) or not token:
            return fail(check, f"with {form}: HTTP 200 without an access_token", "check host and path: is this cdpoll?")
        self.token = token
        wrong = [
            *(["token_type is not Bearer"] if str(told.get("token_type")).lower() != "bearer" else []),
            *([] if type(life) is int and life > 0 else ["expires_in is no number of seconds"]),
            *([] if "no-store" in came.header("cache-control").lower() else ["Cache-Control is not no-store"]),
        ]
        if wrong:
            cure = "does something between here and cdpoll change the answer?"
            return fail(check, f"with {form}: a token came, but {', '.join(wrong)}", cure)
        said = f"with {form}: a token came, good for {words(int(life or 0) * 1000)}, not to be cached"
        if int(life or 0) < SHORT_TOKEN_S:
            return warn(check, said, "raise [callback] token_lifetime: the vendor would ask for each delivery")
        return good(check, said)

    # Deliveries

    def deliveries(self) -> Iterator[Finding]:
        """One of each kind, one of them twice, and a large one."""
        for one in rehearsals(self._mark, self._at):
            yield self._taken("delivery", self._delivered(one.document), one.name)
        yield self.delivery("duplicate", "the same once more")
        came = self._delivered(concluded(self._mark, self._at), blanks=LARGE_BYTES)
        yield self._taken("large", came, f"one of {LARGE_BYTES >> 20} MiB")

    def delivery(self, check: str = "delivery", name: str = "concluded") -> Finding:
        """One of the newer kind."""
        return self._taken(check, self._delivered(concluded(self._mark, self._at)), name)

    def wrong_token(self) -> Iterator[Finding]:
        for token, name in ((None, "no token"), (secrets.token_urlsafe(32), "a wrong token")):
            came = self._delivered(concluded(self._mark, self._at), token=token)
            yield self._refused("wrong_token", came, 401, name)

    def wrong_scope(self) -> Finding:
        """Where a scope is needed, a token without it may not deliver, or is not given at all."""
        other = f"not-{secrets.token_hex(4)}"
        came = self._asked_basic(self._pair, {**_GRANT, "scope": other})
        token, granted = came.json().get("access_token"), came.json().get("scope")
        if came.status == 400 and came.json().get("error") == "invalid_scope":
            return good("wrong_scope", "a token for another scope is not given (invalid_scope)")
        if came.status != 200 or not isinstance(token, str):
            return self._lost("wrong_scope", came) or self._other("wrong_scope", came, "a token for another scope:")
        if isinstance(granted, str) and self._target.scope in granted.split():
            return good("wrong_scope", "each token has the scope, also where another one is asked for")
        return self._refused(
            "wrong_scope", self._delivered(concluded(self._mark, self._at), token=token), 403, "another scope"
        )

    def content_type(self) -> Finding:
        came = self._delivered(concluded(self._mark, self._at), kind="text/plain")
        return self._refused("content_type", came, 415, "a body that is no JSON by its header")

    def head_of_delivery(self, length: int) -> str:
        """The head of one that announces ``length`` bytes."""
        url = self._target.callback
        host = url.origin.partition("://")[2]
        return (
            f"POST {url.path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: {JSON}\r\nContent-Length: {length}\r\nConnection: close\r\n"
        )

    def _delivered(self, document: Json, *, token: str | None = "", kind: str = JSON, blanks: int = 0) -> Said:
        """``token``: an empty one stands for that which came; ``None``: none at all. ``blanks`` come behind it."""
        headers = {"content-type": kind, "x-optum-tenant-id": "", "x-optum-correlation-id": self.correlation_id}
        if token is not None:
            headers["authorization"] = f"Bearer {token or self.token}"
        return self._caller.post(self._target.callback_url, headers, json.dumps(document).encode() + b" " * blanks)

    def _taken(self, check: str, came: Said, name: str) -> Finding:
        if (lost := self._lost(check, came)) is not None:
            return lost
        if came.status == 204:
            return good(check, f"{name}: HTTP 204")
        if 200 <= came.status < 300:
            cure = "let the web server pass cdpoll's own answer on: to the vendor, 204 alone is a success"
            return fail(check, f"{name}: HTTP {came.status} in place of 204", cure)
        return self._other(check, came, f"{name}:")

    def _refused(self, check: str, came: Said, status: int, name: str) -> Finding:
        if (lost := self._lost(check, came)) is not None:
            return lost
        if came.status != status:
            if came.status == 204:
                return fail(check, f"{name}: HTTP 204, it is let in", "is this cdpoll? see docs/callbacks.md")
            return self._other(check, came, f"{name}: HTTP {status} is right, and this came:", strict=False)
        if status == 401 and not came.header("www-authenticate"):
            cure = "does the web server before cdpoll take the header WWW-Authenticate away?"
            return warn(check, f"{name}: HTTP 401 without WWW-Authenticate", cure)
        return good(check, f"{name}: HTTP {status}")

    def _lost(self, check: str, came: Said) -> Finding | None:
        """Where no answer came."""
        return self._told(check, "", of_code(came.code)) if came.code else None

    def _other(self, check: str, came: Said, before: str, *, strict: bool = True) -> Finding:
        return self._told(check, before, of_status(came.status), strict=strict)

    def _told(self, check: str, before: str, trouble: Trouble, *, strict: bool = True) -> Finding:
        return (fail if strict else warn)(check, f"{before} {trouble.words}".lstrip(), trouble.cure)
