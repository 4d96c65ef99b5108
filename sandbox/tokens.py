"""The token endpoint, and which tokens are good."""

import json
import math
import random
from urllib.parse import parse_qs

from sandbox.timetable import new_id
from sandbox.wire import FORM_TOKEN_PATH, Reply, Request, json_reply

SHORTEST_LIFE_S = 5

# The vendor's scopes, and which of them an operation needs.
SCOPES = frozenset({"read_txn", "create_txn", "read_coveragediscovery", "create_coveragediscovery", "read_healthcheck"})
_NEEDED = {
    "real_time": "create_txn",
    "real_time_x12": "create_txn",
    "transaction_list": "read_txn",
    "transaction_get": "read_txn",
    "discovery": "create_coveragediscovery",
    "discovery_x12": "create_coveragediscovery",
    "discovery_list": "read_coveragediscovery",
    "discovery_get": "read_coveragediscovery",
    "healthcheck": "read_healthcheck",
}


def refuse(status: int, error: str, description: str) -> Reply:
    """An error of the token endpoint."""
    return json_reply(status, {"error": error, "error_description": description}, ("Cache-Control", "no-store"))


class Tokens:
    """Issues tokens and checks them. ``expires_in`` is in seconds and already divided by the sandbox's speed."""

    def __init__(self, client_id: str, client_secret: str, expires_in: float, seed: int) -> None:
        self._client = (client_id, client_secret)
        self.expires_in = max(SHORTEST_LIFE_S, math.floor(expires_in))
        self._chance = random.Random(f"{seed}|tokens")
        self._expiry: dict[str, int] = {}
        self._scopes: dict[str, frozenset[str]] = {}  # of the tokens that were asked for with some

    def answer(self, request: Request, now: int, life: int | None = None) -> Reply:
        """The answer to a token request, with a JSON or a form body. ``life`` (seconds) overrides how long the token
        really lives."""
        is_json = "json" in request.headers.get("content-type", "") or request.body.lstrip()[:1] == b"{"
        if is_json and request.path.rstrip("/") == FORM_TOKEN_PATH:
            return refuse(400, "invalid_request", "the body is not a form")
        try:
            fields = _fields(request, is_json=is_json)
        except ValueError:
            return refuse(400, "invalid_request", "the body is neither a JSON object nor a form")
        absent = [name for name in ("client_id", "client_secret", "grant_type") if not fields.get(name)]
        if absent:
            return refuse(400, "invalid_request", f"{', '.join(absent)}: required")
        if fields["grant_type"] != "client_credentials":
            return refuse(400, "unsupported_grant_type", "grant_type must be client_credentials")
        if (fields["client_id"], fields["client_secret"]) != self._client:
            return refuse(401, "invalid_client", "the client id or its secret is wrong")
        scopes = frozenset(fields.get("scope", "").split())
        if scopes - SCOPES:
            return refuse(400, "invalid_scope", f"the scopes are {', '.join(sorted(SCOPES))}")
        token = f"sbx.{self._chance.getrandbits(256):064x}"
        self._expiry = {t: at for t, at in self._expiry.items() if at > now - 3_600_000}
        self._scopes = {t: some for t, some in self._scopes.items() if t in self._expiry}
        if scopes:
            self._scopes[token] = scopes
        self._expiry[token] = now + (self.expires_in if life is None else life) * 1000
        return json_reply(
            200,
            {"access_token": token, "expires_in": self.expires_in, "token_type": "bearer"},
            ("Cache-Control", "no-store"),
        )

    def refusal(self, request: Request, now: int) -> tuple[str, str] | None:
        """Why the request's bearer token is no good (error, description); ``None`` if it is good."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return "invalid_request", "a bearer token is required"
        expiry = self._expiry.get(token.strip())
        if expiry is None:
            return "invalid_token", "the access token is not one of ours"
        return ("access_token_expired", "the access token has expired") if now >= expiry else None

    def may(self, request: Request, operation: str) -> bool:
        """Whether the scopes that the request's token was asked for with allow the operation; without any, all do."""
        scopes = self._scopes.get(_bearer(request), SCOPES)
        return _NEEDED.get(operation) in {None, *scopes}

    def expire(self, request: Request, now: int) -> None:
        """The token of this request is no good from ``now`` on."""
        token = _bearer(request)
        if token in self._expiry:
            self._expiry[token] = min(now, self._expiry[token])


def unauthorized(error: str, description: str, chance: random.Random) -> Reply:
    """A 401 of the API itself: an object, unlike its other errors."""
    trace = new_id(chance)
    body = {"error": error, "error_description": description, "traceId": trace}
    return json_reply(401, body, ("x-optum-trace-id", trace))


def _bearer(request: Request) -> str:
    return request.headers.get("authorization", "").partition(" ")[2].strip()


def _fields(request: Request, *, is_json: bool) -> dict[str, str]:
    """The fields of the body. Raises ValueError."""
    if is_json:
        value = json.loads(request.body)
        if not isinstance(value, dict):
            raise ValueError("no object")
        return {str(name): text for name, text in value.items() if isinstance(text, str)}
    form = parse_qs(request.body.decode(), strict_parsing=True)
    if any(len(values) > 1 for values in form.values()):
        raise ValueError("a field is repeated")
    return {name: values[0] for name, values in form.items()}
