"""Requests and replies as values.

The vendor (:mod:`sandbox.vendor`) turns the one into the other and touches no socket; the server
(:mod:`sandbox.server`) reads and writes bytes and decides nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "/rcm/eligibility/v1"
TOKEN_PATH = "/apip/auth/v2/token"  # noqa: S105 - a path, not a secret
# The second generation takes a form alone.
FORM_TOKEN_PATH = "/apip/auth/sntl/v1/token"  # noqa: S105
TOKEN_PATHS = (TOKEN_PATH, FORM_TOKEN_PATH)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``path`` is without the query; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Manner:
    """How the bytes of a reply leave, where that is not simply "all at once".

    ``how`` is one of ``plain``, ``cut`` (the connection ends in the middle of the body), ``reset`` (nothing is
    sent), ``drip`` and ``drip_headers`` (one byte every ``pause_ms``) and ``padded`` (``pad`` further bytes of
    blank space follow the body). ``delay_ms`` is waited first, in every manner.
    """

    how: str = "plain"
    delay_ms: int = 0
    pause_ms: int = 0
    pad: int = 0


PLAIN = Manner()


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. ``operation`` names what was asked, for the counters; ``Content-Length`` and ``Date`` are added
    by the server."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    operation: str = "other"
    manner: Manner = PLAIN

    def header(self, name: str) -> str | None:
        """The first header of that name, in any letter case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


JSON = (("Content-Type", "application/json"),)


def encode(value: object) -> bytes:
    """JSON, compact, UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def json_reply(status: int, value: object, *headers: tuple[str, str]) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, JSON + headers, encode(value))


def problem(status: int, *lines: str) -> Reply:
    """An error as the vendor writes it (all but 401): a JSON array of strings."""
    return json_reply(status, list(lines))
