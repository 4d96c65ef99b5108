"""What one poll of a task said: a small closed union, and the one place where an HTTP answer becomes one of them.

=============  ==========================================================  ==========================
reply          when                                                        speaks of
=============  ==========================================================  ==========================
Pending        200, the task asked for, root status ``pending``            the task
Concluded      200, the task asked for, root status ``success|failure``    the task
Unknown        404                                                         the task
Rejected       422 and any other 4xx                                       the task
Garbled        anything else that came whole: HTML with 200, a redirect,   the task
               no JSON, another task's body, another tenant, a root
               status not in the contract, a body too large
Unreachable    no whole answer: connecting, timeout, cut, 5xx              the task, or the way there
RateLimited    429; 502, 503 or 504 with Retry-After                       us
Refused        403; 401 with a fresh token; the token was refused; 407     us, or the task
=============  ==========================================================  ==========================

Only a root status of ``success`` or ``failure`` in a body that is provably about the task asked for is a conclusion.
``code`` is a stable snake_case word for `last_error`, logs and `status`. Nothing out of a body is in it but the word of
a refusal, and that only where it is one of REFUSAL_WORDS.
"""

import re
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal, NamedTuple

from worker.core.instant import from_iso
from worker.core.vendor.document import Document, NoDocument, is_html, parse_json, read_document
from worker.core.vendor.httpdate import http_date

# Who speaks: the API, the token endpoint, or the proxy on the way to both.
Where = Literal["api", "token", "proxy"]

RETRY_AFTER_CAP_MS = 3_600_000

