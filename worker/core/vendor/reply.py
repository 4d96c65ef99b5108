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
RateLimited    429; 503 with Retry-After                                   us
Refused        403; 401 with a fresh token; the token was refused          us, or the task
=============  ==========================================================  ==========================

Only a root status of ``success`` or ``failure`` in a body that is provably about the task asked for is a conclusion.
``code`` is a stable snake_case word for `last_error`, logs and `status`; it never holds anything out of a body.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from worker.core.vendor.document import Document, NoDocument, parse_json, read_document
from worker.core.vendor.httpdate import http_date

Where = Literal["api", "token"]

RETRY_AFTER_CAP_MS = 3_600_000


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
    code: str


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


Reply = Pending | Concluded | Unknown | Rejected | Garbled | Unreachable | RateLimited | Refused


class Heard(NamedTuple):
    """A reply, and what the last HTTP answer of the API had beside it; ``None`` where no answer came."""

    reply: Reply
    status: int | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole HTTP answer, as far as it matters here."""

    status: int
    body: bytes
    retry_after: str | None = None
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
    """What status and headers alone decide, of one task or of a list; ``None`` where the body has the word."""
    status = answer.status
    if status == 429 or (status == 503 and answer.retry_after is not None):
        return RateLimited(f"http_{status}", retry_after(answer.retry_after, now))
    if status in (401, 403):
        return Refused(_refusal(answer))
    if status == 404:
        return Unknown()
    if status == 408 or status >= 500:
        return Unreachable(f"http_{status}")
    if status >= 400:
        return Rejected(f"http_{status}")
    if status != 200:
        return Garbled("redirect" if 300 <= status < 400 else f"http_{status}")
    if tenant_id and answer.tenant_id and answer.tenant_id != tenant_id:
        return Garbled("other_tenant")
    return None


def _refusal(answer: HttpAnswer) -> str:
    """``http_401`` with the vendor's own word for it, where it is a plain word (``invalid_product``)."""
    content = parse_json(answer.body) if len(answer.body) < 10_000 else None
    word = content.get("error") if isinstance(content, dict) else None
    if isinstance(word, str) and re.fullmatch(r"[a-z_]{1,40}", word):
        return f"http_{answer.status}_{word}"
    return f"http_{answer.status}"


def retry_after(value: str | None, now: int) -> int | None:
    """The wait in ms that a Retry-After asks for, in seconds or as an HTTP date; capped at an hour."""
    if value is None:
        return None
    stripped = value.strip()
    if re.fullmatch(r"\d{1,12}(\.\d+)?", stripped):
        wait = round(float(stripped) * 1000)
    elif (moment := http_date(stripped)) is not None:
        wait = moment - now
    else:
        return None
    return max(0, min(wait, RETRY_AFTER_CAP_MS))
