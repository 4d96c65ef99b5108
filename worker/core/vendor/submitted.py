"""What the answer to a submission means: what it began, what becomes of the lookup, and how the command ends.

=========  ===============================================================  ==========
kind       when                                                             the lookup
=========  ===============================================================  ==========
answered   a 2xx that could be read                                         ends
in_part    a 207 of which items were refused; the tasks are known, and the  ends
           body came damaged
rejected   400, 404, 413, 422 and others that judge the request; a 207 of   ends
           which each item was refused
refused    401 or 403 in the vendor's own form                              ends
limited    429                                                              ends
unclear    no answer, a part of one, 5xx, a redirect, a page for people,    stays
           another tenant's or another request's answer, one that names
           two tasks in place of one
=========  ===============================================================  ==========

The lookup stays too where something that should name a task cannot be read. What an answer names is recorded, of
whatever kind it is, but where it is of another tenant, or may be of another patient: of those the lines of the head are
kept raw.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from worker.core.errors import BadData
from worker.core.intake.dump import Field
from worker.core.intake.intake import Intake, each_once, merge
from worker.core.intake.json_bodies import BLANK, from_text
from worker.core.intake.json_documents import text_of
from worker.core.intake.link import unreadable_parts, valid_id
from worker.core.intake.recording import from_fields
from worker.core.vendor.document import is_html, not_json, parse_json
from worker.core.vendor.httpdate import http_date
from worker.core.vendor.reply import HttpAnswer, is_other_tenant, refusal
from worker.core.vendor.submission import Submission

# These judge the request itself, whichever machine says them.
_OF_THE_REQUEST = frozenset({400, 404, 405, 411, 413, 414, 415, 431})
_NOT_OF_IT = frozenset({407, 408, 425, 499})


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, as far as it came: ``fields`` are the lines of its head, ``broken`` the code of what cut its body."""

    http: HttpAnswer
    fields: tuple[tuple[str, str], ...] = ()
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer; ``sent``: a part of the body had gone out, so something may have been begun."""

    code: str
    sent: bool


class Item(NamedTuple):
    """One item of a 207. ``reason``: what the vendor says in place of a task; it may quote the request."""

    status: int | None
    id: str | None = None
    name: str | None = None
    reason: str | None = None

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Submitted:
    """See the table above. ``code`` says why (worker/core/poll_errors.py), empty where all went well."""

    kind: str
    code: str = ""
    intake: Intake = field(default_factory=Intake)
    items: tuple[Item, ...] = field(default=(), repr=False)
    dry_run: bool = False

    @property
    def ends(self) -> bool:
        """Whether all that the request began is known."""
        return self.kind != "unclear" and not self.intake.unreadable


def judge_submission(answer: Answered | Unanswered, submission: Submission, tenant_id: str | None) -> Submitted:
    """The verdict; ``tenant_id`` is the configured one, if any. Never raises."""
    if isinstance(answer, Unanswered):
        return Submitted("unclear", answer.code)
    http = answer.http
    if tenant_id and http.tenant_id and is_other_tenant(tenant_id, http.tenant_id):
        return Submitted("unclear", "other_tenant")
    if _is_of_another_request(answer, submission):
        return Submitted("unclear", "other_request", _kept(answer, "the answer is of another request"))
    named = from_fields([Field(name, value) for name, value in answer.fields], submission.about)
    if not 200 <= http.status < 300:
        return _refusal(http, named)
    return (_discovery if submission.discovery else _real_time)(answer, named, submission)


def _is_of_another_request(answer: Answered, submission: Submission) -> bool:
    """Whether its head has a correlation id, and not ours: one that was mixed up on its way is another patient's."""
    told = [value for name, value in answer.fields if name == "x-optum-correlation-id" and value]
    ours = submission.correlation_id
    return bool(told) and not any(ours in (value, *map(str.strip, value.split(","))) for value in told)


