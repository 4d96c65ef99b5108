"""The token endpoint, as far as a request and the listed pairs decide it: client credentials of RFC 6749, section 4.4.

The vendor's newer page has the pair in an Authorization header (Basic) and a form body; the older one has both in a
JSON body. Errors are those of section 5.2.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from worker.store.state.callback_tokens import ClientCredentials

# A request for a token is some 200 bytes.
MOST_FIELDS = 20

_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")
_LONGEST_SCOPE_CHARACTERS = 1024

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """``basic``: the Authorization header; ``kind``: the media type in lower case, without parameters."""

    basic: str | None
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Granted:
    """A token may be given, for this pair and with these scopes; ``None``: with none."""

    pair: ClientCredentials
    scope: str | None


@dataclass(frozen=True, slots=True)
class Denied:
    """``error`` as RFC 6749 words it; ``says`` is for the person who reads the vendor's log."""

    error: str
    says: str

    @property
    def status(self) -> int:
        return 401 if self.error == "invalid_client" else 400


_DENIED_CLIENT = Denied("invalid_client", "the client id and the secret are not known here")


def decide(asked: TokenRequest, pairs: Sequence[ClientCredentials], scope: str | None) -> Granted | Denied:
    """``pairs`` are those that are listed, the present one first; ``scope`` is the configured one. Never raises.

    Who is asking is found out first: others do not learn what else is wrong.
    """
    fields = _fields(asked)
    if isinstance(fields, Denied):
        return fields
    proofs = _proofs(asked.basic, fields)
    if isinstance(proofs, Denied):
        return proofs
    pair = match(proofs, pairs)
    if pair is None:
        return _DENIED_CLIENT
    grant_type = fields.get("grant_type")
    if not grant_type:
        return Denied("invalid_request", "grant_type is missing; it must be client_credentials")
    if grant_type != "client_credentials":
        return Denied("unsupported_grant_type", "grant_type must be client_credentials")
    return _scoped(pair, fields.get("scope"), scope)


def match(proofs: Sequence[ClientCredentials], pairs: Sequence[ClientCredentials]) -> ClientCredentials | None:
    """The listed pair that one of ``proofs`` is equal to. The time does not tell how much of it is right: hashes are
    compared, and all of them, also behind one that is equal."""
    found: ClientCredentials | None = None
    for pair in pairs:
        for proof in proofs:
            same_id = hmac.compare_digest(_digest(proof.client_id), _digest(pair.client_id))
            same_secret = hmac.compare_digest(_digest(proof.secret), _digest(pair.secret))
            found = pair if same_id & same_secret else found
    return found


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _fields(asked: TokenRequest) -> Fields | Denied:
    """The parameters of the body. One without a value is as if it were not there (section 3.2)."""
    if asked.kind == "application/json":
        return _json_fields(asked.body)
    if asked.kind != "application/x-www-form-urlencoded" and (asked.kind or asked.body.strip()):
        return Denied("invalid_request", "the body must be a form (application/x-www-form-urlencoded) or JSON")
    try:
        pairs = parse_qsl(asked.body.decode(), max_num_fields=MOST_FIELDS)
    except ValueError:
        return Denied("invalid_request", "the body is not a form")
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else Denied("invalid_request", "a parameter stands there twice")


def _json_fields(body: bytes) -> Fields | Denied:
    twice: list[str] = []

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        twice.extend(["x"] * (len(pairs) - len(dict(pairs))))
        return dict(pairs)

    try:
        read = json.loads(body, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return Denied("invalid_request", "the body is not JSON")
    if not isinstance(read, dict) or twice:
        return Denied("invalid_request", "the body is not one JSON object with each parameter once")
    given = {name: read.get(name) for name in ("grant_type", "client_id", "client_secret", "scope")}
    known = {name: value for name, value in given.items() if value not in (None, "")}
    if not all(isinstance(value, str) for value in known.values()):
        return Denied("invalid_request", "a parameter is not a text")
    return known


def _proofs(basic: str | None, fields: Fields) -> list[ClientCredentials] | Denied:
    """What is handed in as the pair: as it stands and, of an Authorization header, decoded as section 2.3.1 has it."""
    if not basic:
        return [ClientCredentials(fields.get("client_id", ""), fields.get("client_secret", ""))]
    scheme, _, encoded = basic.strip().partition(" ")
    if scheme.lower() != "basic":
        return _DENIED_CLIENT
    if fields.get("client_secret"):
        return Denied("invalid_request", "the secret stands in the header and in the body; send it once")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return _DENIED_CLIENT
    client_id, _, secret = text.partition(":")
    if fields.get("client_id", client_id) not in (client_id, unquote_plus(client_id)):
        return Denied("invalid_request", "the header and the body name different clients")
    return [ClientCredentials(client_id, secret), ClientCredentials(unquote_plus(client_id), unquote_plus(secret))]


def _scoped(pair: ClientCredentials, asked: str | None, configured: str | None) -> Granted | Denied:
    """Without a configured scope what is asked for is given: it opens nothing. With one, that is given alone."""
    if asked and (len(asked) > _LONGEST_SCOPE_CHARACTERS or not _SCOPE.fullmatch(asked)):
        return Denied("invalid_scope", "the scope is not well-formed")
    if configured is None:
        return Granted(pair, asked or None)
    if asked and not set(configured.split()) <= set(asked.split()):
        return Denied("invalid_scope", "the scope that deliveries need is not among those asked for")
    return Granted(pair, configured)


def has_scope(held: str | None, configured: str | None) -> bool:
    """Whether a token with the scopes ``held`` may deliver."""
    return configured is None or set(configured.split()) <= set((held or "").split())
