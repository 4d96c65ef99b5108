"""What was read from a caller, as JSON lines for another process that records it: `cdpoll record` leaves them in the
spool. `json_lines.py` reads from them all that goes into the database, but for the source.

A task stands in a line as a link, because that says its title and its host too. What could not be read stands as it
was, under ``raw``.
"""

import json
from collections.abc import Iterator, Mapping

from worker.core.errors import BadData
from worker.core.instant import iso
from worker.core.intake.intake import Intake, Recording
from worker.core.intake.line_keys import ABOUT
from worker.core.intake.link import RAW_LIMIT_CHARS, NamedTask, Unreadable, read_link, unreadable

# What is said of a raw text, and its beginning where it was cut: room for the note that it was.
_REASON_CHARS, _CUT_NOTE_CHARS = 500, 100
_RAW_KEYS = ("raw", "reason", "ref")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


# At most, of one file of lines: to read it takes little memory and short transactions.
FILE_ROWS, FILE_BYTES = 1_000, 4 * 1024 * 1024


def as_files(intake: Intake) -> list[bytes]:
    """All that is to be recorded. Raises UnicodeEncodeError where a text is none."""
    files: list[bytes] = []
    rows: list[bytes] = []
    size_bytes = 0
    for told in _lines(intake):
        line = json.dumps(told, ensure_ascii=False).encode() + b"\n"
        if rows and (len(rows) == FILE_ROWS or size_bytes + len(line) > FILE_BYTES):
            files.append(b"".join(rows))
            rows, size_bytes = [], 0
        rows.append(line)
        size_bytes += len(line)
    return [*files, b"".join(rows)] if rows else files


def _lines(intake: Intake) -> Iterator[dict[str, object]]:
    for recording in intake.recordings:
        yield {**_named(recording), **_told(recording, ABOUT)}
    for awaited in (*intake.lookups, *intake.expected):
        yield _told(awaited, ABOUT)
    for item in intake.unreadable:
        yield _told(item, _RAW_KEYS)
    if not intake.recordings:
        for _ in range(intake.without_task):
            yield {"link": None}


def _told(about: object, names: tuple[str, ...]) -> dict[str, object]:
    return {name: value for name in names if (value := getattr(about, name, None)) is not None}


def _named(one: Recording) -> dict[str, object]:
    link = f'</coverage-discovery/{one.id}>; rel="related"'
    title = (one.title or "").replace("\\", "\\\\").replace('"', '\\"')
    whole = f"<{f'https://{one.host}' if one.host else ''}{link[1:]}" + (f'; title="{title}"' if title else "")
    if read_link(whole) == ((NamedTask(one.id, one.title, one.host),), ()):
        link = whole
    if one.sent_at is None:
        return {"link": link}
    day, _, time = iso(one.sent_at)[:19].partition("T")
    year, month, number = day.split("-")
    return {"headers": {"link": link, "date": f"{number} {_MONTHS[int(month) - 1]} {year} {time} GMT"}}


def is_raw(record: Mapping[str, object]) -> bool:
    """Whether a JSON line is what another process could not read."""
    return "raw" in record and record.keys() <= {*_RAW_KEYS}


def read_raw(record: Mapping[str, object]) -> Unreadable:
    """It, with the reason that was given there. Raises ``BadData`` where it is no text."""
    raw, reason, ref = (record.get(key) or "" for key in _RAW_KEYS)
    if not (raw and isinstance(raw, str) and isinstance(reason, str) and isinstance(ref, str)):
        raise BadData("raw, reason or ref is not text, or raw is empty")
    said = reason[:_REASON_CHARS] if reason.isprintable() and reason else "another cdpoll could not read this"
    if len(raw) > RAW_LIMIT_CHARS + _CUT_NOTE_CHARS:
        raw = unreadable(raw, said).raw
    kept, key = (text.encode("utf-8", "backslashreplace").decode() for text in (raw, ref))
    return Unreadable(kept, said, key or None)
