"""From what a caller hands in to the tasks it names: ids, links, locations, headers, dumps of responses.

Bodies and JSON lines are read in ``json_bodies.py`` and ``json_lines.py``.

What should have named a task and cannot be read is kept as :class:`~worker.core.intake.link.Unreadable`, and so is all
that mentions a discovery's address and yields no id. Input that is of the wrong kind altogether raises
:class:`~worker.core.errors.BadData`. Notes say what was rightly left out, and what looks like a mistake. Reasons, notes
and errors never quote the input, which may hold patient data.
"""

import codecs
from collections.abc import Iterable
from dataclasses import replace

from worker.core.errors import BadData
from worker.core.intake.dump import Block, Field, read_dump
from worker.core.intake.intake import Intake, Lookup, Recording, each_once, merge
from worker.core.intake.json_documents import documents, text_of
from worker.core.intake.link import (
    NamedTask,
    TaskLinks,
    Unreadable,
    is_part_of_uuid,
    mentions,
    read_link,
    read_location,
    unreadable,
)
from worker.core.intake.link_grammar import printable
from worker.core.intake.misplaced import PART, id_notes, may_name, names_uuid, telling_lines, why_no_id
from worker.core.intake.receipt import read_receipt
from worker.core.vendor.httpdate import http_date

NOT_READ = "holds a UUID, and no task could be read from it"
MOST_CORRELATION_CHARACTERS = 256
EMPTY_HINT = "was a variable of the shell not set?"

_HEADERS_HINT = "record the headers of a finished request, as `curl -sS -D FILE -o /dev/null …` writes them"
# Of a dump, these lines are kept for a person; others may hold secrets.
_SHOWN = ("link", "location", "date", "")


