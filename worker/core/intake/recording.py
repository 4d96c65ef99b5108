"""From what a caller hands in to the tasks it names: ids, links, locations, headers, dumps of responses.

Bodies and JSON lines are read in :mod:`~worker.core.intake.json_recording`.

What should have named a task and cannot be read is kept as :class:`~worker.core.intake.link.Unreadable`. Input that is
of the wrong kind altogether raises :class:`~worker.core.errors.BadData`. Notes say what was rightly left out. Reasons,
notes and errors never quote the input, which may hold patient data.
"""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from worker.core.errors import BadData
from worker.core.intake.dump import Field, read_dump
from worker.core.intake.json_documents import text_of
from worker.core.intake.link import NamedTask, TaskLinks, Unreadable, read_link, read_location, unreadable, valid_id
from worker.core.intake.link_grammar import printable
from worker.core.vendor.httpdate import http_date


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
    return Intake(each_once(good), tuple(bad))


def from_link(value: str, *, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """The value of one Link header."""
    return _single(read_link(value), Recording("", "link", ref=ref, correlation_id=correlation_id))


def from_location(value: str, *, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """The value of one Location header."""
    return _single(read_location(value), Recording("", "location", ref=ref, correlation_id=correlation_id))


def _single(links: TaskLinks, pattern: Recording) -> Intake:
    named = recordings_of(links.tasks, pattern)
    silent = not named and not links.unreadable
    return Intake(named, links.unreadable, (f"the {pattern.source} value names no task",) if silent else ())


def recordings_of(tasks: Iterable[NamedTask], pattern: Recording) -> tuple[Recording, ...]:
    return tuple(replace(pattern, id=task.id, title=task.title, host=task.host) for task in tasks)


def each_once(recordings: Iterable[Recording]) -> tuple[Recording, ...]:
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
    return from_dump(data, name, Recording("", "headers", ref=ref, correlation_id=correlation_id))


def from_dump(data: bytes, name: str, pattern: Recording) -> Intake:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        data = text_of(data).encode()  # as PowerShell writes files
    dump = read_dump(data)
    if not dump.blocks:
        hint = "record the headers of a finished request, as `curl -sS -D FILE -o /dev/null …` writes them"
        raise BadData(f"no HTTP response in {name}: did the request fail?", hint)
    intake = merge(from_fields(block, pattern) for block in dump.blocks)
    lost = (unreadable(line, "a header line behind a body that runs into its status line") for line in dump.swallowed)
    notes = []
    if dump.unfinished:
        notes.append(f"{name}: cut off within the headers of a response, tasks may be missing")
    if dump.ignored:
        notes.append(f"{name}: ignored {dump.ignored} lines outside of headers that look like headers naming tasks")
    return Intake(each_once(intake.recordings), (*intake.unreadable, *lost), tuple(notes))


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
    return Intake(each_once(good), tuple(bad))


def merge(parts: Iterable[Intake]) -> Intake:
    """Several intakes as one, in order. An id may come several times, with different refs; equal recordings go."""
    kept = list(parts)
    return Intake(
        tuple(dict.fromkeys(recording for part in kept for recording in part.recordings)),
        tuple(item for part in kept for item in part.unreadable),
        tuple(note for part in kept for note in part.notes),
    )
