"""The tasks that JSON lines of callers name, and what lines without a task await.

A line that was damaged on its way names what it names for certain, and the rest of it is kept as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from worker.core.errors import BadData
from worker.core.intake.dump import Field
from worker.core.intake.hand_over import is_raw, read_raw
from worker.core.intake.intake import Expected, Intake, Lookup, Recording, each_once, expected_of, lookup_of, merge
from worker.core.intake.json_bodies import BLANK, REPEATS, from_document, from_text
from worker.core.intake.json_documents import Documents, documents
from worker.core.intake.lengths import length_trouble
from worker.core.intake.line_keys import ABOUT, NAMING, UnknownKey, birth_date_note, unknown_keys
from worker.core.intake.link import Unreadable, unreadable
from worker.core.intake.misplaced import id_notes, names_uuid, why_no_id, why_no_object
from worker.core.intake.receipt import is_real_time_answer, json_text
from worker.core.intake.recording import (
    CREATED,
    NOT_READ,
    from_dump,
    from_fields,
    from_lookup,
    or_kept,
    read_whole_location,
    recordings_of,
    strange_fields,
)

# Keys of one object, and values of one key. More are none of a caller's, and each costs a search for what was meant.
MOST_KEYS = MOST_VALUES = 1000

_NEVER_SURE = "without originator_id and member_id no answer of a batch is joined to this: hand it in again with one"
_KEPT = frozenset({"link", "location", "date", "x-optum-correlation-id", "x-optum-trace-id"})


def from_jsonl_line(line: bytes, *, place: str, ref: str | None = None, correlation_id: str | None = None) -> Intake:
    """One line of JSONL: an object that names tasks in ``link``, ``location``, ``headers``, ``body`` or ``id``.

    What the line says of a task goes before ``ref`` and ``correlation_id``, and those before what a response in it
    says. A blank line is nothing. A line that is no such object is unreadable as a whole; where one of its values is
    bad, the others are read, and so are several objects whose line end was lost. A line whose values are sound and name
    no task (a response without a Link header) is noted, and so is an unknown key. Reasons begin with ``place``
    (``line 7``); notes do not, for many lines may have the same. Never raises for what the line holds.
    """
    if not line.strip():
        return Intake()
    defaults = Recording("", "jsonl", ref=ref, correlation_id=correlation_id)
    try:
        text = line.decode("utf-8-sig")
    except ValueError:
        intake = _line_lost(line.decode("utf-8", "backslashreplace"), "not UTF-8")
    else:
        begun = text.lstrip().startswith("{")
        found = documents(text, exact=True) if begun else Documents((), text, False)
        alone = text if len(found.whole) == 1 and not found.rest else None
        parts = [_from_variants(variants, alone, defaults) for variants in found.whole]
        if not parts:
            parts.append(
                _line_lost(text, "the JSON object is cut off or damaged" if begun else why_no_object(text.strip()))
            )
        elif found.rest:
            parts.append(_line_lost(found.rest, "this stands behind the end of the JSON"))
        if found.repeats:
            parts.append(Intake(notes=(REPEATS,)))
        intake = or_kept(merge(parts), text)
    bad = tuple(replace(item, reason=f"{place}: {item.reason}") for item in intake.unreadable)
    return replace(intake, unreadable=bad)


def _line_lost(text: str, reason: str) -> Intake:
    return Intake(unreadable=(unreadable(text, reason),))


def _from_variants(variants: tuple[object, ...], line: str | None, defaults: Recording) -> Intake:
    """One object of a line, as several where keys stand twice in it; ``line`` is its text, where it stands alone."""
    raw = json_text(variants[0]) if line is None else line
    parts: list[Intake] = []
    doubtful: set[str] = set()
    first = variants[0]
    try:
        for record in variants:
            if not isinstance(record, dict) or not isinstance(first, dict):
                raise BadData("not a JSON object")
            doubtful |= {key for key in ABOUT if record.get(key) != first.get(key)}
        # Neither of two refs, and none in their place: to give a patient's result to another account would be worse
        # than to ask a person.
        known = replace(
            defaults,
            ref=None if "ref" in doubtful else defaults.ref,
            correlation_id=None if "correlation_id" in doubtful else defaults.correlation_id,
        )
        for record in variants:
            assert isinstance(record, dict)
            parts.append(_from_record({key: record[key] for key in record if key not in doubtful}, known))
    except BadData as mistake:
        return _line_lost(raw, mistake.message)
    if doubtful:
        reason = f"{', '.join(sorted(doubtful))} stands twice, its tasks are recorded without it"
        parts.append(_line_lost(raw, reason))
    whole = merge(parts)
    return replace(whole, recordings=each_once(whole.recordings), notes=tuple(dict.fromkeys(whole.notes)))


def _from_record(record: dict[str, object], defaults: Recording) -> Intake:
    if is_raw(record):
        return Intake(unreadable=(read_raw(record),))
    _refuse(record)
    strange = list(unknown_keys(record))
    if not record.keys() & {*NAMING}:
        return _awaited(record, defaults, strange)
    if any(one.is_ref for one in strange):
        # Nor with another one in its place, as where the ref itself is bad.
        defaults = replace(defaults, ref=None)
    pattern, about = _about(record, defaults)
    beside = [about]
    for words, may_name, is_ref in strange:
        if is_ref:
            words += " The line's tasks are recorded without it"
        lost = (unreadable(json_text(record), words),) if may_name or is_ref else ()
        beside.append(Intake(unreadable=lost, notes=() if lost else (words,)))
    parts: list[Intake] = []
    for key, read in _KEY_READERS.items():
        value = record.get(key)
        if value is None or value == [] or _is_empty(value, key):
            continue
        try:
            parts.append(read(value, pattern))
        except BadData as mistake:
            # A real-time answer logged beside its Link header is no mistake: the header says it all.
            if key == "body" and any(part.recordings for part in parts):
                parts.append(Intake(notes=(mistake.message,)))
            else:
                parts.append(Intake(unreadable=(unreadable(json_text(value), mistake.message),)))
    named = merge(parts)
    if named.empty:
        beside.append(_nothing_named(record))
    whole = merge([named, *beside])
    if not whole.recordings and not whole.unreadable and _holds_uuid(record):
        whole = replace(whole, unreadable=(unreadable(json_text(record), f"this {NOT_READ}"),), notes=())
    bad = tuple(replace(item, ref=pattern.ref) for item in whole.unreadable)
    return replace(whole, recordings=each_once(whole.recordings), unreadable=bad)


def _refuse(record: dict[str, object]) -> None:
    """Raises ``BadData`` for what is no line of a caller's."""
    if len(record) > MOST_KEYS:
        raise BadData(f"it has more than {MOST_KEYS} keys")
    if "id" in record and is_real_time_answer(record):
        raise BadData(
            "it is the answer of a real-time check, whose id is not a task's: its tasks are in its Link header"
        )


