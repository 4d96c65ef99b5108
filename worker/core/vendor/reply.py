"""What one look at a task said: a small closed union, and the one place where an HTTP answer becomes one of them.

=============  ==========================================================  ==========================
reply          when                                                        speaks of
=============  ==========================================================  ==========================
Pending        200, the task asked for, root status ``pending``            the task
Concluded      200, the task asked for, root status ``success|failure``    the task
Unknown        404                                                         the task
Rejected       422 and any other 4xx                                       the task
Garbled        anything else that came whole: HTML with 200, a redirect,   the task
               no JSON, another task's body, another tenant, a root
               status nobody knows, a body too large
Unreachable    no whole answer: connecting, timeout, cut, 5xx              the task, or the way there
RateLimited    429; 503 with Retry-After                                   us
Refused        403; 401 with a fresh token; the token was refused          us, or the task
=============  ==========================================================  ==========================

Only a root status of ``success`` or ``failure`` in a body that is provably about the task asked for is a conclusion.
``code`` is a stable snake_case word for `last_error`, logs and `status`; it never holds anything out of a body.
"""

import json
import re
from dataclasses import dataclass
from typing import Literal

from worker.core.instant import from_iso
from worker.core.vendor.document import Fingerprint, Json, Path, fingerprint, pending_names, read_paths, text
from worker.core.vendor.httpdate import http_date

Where = Literal["api", "token"]
Outcome = Literal["success", "failure"]

RETRY_AFTER_CAP = 3_600_000


@dataclass(frozen=True, slots=True)
class Pending:
    name: str | None = None
    started_at: int | None = None  # startDateTime, ms
    correlation_id: str | None = None
    trace_id: str | None = None
    pending: tuple[str, ...] = ()  # the names of the paths that are not finished


@dataclass(frozen=True, slots=True)
class Concluded:
    outcome: Outcome
    body: bytes  # as received, after the transfer's own encoding
    fingerprint: Fingerprint
    paths: tuple[Path, ...] = ()
    name: str | None = None
    started_at: int | None = None
    ended_at: int | None = None  # endDateTime, ms
    correlation_id: str | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    code: str = "not_found"


@dataclass(frozen=True, slots=True)
class Rejected:
    code: str


@dataclass(frozen=True, slots=True)
class Garbled:
    code: str


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


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer, as far as it matters here."""

    status: int
    body: bytes
    retry_after: str | None = None
    tenant_id: str | None = None
    trace_id: str | None = None


def read_reply(answer: Answer, asked_id: str, tenant_id: str | None, now: int) -> Reply:
    """What ``answer`` says of task ``asked_id``; ``tenant_id`` is the configured one, if any. Never raises."""
    refusal = read_status(answer, tenant_id, now)
    if refusal is not None:
        return refusal
    try:
        return _read_document(answer, asked_id)
    except RecursionError:
        return Garbled("not_json")


def read_status(answer: Answer, tenant_id: str | None, now: int) -> Reply | None:
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


def _read_document(answer: Answer, asked_id: str) -> Reply:
    document = parse_json(answer.body)
    if document is None:
        return not_json(answer.body)
    if not isinstance(document, dict):
        return Garbled("no_task")
    found_id = document.get("id")
    if found_id not in (None, "") and text(found_id) != asked_id:
        return Garbled("wrong_id")
    if not found_id and not isinstance(document.get("discoveryPaths"), dict):
        # {"status": "success"} from some box in between is not a task.
        return Garbled("no_task")
    return _read_task(document, answer)


def _read_task(document: Json, answer: Answer) -> Reply:
    name = text(document.get("name"))
    started_at = from_iso(document.get("startDateTime"))
    correlation_id = text(document.get("correlationId"))
    trace_id = answer.trace_id or text(document.get("traceId"))
    match document.get("status"):
        case "pending":
            return Pending(name, started_at, correlation_id, trace_id, pending_names(document))
        case "success" | "failure" as outcome:
            return Concluded(
                outcome=outcome,
                body=answer.body,
                fingerprint=fingerprint(document),
                paths=read_paths(document),
                name=name,
                started_at=started_at,
                ended_at=_ended_at(document),
                correlation_id=correlation_id,
                trace_id=trace_id,
            )
        case None | "":
            return Garbled("no_status")
        case _:
            return Garbled("unknown_status")


def _ended_at(document: Json) -> int | None:
    """The end of a task in ms, in either of its spellings; ``None`` where there is none yet."""
    return from_iso(document.get("endDateTime")) or from_iso(document.get("endDatetime"))


def not_json(body: bytes) -> Garbled:
    """For a body that :func:`parse_json` could make nothing of."""
    return Garbled("html" if body.lstrip()[:1] == b"<" else "not_json")


def parse_json(body: bytes) -> object | None:
    """The JSON value, or ``None``. One byte of Latin-1 in somebody's name must not cost a result."""
    try:
        return json.loads(body)  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        pass
    except (ValueError, RecursionError):
        return None
    try:
        return json.loads(body.decode("latin-1"))  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        return None


def _refusal(answer: Answer) -> str:
    """``http_401`` with the vendor's own word for it, where it is a plain word (``invalid_product``)."""
    document = parse_json(answer.body) if len(answer.body) < 10_000 else None
    word = document.get("error") if isinstance(document, dict) else None
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
    return max(0, min(wait, RETRY_AFTER_CAP))
