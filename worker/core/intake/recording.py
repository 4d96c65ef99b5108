"""From what a caller hands in to the tasks it names: ids, headers, dumps of responses, POST bodies, JSON lines.

What should have named a task and cannot be read is kept as :class:`~worker.core.intake.link.Unreadable`. Input that is
of the wrong kind altogether raises :class:`~worker.core.errors.BadData`. Notes say what was rightly left out. Reasons,
notes and errors never quote the input, which may hold patient data.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from worker.core.errors import BadData
from worker.core.intake.dump import Field, read_dump
from worker.core.intake.link import NamedTask, TaskLinks, Unreadable, read_link, read_location, unreadable, valid_id
from worker.core.intake.link_grammar import printable
from worker.core.intake.receipt import json_text, read_receipt
from worker.core.vendor.httpdate import http_date

_KEPT = frozenset({"link", "location", "date", "x-optum-correlation-id", "x-optum-trace-id"})

# The keys of a JSON line: what names tasks, and what is said about them.
_NAMING = ("link", "location", "headers", "body", "id")
_ABOUT = ("ref", "correlation_id", "trace_id", "trace_number", "originator_id", "member_id", "birth_date")


@dataclass(frozen=True, slots=True)
class Recording:
    """One task to make durable.

    ``source`` is id, link, location, headers, body or jsonl; ``host`` is the authority of an absolute target, to be
    compared with the configured one; ``sent_at`` is the Date of the response that named the task, in milliseconds UTC.
    What may be patient data does not show in the ``repr``.
    """

    id: str
    source: str
    title: str | None = None
    host: str | None = None
    ref: str | None = field(default=None, repr=False)
    correlation_id: str | None = None
    trace_id: str | None = None
    trace_number: str | None = None
    originator_id: str | None = None
    member_id: str | None = field(default=None, repr=False)
    birth_date: str | None = field(default=None, repr=False)
    sent_at: int | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """What one piece of input came to: each id once."""

    recordings: tuple[Recording, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()


def from_ids(ids: Iterable[str], *, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """Ids as they are; space around one is ignored."""
    good: list[Recording] = []
    bad: list[Unreadable] = []
    for text in ids:
        if valid_id(text.strip()):
            good.append(Recording(text.strip(), "id", ref=ref, correlation_id=correlation_id))
        else:
            bad.append(unreadable(text, "not a task id: 1 to 128 letters, digits or . _ ~ - and not x12"))
    return Intake(_once(good), tuple(bad))


def from_link(value: str, *, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """The value of one Link header."""
    return _single(read_link(value), Recording("", "link", ref=ref, correlation_id=correlation_id))


def from_location(value: str, *, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """The value of one Location header."""
    return _single(read_location(value), Recording("", "location", ref=ref, correlation_id=correlation_id))


def _single(links: TaskLinks, pattern: Recording) -> Intake:
    named = _recordings(links.tasks, pattern)
    silent = not named and not links.unreadable
    return Intake(named, links.unreadable, (f"the {pattern.source} value names no task",) if silent else ())


def _recordings(tasks: Iterable[NamedTask], pattern: Recording) -> tuple[Recording, ...]:
    return tuple(replace(pattern, id=task.id, title=task.title, host=task.host) for task in tasks)


def _once(recordings: Iterable[Recording]) -> tuple[Recording, ...]:
    """Each id once, as it came first."""
    first: dict[str, Recording] = {}
    for recording in recordings:
        first.setdefault(recording.id, recording)
    return tuple(first.values())


def from_headers(
    data: bytes, *, name: str = "the headers", ref: str | None = None, correlation_id: str | None = None
) -> Intake:
    """A dump of response headers as of ``curl -D -`` or ``curl -i``, several responses allowed; see ``dump``.

    ``correlation_id`` goes before the one of the response. A valid dump may name no task. Raises ``BadData`` where
    there is no HTTP response at all; ``name`` says in the message what was read.
    """
    return _from_dump(data, name, Recording("", "headers", ref=ref, correlation_id=correlation_id))


def _from_dump(data: bytes, name: str, pattern: Recording) -> Intake:
    dump = read_dump(data)
    if not dump.blocks:
        hint = "record the headers of a finished request, as `curl -sS -D FILE -o /dev/null …` writes them"
        raise BadData(f"no HTTP response in {name}: did the request fail?", hint)
    intake = merge(_from_fields(block, pattern) for block in dump.blocks)
    lost = (unreadable(line, "a header line behind a body that runs into its status line") for line in dump.swallowed)
    notes = []
    if dump.unfinished:
        notes.append(f"{name}: cut off within the headers of a response, tasks may be missing")
    if dump.ignored:
        notes.append(f"{name}: ignored {dump.ignored} lines outside of headers that look like headers naming tasks")
    return Intake(_once(intake.recordings), (*intake.unreadable, *lost), tuple(notes))


def _from_fields(fields: list[Field], pattern: Recording) -> Intake:
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
            good += _recordings(read_link(header.value).tasks[:-1], pattern)
        elif header.name in {"link", "location"}:
            links = read_link(header.value) if header.name == "link" else read_location(header.value)
            good += _recordings(links.tasks, pattern)
            bad += links.unreadable
    return Intake(_once(good), tuple(bad))


def from_body(
    data: bytes, *, name: str = "the body", ref: str | None = None, correlation_id: str | None = None
) -> Intake:
    """The body of a discovery POST's answer: 202 (an object), 207 (an array), 200 (a dry run); or a task's own body.

    Raises ``BadData`` for anything else: a real-time answer, whose ``id`` is not a task's, an error, no JSON.
    """
    if not data.strip():
        raise BadData(f"{name} is empty: did the request fail?", "hand in the body of a discovery POST's answer")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        hint = "hand in the body alone" + ("; a dump with headers goes to --headers" if data[:5] == b"HTTP/" else "")
        raise BadData(f"{name} is not JSON", hint) from None
    return _from_document(document, name, Recording("", "body", ref=ref, correlation_id=correlation_id))


def _from_document(document: object, name: str, pattern: Recording) -> Intake:
    receipt = read_receipt(document, name)
    return Intake(_once(_recordings(receipt.tasks, pattern)), receipt.unreadable, receipt.notes)


def from_jsonl_line(line: bytes, number: int, *, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """One line of JSONL: an object that names tasks in ``link``, ``location``, ``headers``, ``body`` or ``id``.

    What the line says of a task goes before ``ref`` and ``correlation_id``, and those before what a response in it
    says. A blank line is nothing. A line that is no such object is unreadable as a whole; where one of its values is
    bad, the others are read. A line whose values are sound and name no task (a response without a Link header) is
    noted. Never raises for what the line holds.
    """
    if not line.strip():
        return Intake()
    try:
        document = json.loads(
            line.decode("utf-8-sig"), object_pairs_hook=_pairs, parse_float=str, parse_constant=_no_constant
        )
        if not isinstance(document, dict):
            raise BadData("not a JSON object")
        intake = _from_record(document, ref, correlation_id)
    except BadData as mistake:
        reason = mistake.message
    except (ValueError, RecursionError):
        reason = "not JSON in UTF-8"
    else:
        bad = (replace(item, reason=f"line {number}: {item.reason}") for item in intake.unreadable)
        notes = (f"line {number}: {note}" for note in intake.notes)
        return Intake(intake.recordings, tuple(bad), tuple(notes))
    return Intake(unreadable=(unreadable(line.decode("utf-8", "backslashreplace"), f"line {number}: {reason}"),))


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; of a key that stands twice, one value would be lost in silence."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadData("a key stands twice in one object")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(text)  # NaN and Infinity are not JSON


def _from_record(record: dict[str, object], ref: str | None, correlation_id: str | None) -> Intake:
    if not record.keys() <= {*_NAMING, *_ABOUT}:
        raise BadData(f"a key is none of {', '.join((*_NAMING, *_ABOUT))}")
    if not record.keys() & {*_NAMING}:
        raise BadData(f"names nothing: none of {', '.join(_NAMING)} is there")
    about = {key: _text(record.get(key), key) for key in _ABOUT}
    pattern = Recording(
        "",
        "jsonl",
        ref=about["ref"] or ref,
        correlation_id=about["correlation_id"] or correlation_id,
        trace_id=about["trace_id"],
        trace_number=about["trace_number"],
        originator_id=about["originator_id"],
        member_id=about["member_id"],
        birth_date=about["birth_date"],
    )
    parts: list[Intake] = []
    for key, read in _KEY_READERS.items():
        value = record.get(key)
        if value in (None, "", [], {}):
            continue
        try:
            parts.append(read(value, pattern))
        except BadData as mistake:
            # A real-time answer logged beside its Link header is no mistake: the header says it all.
            if key == "body" and any(part.recordings for part in parts):
                parts.append(Intake(notes=(mistake.message,)))
            else:
                parts.append(Intake(unreadable=(unreadable(json_text(value), mistake.message),)))
    intake = merge(parts)
    lost = tuple(replace(item, ref=pattern.ref) for item in intake.unreadable)
    silent = not (intake.recordings or intake.unreadable or intake.notes)
    return Intake(_once(intake.recordings), lost, ("names no task",) if silent else intake.notes)


def _json_link(value: object, pattern: Recording) -> Intake:
    return _from_fields([Field("link", text) for text in _texts(value, "link")], pattern)


def _json_location(value: object, pattern: Recording) -> Intake:
    return _from_fields([Field("location", text) for text in _texts(value, "location")], pattern)


def _json_headers(value: object, pattern: Recording) -> Intake:
    if isinstance(value, dict):
        kept = {name: value[name] for name in value if name.strip().lower() in _KEPT}
        fields = [Field(name.strip().lower(), text) for name in kept for text in _texts(kept[name], "headers")]
        return _from_fields(fields, pattern)
    # The blank line at the end may have been stripped before it was logged; JSON that parses has not been cut off.
    dump = (_text(value, "headers") or "") + "\r\n\r\n"
    return _from_dump(dump.encode("latin-1", "backslashreplace"), "headers", pattern)


def _json_id(value: object, pattern: Recording) -> Intake:
    text = (_text(value, "id") or "").strip()
    if not valid_id(text):
        raise BadData("id is not a task id")
    return Intake((replace(pattern, id=text),))


def _json_body(value: object, pattern: Recording) -> Intake:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise BadData("body is not JSON") from None
    return _from_document(value, "body", pattern)


# The order decides: of an id that comes twice, the first is kept. Headers say the most, and the body comes last.
_KEY_READERS: dict[str, Callable[[object, Recording], Intake]] = {
    "headers": _json_headers,
    "link": _json_link,
    "location": _json_location,
    "id": _json_id,
    "body": _json_body,
}


def _text(value: object, key: str) -> str | None:
    """A string; a number as one; ``None`` for nothing. Raises ``BadData`` for the rest, and for what cannot be kept."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadData(f"{key} is not text")
    text = str(value)
    if "\0" in text or text != text.encode("utf-8", "replace").decode():
        raise BadData(f"{key} holds characters that are no text")
    return text


def _texts(value: object, key: str) -> list[str]:
    """The text, or the texts of a list."""
    return [text for item in (value if isinstance(value, list) else [value]) if (text := _text(item, key))]


def merge(parts: Iterable[Intake]) -> Intake:
    """Several intakes as one, in order. An id may come several times, with different refs; equal recordings go."""
    kept = list(parts)
    return Intake(
        tuple(dict.fromkeys(recording for part in kept for recording in part.recordings)),
        tuple(item for part in kept for item in part.unreadable),
        tuple(note for part in kept for note in part.notes),
    )
