"""The tokens that the vendor was given for its callbacks: hashes, so that who reads the database cannot deliver.

A row is bound to the pair of client id and secret that it came from. A token is refused when its pair is not
in the configuration, although its time is not over.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Literal, NamedTuple

from worker.core.instant import DAY_MS
from worker.store.db.store import Store

TOKEN_BYTES = 32

# Some are deleted with each token that is given, so that no request has to delete many. They stay for a day after they
# expire, so that one which has just expired is told from a guess.
_DELETED_ROWS = 100
_KEPT_MS = DAY_MS


class ClientCredentials(NamedTuple):
    """A client id and its secret."""

    client_id: str
    secret: str


class Seen(NamedTuple):
    """A token that was shown. ``unknown``: none that was given here of late, a guess maybe. ``spent``: it has expired,
    or its secret is not listed. ``scope``: of a good one, with blanks between; ``None``: it has none."""

    state: Literal["good", "spent", "unknown"]
    scope: str | None = None


def give(store: Store, pair: ClientCredentials, scope: str | None, now: int, lifetime_ms: int) -> str:
    """A new token for ``pair``, inside the caller's transaction."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    store.execute(
        """
        DELETE FROM callback_tokens WHERE token_sha256 IN (
            SELECT token_sha256 FROM callback_tokens WHERE expires_at <= :before LIMIT :most
        )
        """,
        {"before": now - _KEPT_MS, "most": _DELETED_ROWS},
    )
    store.execute(
        "INSERT INTO callback_tokens (token_sha256, bound, scope, expires_at)"
        " VALUES (:token, :bound, :scope, :expires_at)",
        {"token": _hash(token), "bound": _bound(token, pair), "scope": scope, "expires_at": now + lifetime_ms},
    )
    return token


def look_up(store: Store, token: str, pairs: Iterable[ClientCredentials], now: int) -> Seen:
    """What a token is worth, where ``pairs`` are those that are listed."""
    row = store.one(
        "SELECT bound, scope, expires_at FROM callback_tokens WHERE token_sha256 = :token", {"token": _hash(token)}
    )
    bound = "" if row is None else str(row["bound"])
    # Each is compared, so that the time tells nothing of which it is.
    listed = False
    for pair in pairs:
        listed |= hmac.compare_digest(_bound(token, pair), bound)
    if row is None:
        return Seen("unknown")
    # No token lives longer than a day: one that would was given while the clock was ahead.
    in_time = now < row["expires_at"] <= now + DAY_MS
    return Seen("good", row["scope"]) if listed and in_time else Seen("spent")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _bound(token: str, pair: ClientCredentials) -> str:
    said = f"{len(pair.client_id)}:{pair.client_id}:{pair.secret}"
    return hmac.digest(token.encode("utf-8", "surrogatepass"), said.encode(), "sha256").hex()