def _awaited(record: dict[str, object], defaults: Recording, strange: Sequence[UnknownKey]) -> Intake:
    """What a line awaits that names no task. With a correlation id, the discoveries of that request; with a trace
    number, a ref, and a member id or a birth date, an answer of a batch. Raises ``BadData`` where it is neither."""
    wrong = [f"names nothing: none of {', '.join(NAMING)} is there", *(one.words for one in strange)]
    if any(one.may_name or one.is_ref for one in strange) or not record.keys() & {"correlation_id", "trace_number"}:
        raise BadData("; ".join(wrong))
    pattern, about = _about(record, replace(defaults, correlation_id=None))
    notes = Intake(notes=tuple(one.words for one in strange))
    lookups: tuple[Lookup, ...] = ()
    expected: tuple[Expected, ...] = ()
    if pattern.correlation_id:
        sought = from_lookup(pattern.correlation_id).lookups[0]
        lookups = (lookup_of(sought.correlation_id, pattern),)
    if pattern.trace_number and pattern.ref and (pattern.member_id or pattern.birth_date):
        expected = (expected_of(pattern.trace_number, pattern.ref, pattern),)
        if not (pattern.originator_id or pattern.member_id):
            notes = merge([notes, Intake(notes=(_NEVER_SURE,))])
    if not lookups and not expected:
        needed = "an answer without an id needs trace_number, ref, and member_id or birth_date"
        bad = (item.reason.partition(":")[0] for item in about.unreadable)
        raise BadData("; ".join([*wrong, *bad, needed]))
    return merge([Intake(lookups=lookups, expected=expected), about, notes])


def _nothing_named(record: dict[str, object]) -> Intake:
    """What is said of a line in which nothing names a task. ``null``, and an empty list of links, say that there was
    none; what is empty otherwise may have been lost on its way, so the line is kept."""
    empty = [key for key in NAMING if _is_empty(record.get(key), key)]
    without_task = int("link" in record)
    if not empty:
        return Intake(notes=("names no task",), without_task=without_task)
    reason = f"{' and '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty"
    return Intake(unreadable=(unreadable(json_text(record), reason),), without_task=without_task)