# The words of ``error`` that the contract names, those of OAuth 2.0 (RFC 6749, RFC 6750), and what gateways say in
# their place. Any other text is the sender's own, and may hold anything.
REFUSAL_WORDS = frozenset(
    {
        "access_denied",
        "access_token_expired",
        "expired_token",
        "forbidden",
        "insufficient_scope",
        "invalid_client",
        "invalid_credentials",
        "invalid_grant",
        "invalid_product",
        "invalid_request",
        "invalid_scope",
        "invalid_token",
        "token_expired",
        "unauthorized",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)

# A machine on the way says these statuses of itself, and with Retry-After when it is to be asked again.
_BUSY = (502, 503, 504)

_SECONDS = re.compile(r"\+?(\d+(?:\.\d*)?) ?(?:s|secs?|seconds?)?", re.ASCII | re.IGNORECASE)

_NOTHING_TOLD = Document("pending")


@dataclass(frozen=True, slots=True)
class Pending:
    document: Document = _NOTHING_TOLD


@dataclass(frozen=True, slots=True)
class Concluded:
    document: Document


@dataclass(frozen=True, slots=True)
class Unknown:
    code: str = "not_found"


@dataclass(frozen=True, slots=True)
class Rejected:
    """``wait_ms``: no sooner than after this time may it be asked again."""

    code: str
    wait_ms: int = 0


@dataclass(frozen=True, slots=True)
class Garbled:
    """``body`` is that of a task with an unknown status, which is worth keeping; else empty."""

    code: str
    body: bytes = field(default=b"", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Unreachable:
    code: str
    where: Where = "api"


@dataclass(frozen=True, slots=True)
class RateLimited:
    code: str
    retry_after: int | None = None  # ms
    where: Where = "api"


@dataclass(frozen=True, slots=True)
class Refused:
    code: str
    where: Where = "api"


PROXY_REFUSED = Refused("proxy_auth", "proxy")

Reply = Pending | Concluded | Unknown | Rejected | Garbled | Unreachable | RateLimited | Refused


class Heard(NamedTuple):
    """A reply, and what the last HTTP answer of the API had beside it; ``None`` where no answer came."""

    reply: Reply
    status: int | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole HTTP answer, as far as it matters here. A header that came several times has its values in one list."""

    status: int
    body: bytes
    retry_after: str | None = None
    date: str | None = None
    tenant_id: str | None = None
    trace_id: str | None = None


def read_reply(answer: HttpAnswer, asked_id: str, tenant_id: str | None, now: int) -> Reply:
    """What ``answer`` says of task ``asked_id``; ``tenant_id`` is the configured one, if any. Never raises."""
    refusal = read_status(answer, tenant_id, now)
    if refusal is not None:
        return refusal
    document = read_document(answer.body, asked_id)
    if isinstance(document, NoDocument):
        return Garbled(document.code, answer.body if document.code == "unknown_status" else b"")
    if answer.trace_id:
        document = replace(document, trace_id=answer.trace_id)  # of this very request
    return Pending(document) if document.outcome is None else Concluded(document)


def read_status(answer: HttpAnswer, tenant_id: str | None, now: int) -> Reply | None:
    """What status and headers alone decide, of one task or of a list; ``None`` where the body decides."""
    status = answer.status
    if (limited := rate_limited(answer, now)) is not None:
        return limited
    if status in (401, 403):
        return Refused(refusal(answer))
    if status == 404:
        return Unknown()
    if status == 407:
        return PROXY_REFUSED
    if status == 408 or status >= 500:
        return Unreachable(f"http_{status}")
    if status >= 400:
        return Rejected(f"http_{status}")
    if status != 200:
        return Garbled("redirect" if 300 <= status < 400 else f"http_{status}")
    if tenant_id and answer.tenant_id and is_other_tenant(tenant_id, answer.tenant_id):
        return Garbled("other_tenant")
    return None


def is_other_tenant(tenant_id: str, echoed: str) -> bool:
    """Two machines on the way may each have added the header: one value that differs is enough."""
    return echoed != tenant_id and any(value.strip() not in ("", tenant_id) for value in echoed.split(","))


def refusal(answer: HttpAnswer) -> str:
    """``http_401`` with the sender's own word for it, where it is one that is known (``invalid_product``), or with
    ``html`` where a page for people came."""
    word = "html" if is_html(answer.body) else error_word(answer)
    return f"http_{answer.status}_{word}" if word in {"html", *REFUSAL_WORDS} else f"http_{answer.status}"


def error_word(answer: HttpAnswer) -> str:
    """The ``error`` of a body as OAuth has it, in lower case; empty where there is none."""
    content = parse_json(answer.body) if len(answer.body) < 10_000 else None
    word = content.get("error") if isinstance(content, dict) else None
    return word.strip().lower() if isinstance(word, str) else ""


def rate_limited(answer: HttpAnswer, now: int) -> RateLimited | None:
    """The reply to an answer that says: not now."""
    if answer.status != 429 and (answer.status not in _BUSY or answer.retry_after is None):
        return None
    return RateLimited(f"http_{answer.status}", retry_after(answer.retry_after, now, answer.date))


def retry_after(value: str | None, now: int, date: str | None = None) -> int | None:
    """The wait in ms that a Retry-After asks for, in seconds or as a date; the longest of several, capped at an hour.

    A date is measured against ``date``, the answer's own Date: the sender's clock made both. Without it, against
    ``now``. What is no wait, or a negative one, is ``None``.
    """
    if value is None:
        return None
    sent = next((moment for text in _members(date or "") if (moment := http_date(text)) is not None), now)
    waits = [wait for text in _members(value) if (wait := _wait(text.strip(), sent)) is not None]
    return max(0, min(max(waits), RETRY_AFTER_CAP_MS)) if waits else None


def _members(value: str) -> tuple[str, ...]:
    """What a header may hold of which several came: they are one list then, and a date has a comma of its own."""
    parts = value.split(",")
    return (value, *map(",".join, pairwise(parts)), *parts)


def _wait(text: str, since: int) -> int | None:
    seconds = _SECONDS.fullmatch(text)
    if seconds is not None:
        return round(min(float(seconds[1]) * 1000, RETRY_AFTER_CAP_MS))
    moment = http_date(text)
    if moment is None:
        moment = from_iso(text)
    return None if moment is None else moment - since