def from_id(text: str, *, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """An id as it is; space around it is ignored. Raises ``BadData`` where it is empty."""
    found = text.strip()
    if not found:
        raise BadData("an ID is empty", EMPTY_HINT)
    if reason := why_no_id(found):
        return Intake(unreadable=(unreadable(text, reason),))
    return Intake((Recording(found, "id", ref=ref, correlation_id=correlation_id),), notes=id_notes(found))


def from_id_line(line: bytes, *, place: str, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """A line with one id; a blank one is nothing. Where lines end in CR alone, it is several. Reasons begin with
    ``place``."""
    texts = line.decode("utf-8-sig", "backslashreplace").split("\r")
    found = merge(from_id(text, ref=ref, correlation_id=correlation_id) for text in texts if text.strip())
    bad = tuple(replace(item, reason=f"{place}: {item.reason}") for item in found.unreadable)
    return replace(found, unreadable=bad, notes=tuple(dict.fromkeys(found.notes)))


def from_link(value: str, *, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """The value of one Link header. Raises ``BadData`` where it is empty."""
    if not value.strip():
        raise BadData("the link value is empty", EMPTY_HINT)
    return _single(value, read_link(value), Recording("", "link", ref=ref, correlation_id=correlation_id))


def from_location(value: str, *, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """The value of one Location header. Raises ``BadData`` where it is empty."""
    if not value.strip():
        raise BadData("the location value is empty", EMPTY_HINT)
    return _single(value, read_whole_location(value), Recording("", "location", ref=ref, correlation_id=correlation_id))


def from_lookup(text: str, *, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """The correlation id of a request whose answer was lost; ``correlation_id`` may repeat it. Raises ``BadData``
    where it is empty, is none, or differs."""
    found = text.strip()
    if not found:
        raise BadData("the correlation id to look for is empty", EMPTY_HINT)
    if not found.isprintable() or len(found) > MOST_CORRELATION_CHARACTERS:
        raise BadData(
            "this is no correlation id: it is one line of printable characters, 256 at most",
            "hand in the x-optum-correlation-id that the request was sent with",
        )
    if correlation_id is not None and correlation_id != found:
        raise BadData("--lookup and --correlation-id differ", "give the correlation id once, with --lookup")
    return Intake(lookups=(Lookup(found, ref),))


def read_whole_location(value: str) -> TaskLinks:
    """The task of a location that stands alone: nothing behind it tells that it was not cut off."""
    links = read_location(value)
    if any(is_part_of_uuid(task.id) for task in links.tasks):
        return TaskLinks((), (unreadable(value, f"the location ends in {PART}"),))
    return links


def _single(value: str, links: TaskLinks, pattern: Recording) -> Intake:
    named = recordings_of(links.tasks, pattern)
    if named or links.unreadable:
        return Intake(named, links.unreadable)
    if names_uuid("", value):
        return Intake(unreadable=(unreadable(value, f"the {pattern.source} value {NOT_READ}"),))
    return Intake(notes=(f"the {pattern.source} value names no task",), without_task=int(pattern.source == "link"))


def recordings_of(tasks: Iterable[NamedTask], pattern: Recording) -> tuple[Recording, ...]:
    return tuple(replace(pattern, id=task.id, title=task.title, host=task.host) for task in tasks)


def from_headers(
    data: bytes, *, name: str = "the headers", ref: str | None = None, correlation_id: str | None = None
) -> Intake:
    """A dump of response headers as of ``curl -D -`` or ``curl -i``, several responses allowed; see ``dump``.

    ``correlation_id`` goes before the one of the response. A valid dump may name no task. Raises ``BadData`` where
    there is no HTTP response at all; ``name`` says in the message what was read.
    """
    return from_dump(data, name, Recording("", "headers", ref=ref, correlation_id=correlation_id))


def from_dump(data: bytes, name: str, pattern: Recording) -> Intake:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:4]:
        data = text_of(data).encode()  # as PowerShell writes files
    dump = read_dump(data)
    if not dump.blocks:
        raise BadData(f"no HTTP response in {name}: did the request fail?", _HEADERS_HINT)
    if all(block.interim for block in dump.blocks):
        raise BadData(f"no final response in {name}: only status {dump.blocks[-1].status} came", _HEADERS_HINT)
    read = [_from_block(block, pattern, name) for block in dump.blocks]
    lost = [unreadable(line, "a header line behind a body that runs into its status line") for line in dump.swallowed]
    last = dump.blocks[-1]
    said = read[-1].unreadable and last.fields and last.fields[-1].cut
    if last.interim or (dump.unfinished and not said):
        reason = f"{name}: cut off within the headers of its last response: tasks may be missing"
        lost.append(unreadable(_shown(last), reason))
    silent = [
        block
        for block, intake in zip(dump.blocks, read, strict=True)
        if not (
            intake.recordings
            or intake.unreadable
            or intake.notes
            or block.interim
            or (block.repeated and block is not last)
        )
    ]
    notes = _silences(silent, sum(not block.interim for block in dump.blocks), name)
    if dump.ignored:
        what = "1 line" if dump.ignored == 1 else f"{dump.ignored} lines"
        notes.append(f"{name}: ignored {what} outside of headers: they look like headers that name tasks")
    intake = merge(read)
    whole = Intake(
        each_once(intake.recordings),
        (*intake.unreadable, *lost),
        (*intake.notes, *notes),
        sum(200 <= block.status < 300 and block.status not in _ACCEPTED for block in silent),
    )
    return or_kept(whole, data.decode("utf-8", "backslashreplace"))


def _from_block(block: Block, pattern: Recording, name: str) -> Intake:
    """What one response names: in its headers; else, where its status says that tasks were made, in its body, or in
    what is kept of it."""
    found = from_fields(block.fields, pattern)
    if found.recordings or found.unreadable or block.status not in CREATED:
        return found
    if body := block.body.strip("\0 \t\r\n"):
        found = _from_created(text_of(body.encode("latin-1")), pattern, name)
    if found.recordings or found.unreadable or not (strange := strange_fields(block.fields)):
        return found
    return replace(found, unreadable=(unreadable(strange, f"{name}: status {block.status}: {_STRANGE}"),))


def _from_created(body: str, pattern: Recording, name: str) -> Intake:
    """The body behind the headers of a 201, 202 or 207. One that is not read whole is kept."""
    read = documents(body)
    try:
        if len(read.whole) != 1 or len(read.whole[0]) != 1 or read.rest.strip():
            raise BadData("it is not one JSON text")
        receipt = read_receipt(read.whole[0][0], "the body")
    except BadData as error:
        if not may_name(body):
            return Intake()
        reason = f"{name}: the body behind the headers cannot be read: {error.message}"
        return Intake(unreadable=(unreadable(body, reason),))
    notes = tuple(f"{name}: {note}" for note in receipt.notes)
    return Intake(recordings_of(receipt.tasks, pattern), receipt.unreadable, notes)


def strange_fields(fields: Iterable[Field]) -> str:
    """Of headers that named no task, those that may: a Location, and what holds a UUID."""
    return "\n".join(
        f"{one.name}: {one.value}" if one.name else one.value
        for one in fields
        if (one.name == "location" and one.value) or names_uuid(one.name, one.value)
    )


CREATED = frozenset({201, 202, 207})  # what says that tasks were made
_ACCEPTED = frozenset({201, 202})
_STRANGE = "these headers may name its task, and none could be read from them"


def _silences(silent: list[Block], of_all: int, name: str) -> list[str]:
    """What is said of responses that name no task, and are whole."""
    said: dict[str, int] = {}
    for block in silent:
        status = block.status
        if status in _ACCEPTED:
            words = f"status {status}, but no Location names its task: hand in its body with --body"
        elif 200 <= status < 300:
            words = f"status {status}, and no Link header names a task"
        else:
            words = f"status {status} is not a success: no task is named"
        said[words] = said.get(words, 0) + 1
    return [
        f"{name}: {words}" if of_all == 1 else f"{name}: {n} of {of_all} responses: {words}"
        for words, n in said.items()
    ]


def _shown(block: Block) -> str:
    kept = [f for f in block.fields if f.name in _SHOWN or f.name.startswith("x-optum-")]
    return "\n".join([block.status_line, *(f"{f.name}: {f.value}" if f.name else f.value for f in kept)])


def or_kept(intake: Intake, text: str) -> Intake:
    """The intake; where it names nothing and keeps nothing, though the text mentions a discovery, with those lines."""
    if intake.recordings or intake.unreadable or not mentions(text):
        return intake
    return replace(intake, unreadable=(mention_of(text),))


def mention_of(text: str) -> Unreadable:
    """The lines of a text that may name a task."""
    lines = telling_lines(text)
    what = "mentions coverage-discovery/" if mentions(lines) else "holds a UUID"
    return unreadable(lines, f"this {what}, and no task could be read from it")


def from_fields(fields: list[Field], pattern: Recording) -> Intake:
    """The tasks that the headers of one response name."""

    def first(name: str) -> str | None:
        return next((f.value for f in fields if f.name == name and f.value and not f.cut), None)

    pattern = replace(
        pattern,
        correlation_id=pattern.correlation_id or printable(first("x-optum-correlation-id") or "") or None,
        trace_id=pattern.trace_id or printable(first("x-optum-trace-id") or "") or None,
        sent_at=http_date(first("date") or ""),
    )
    good: list[Recording] = []
    bad: list[Unreadable] = []
    for header in fields:
        if header.name == "location" and header.cut:
            # Half an id looks like an id.
            bad.append(unreadable(header.value, "the dump ends within this location"))
        elif header.name == "link" and header.cut and "rel" not in header.value.rpartition(">")[2].lower():
            # What would have said that the last link is a task, or is none, has been cut off.
            bad.append(unreadable(header.value, "the dump ends within this link"))
            good += recordings_of(read_link(header.value).tasks[:-1], pattern)
        elif header.name in {"link", "location"}:
            links = read_link(header.value) if header.name == "link" else read_location(header.value)
            good += recordings_of(links.tasks, pattern)
            bad += links.unreadable
    if not good or bad:
        # Under another name, or behind no name at all, as where a link was wrapped.
        strange = [
            f"{f.name}: {f.value}" if f.name else f.value
            for f in fields
            if f.name not in {"link", "location"} and (mentions(f.value) or (bad and not f.name))
        ]
        what = "a header that mentions coverage-discovery/, but is not a Link value"
        bad += [unreadable(text, what if mentions(text) else "a line that may belong to a link") for text in strange]
    return Intake(each_once(good), tuple(bad))