def _holds_uuid(record: dict[str, object]) -> bool:
    """Whether a value may name a task. Headers and a body are judged where they are read."""
    return any(names_uuid(key, record[key]) for key in record.keys() - {*ABOUT, "headers", "body"})


def _is_empty(value: object, key: str) -> bool:
    if isinstance(value, str):
        return not value.strip(BLANK)
    return value == {} or (value == [] and key not in ("link", "location"))


def _about(record: dict[str, object], defaults: Recording) -> tuple[Recording, Intake]:
    """What the line says of its tasks; and what of it is bad. A task is recorded without a value that is."""
    found: dict[str, str | None] = {}
    lost: list[Unreadable] = []
    notes: list[str] = []
    for key in ABOUT:
        try:
            found[key] = _text(record.get(key), key)
        except BadData as mistake:
            found[key] = None
            lost.append(unreadable(json_text(record), f"{mistake.message}: the line's tasks are recorded without it"))
            # Nor with another one in its place: a result must not go out under a wrong ref.
            defaults = replace(defaults, ref=None) if key == "ref" else defaults
    if isinstance(record.get("ref"), str) and not str(record["ref"]).strip():
        found["ref"] = None
        notes.append("ref is empty: it is left out")
    if note := birth_date_note(found["birth_date"]):
        notes.append(note)
    pattern = Recording(
        "",
        defaults.source,
        ref=found["ref"] or defaults.ref,
        correlation_id=found["correlation_id"] or defaults.correlation_id,
        trace_id=found["trace_id"],
        trace_number=found["trace_number"],
        originator_id=found["originator_id"],
        member_id=found["member_id"],
        birth_date=found["birth_date"],
        subtenant=found["subtenant"],
    )
    return pattern, Intake(unreadable=tuple(lost), notes=tuple(notes))


def _json_link(value: object, pattern: Recording) -> Intake:
    return from_fields([Field("link", text) for text in _texts(value, "link")], pattern)


def _json_location(value: object, pattern: Recording) -> Intake:
    links = [read_whole_location(text) for text in _texts(value, "location")]
    return merge(Intake(recordings_of(one.tasks, pattern), one.unreadable) for one in links)


def _json_headers(value: object, pattern: Recording) -> Intake:
    if isinstance(value, dict):
        kept = {name: value[name] for name in value if name.strip().lower() in _KEPT}
        fields = [Field(name.strip().lower(), text) for name in kept for text in _texts(kept[name], "headers")]
        found = from_fields(fields, pattern)
        return found if found.recordings or found.unreadable else _silent_headers(value)
    # The blank line at the end may have been stripped before it was logged; JSON that parses has not been cut off.
    if isinstance(value, list):
        raise BadData("headers is a list: write a dump as text, or an object of names and values")
    dump = (_text(value, "headers") or "") + "\r\n\r\n"
    return from_dump(dump.encode("latin-1", "backslashreplace"), "headers", pattern)


def _silent_headers(headers: dict[str, object]) -> Intake:
    """What is said of headers that name no task."""
    status = next((str(headers[name]) for name in headers if name.strip().lower() in (":status", "status")), "")
    strange = strange_fields(Field(name.strip().lower(), str(headers[name])) for name in headers if headers[name])
    if strange and (not status or status[:3] in map(str, CREATED)) and (status or names_uuid("", strange)):
        return Intake(unreadable=(unreadable(json_text(headers), "headers: they may name a task, and none was read"),))
    if status[:3].isdigit() and status[:1] != "2":
        return Intake(notes=(f"headers: status {status[:3]} is not a success: no task is named",))
    return Intake(notes=("headers: no Link header names a task",), without_task=1)


def _json_id(value: object, pattern: Recording) -> Intake:
    text = (_text(value, "id") or "").strip()
    if reason := why_no_id(text):
        raise BadData(f"id is {reason}")
    return Intake((replace(pattern, id=text),), notes=id_notes(text))


def _json_body(value: object, pattern: Recording) -> Intake:
    if isinstance(value, str):
        return from_text(value.strip(BLANK), "body", pattern)
    return from_document(value, "body", pattern)


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
        raise BadData(f"{key} holds characters that are not text")
    if trouble := length_trouble(key, text):
        raise BadData(f"{key} {trouble}")
    return text


def _texts(value: object, key: str) -> list[str]:
    """The text, or the texts of a list."""
    if isinstance(value, list) and len(value) > MOST_VALUES:
        raise BadData(f"{key} has more than {MOST_VALUES} values")
    return [text for item in (value if isinstance(value, list) else [value]) if (text := _text(item, key))]
