"""How ``cdpoll submit`` tells what came of a request. What may be about a patient goes to standard output alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import click

from cli.output import dumped, joined, json_seen, say
from worker.core.errors import CdpollError, CredentialsRefused, TryLater, VendorUnreachable
from worker.core.exit_code import ExitCode
from worker.core.intake.json_documents import text_of
from worker.core.poll_errors import cure_of, in_words
from worker.core.vendor.document import parse_json
from worker.core.vendor.findings import NO_ANSWER, normal_status, status_words
from worker.core.vendor.reply import RateLimited, Refused, Unreachable
from worker.core.vendor.submission import Submission
from worker.core.vendor.submitted import Answered, Submitted, Unanswered
from worker.gateways.http.submitting import SUBMIT_TIMEOUT_MS
from worker.store.tasks.recording import Recorded

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ended:
    """One submission that was made. ``failed``: why what its answer names could not be recorded."""

    submission: Submission
    answer: Answered | Unanswered = field(repr=False)
    verdict: Submitted
    done: Recorded = field(default_factory=Recorded)
    failed: CdpollError | None = None

    @property
    def looked_for(self) -> bool:
        """Whether the daemon looks for what it began."""
        return not self.submission.dry_run and (self.failed is not None or not self.verdict.ends)

    @property
    def body(self) -> bytes:
        """As it came; nothing of an answer that is another tenant's or another request's."""
        shown = isinstance(self.answer, Answered) and self.verdict.code not in ("other_tenant", "other_request")
        return self.answer.http.body if shown and isinstance(self.answer, Answered) else b""


def exit_code(ended: Ended) -> int:
    if ended.failed is not None:
        return ended.failed.exit_code
    if ended.verdict.kind == "answered" and ended.verdict.intake.unreadable:
        return ExitCode.IN_PART
    return {
        "answered": ExitCode.DONE,
        "in_part": ExitCode.IN_PART,
        "rejected": ExitCode.BAD_DATA,
        "refused": ExitCode.CREDENTIALS,
        "limited": ExitCode.TRY_LATER,
        "unclear": ExitCode.TRY_LATER,
    }[ended.verdict.kind]


def no_token(reply: Refused | Unreachable | RateLimited) -> CdpollError:
    """Without a token nothing was submitted."""
    kind: type[CdpollError] = VendorUnreachable
    if isinstance(reply, Refused):
        kind = CredentialsRefused
    elif isinstance(reply, RateLimited):
        kind = TryLater
    return kind(f"nothing was submitted: {in_words(reply.code)}", cure_of(reply.code) or "try again later")


def unfinished(why: str, submission: Submission) -> tuple[str, str]:
    """Where it is not known what the request began."""
    return (
        f"cdpoll: {why}: what the request began is not known",
        f"        do not submit it again: the daemon looks for it by its correlation id {submission.correlation_id}"
        " (`cdpoll lookups list`)",
    )


def tell(ended: Ended, as_json: bool) -> None:
    """The answer and what was recorded on standard output; what is to be done on standard error."""
    if as_json:
        click.echo(dumped(_json(ended)))
    else:
        if ended.body:
            click.echo(json_seen(text_of(ended.body)).rstrip("\n"))
            click.echo()
        say(*_lines(ended))
    say(*_messages(ended), err=True)


def _json(ended: Ended) -> Json:
    answer, verdict = ended.answer, ended.verdict
    document = parse_json(ended.body)
    return {
        "status": answer.http.status if isinstance(answer, Answered) else None,
        "correlation_id": ended.submission.correlation_id,
        "trace_id": answer.http.trace_id if isinstance(answer, Answered) else None,
        "dry_run": ended.submission.dry_run,
        "recorded": ended.done.new,
        "known": ended.done.known,
        "looked_for": ended.looked_for,
        "unreadable": [{"raw": item.raw, "reason": item.reason} for item in verdict.intake.unreadable],
        "notes": _notes(ended),
        "items": [one._asdict() for one in verdict.items],
        "answer": document if document is not None or not ended.body else text_of(ended.body),
    }


def _notes(ended: Ended) -> list[str]:
    notes = list(ended.verdict.intake.notes)
    if ended.verdict.kind == "in_part" and ended.verdict.code:
        notes.append(f"the body of the answer came damaged: {_in_words(ended.verdict.code)}")
    if ended.done.abandoned:
        notes.append(f"{', '.join(ended.done.abandoned)}: abandoned and still so; `cdpoll retry ID` revives it")
    if ended.done.purged:
        notes.append(f"{', '.join(ended.done.purged)}: what was found was purged; nothing of it goes out any more")
    return notes


def _lines(ended: Ended) -> Iterator[str]:
    answer, verdict = ended.answer, ended.verdict
    status = f"HTTP {answer.http.status}" if isinstance(answer, Answered) else "no answer"
    trace = answer.http.trace_id if isinstance(answer, Answered) else None
    yield joined("; ", status, f"correlation id {ended.submission.correlation_id}", trace and f"trace id {trace}")
    if not ended.submission.discovery and verdict.kind == "answered":
        yield from _real_time(parse_json(ended.body))
    for number, one in enumerate(verdict.items, 1):
        if not one.accepted:
            yield f"item {number} refused with {one.status}: {one.reason or 'without a reason'}"
    if verdict.dry_run and verdict.kind in ("answered", "in_part"):
        yield "a dry run: nothing was begun"
    names = {one.id: one.title for one in verdict.intake.recordings}
    for word, ids in (("recorded", ended.done.new), ("known", ended.done.known)):
        yield from (f"{word} {joined('  ', one, names.get(one))}" for one in ids)
    if verdict.kind == "answered" and not (verdict.dry_run or names or verdict.intake.unreadable):
        yield "no discovery was begun"


def _real_time(document: object) -> Iterator[str]:
    """What the check itself says, in one line."""
    if not isinstance(document, dict):
        return
    status, payer, plan = (document.get(key) for key in ("status", "payer", "plan"))
    value = status.get("value") if isinstance(status, dict) else None
    value = value if isinstance(value, str) else None
    named = [one.get("name") for one in (payer, plan) if isinstance(one, dict)]
    if isinstance(status, dict) and normal_status(value) in NO_ANSWER:
        named.insert(0, status.get("description"))  # which says what is wrong, as of a NPI
    words = [status_words(value), *(one for one in named if isinstance(one, str) and one)]
    yield f"the real-time check: {'; '.join(words)}"


def _messages(ended: Ended) -> Iterator[str]:
    verdict = ended.verdict
    yield from (f"note: {note}" for note in _notes(ended))
    yield from (f"cdpoll: unreadable, kept raw: {item.reason}" for item in verdict.intake.unreadable)
    if ended.failed is not None:
        yield f"cdpoll: the answer came, and could not be recorded: {ended.failed.message}"
        yield f"        {ended.failed.hint}"
    if ended.looked_for:
        yield from unfinished(_why(ended), ended.submission)
    elif verdict.kind == "unclear":
        yield f"cdpoll: {_why(ended)}"
        if verdict.intake.unreadable:
            yield "        it was a dry run, and the answer names a task all the same: see `cdpoll unreadable list`"
        else:
            yield "        it was a dry run, so nothing was begun: try again"
    elif verdict.kind == "rejected":
        yield "cdpoll: the vendor refuses the request: nothing was begun; its reasons are on standard output"
    elif verdict.kind in ("refused", "limited"):
        yield f"cdpoll: {in_words(verdict.code)}: nothing was begun"
        yield f"        {cure_of(verdict.code) or 'try again later'}"


def _why(ended: Ended) -> str:
    if ended.failed is not None:
        return "not recorded"
    if ended.verdict.kind != "unclear":
        return "a part of the answer is unreadable"
    return _in_words(ended.verdict.code)


def _in_words(code: str) -> str:
    """[api] timeout does not hold for a submission."""
    return f"no whole answer came in {SUBMIT_TIMEOUT_MS // 1000} s" if code == "timeout" else in_words(code)