def _kept(answer: Answered, reason: str) -> Intake:
    lines = [f"{name}: {value}" for name, value in answer.fields if name in ("link", "location")]
    return Intake(unreadable=unreadable_parts("\n".join(lines), reason))


def _refusal(http: HttpAnswer, named: Intake) -> Submitted:
    status, html = http.status, is_html(http.body)
    if named.recordings or named.unreadable:
        return Submitted("unclear", f"http_{status}", named)
    if status == 429:
        return Submitted("limited", "http_429")
    if status in (401, 403) and not html:
        return Submitted("refused", refusal(http))
    if status in _OF_THE_REQUEST or (400 <= status < 500 and status not in {401, 403, *_NOT_OF_IT} and not html):
        return Submitted("rejected", f"http_{status}")
    if 300 <= status < 400:
        return Submitted("unclear", "redirect")
    return Submitted("unclear", f"http_{status}_html" if html else f"http_{status}")


def _real_time(answer: Answered, named: Intake, _: Submission) -> Submitted:
    """The tasks of a real-time answer are in its head, so they are known where its body is damaged."""
    code = answer.broken
    if not code and not isinstance(parse_json(answer.http.body), dict):
        code = _why_not(answer.http.body)
    if not code and answer.http.status != 200 and not named.recordings:
        code = "no_task"  # not how a check is answered: something may have begun that its head does not name
    if not code:
        return Submitted("answered", intake=named)
    return Submitted("in_part" if named.recordings else "unclear", code, named)


def _discovery(answer: Answered, named: Intake, submission: Submission) -> Submitted:
    body, code = answer.http.body, answer.broken
    text = text_of(body).strip(BLANK)
    said = Intake()
    try:
        if not text:
            raise BadData("no body came")
        about = replace(submission.about, trace_id=answer.http.trace_id, sent_at=http_date(answer.http.date or ""))
        said = from_text(text, "the answer", about)
    except BadData:
        dry = submission.dry_run and isinstance(parse_json(body), dict | list)
        code = code or ("" if dry else _why_not(body))
    if answer.http.status in (201, 202) and _contradict(said, named):
        return Submitted("unclear", "two_tasks", _kept(answer, "head and body of the answer name different tasks"))
    both = merge((said, named))  # the body has the names
    whole = Intake(each_once(both.recordings), both.unreadable, both.notes)
    if whole.unreadable and not whole.recordings:
        code = code or _why_not(body)
    items = _items(parse_json(body)) if answer.http.status == 207 else ()
    dry_run = submission.dry_run and not whole.recordings
    if code:
        # Of a 202 the head names the one task.
        known = bool(whole.recordings) and answer.http.status in (201, 202)
        return Submitted("in_part" if known else "unclear", code, whole, items)
    refused = [one for one in items if not one.accepted]
    if refused and len(refused) == len(items) and not whole.recordings:
        return Submitted("rejected", "", whole, items, dry_run)
    return Submitted("in_part" if refused or whole.unreadable else "answered", "", whole, items, dry_run)


def _contradict(one: Intake, other: Intake) -> bool:
    """Whether both name tasks, and not the same ones: such an answer names one, so one of them is not ours."""
    first, second = ({named.id for named in intake.recordings} for intake in (one, other))
    return bool(first and second) and first != second


def _why_not(body: bytes) -> str:
    """The code of a body that is not the one of such an answer."""
    if not body.strip():
        return "cut"
    return not_json(body) if parse_json(body) is None else "no_task"


def _items(document: object) -> tuple[Item, ...]:
    if not isinstance(document, list):
        return ()
    return tuple(_item(one) for one in document if isinstance(one, dict))


def _item(one: dict[str, Any]) -> Item:
    status, body = one.get("status"), one.get("body")
    found = status if isinstance(status, int) and not isinstance(status, bool) else None
    receipt = body if isinstance(body, dict) else {}
    task, name = receipt.get("id"), receipt.get("name")
    return Item(
        found,
        task if isinstance(task, str) and valid_id(task) else None,
        name if isinstance(name, str) else None,
        body if isinstance(body, str) else None,
    )
