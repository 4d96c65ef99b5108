"""What a file names that was left without a word about its kind: its content tells how it is to be read.

::

    HTTP/1.1 200 …                a dump of responses, as of `curl -D -`
    Link: … or Location: …        header lines without a status line; a blank line ends those of one response
    [ …                           the answer to a discovery POST, 207
    {"link": …}                   JSON lines; between them, bare ids and values of Link headers may stand
    { …                           any other JSON: the answer to a discovery POST, 202; a task's own body
    0716e3e8-…                    bare ids, one a line

Reasons never quote the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from worker.core.errors import BadData
from worker.core.intake.hand_over import is_raw
from worker.core.intake.intake import Intake, merge
from worker.core.intake.json_bodies import from_body
from worker.core.intake.json_documents import documents, text_of
from worker.core.intake.json_lines import from_jsonl_line
from worker.core.intake.line_keys import NAMING
from worker.core.intake.link import is_uuid, unreadable
from worker.core.intake.receipt import is_real_time_answer
from worker.core.intake.recording import from_headers, from_id_line, from_link

# Lines that come to one intake, so that what is recorded in one transaction is bounded.
PORTION_LINES = 500

# More than that of one text are not kept: who handed it in has to look at the whole of it.
MOST_UNREADABLE_ROWS = 1_000

# What a text may come to in memory: others write it, and none of them may stop the service.
MOST_LINES = 500_000
MOST_LINE_BYTES = 1024 * 1024
MOST_JSON_MARKS = 500_000
_JSON_MARKS = (b"{", b"[", b",")

_STATUS_LINE = re.compile(rb"^(?:< |[ \t]+)?HTTP/[123](?:\.[0-9])? [1-5][0-9][0-9]\b", re.MULTILINE)
_HEADER_LINE = re.compile(rb"(?:link|location)[ \t]*:", re.IGNORECASE)
_ANY_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*[ \t]*:(?!//)")
_BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n")
_BLANK = b"\0 \t\r\n"
_LOOKED_AT_LINES = 20
_OF_THE_VENDOR = {"name", "discoveryPaths"}
# A shorter text at the end of a file without a line end may be the beginning of an id: longer ones show it.
_SHORTEST_ID_BYTES = 8
_LINE = ("id", "jsonl")
_NAME = "the file"
_CURE = "leave response headers as of `curl -D`, JSON lines, ids one a line, or a batch 271"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text names, in portions. ``cut``: its end is missing, or may be: it may still be written.

    ``lost``: how many more pieces of it are unreadable than are kept.
    """

    portions: tuple[Intake, ...]
    cut: bool = False
    lost: int = 0


def read_anything(data: bytes) -> Reading:
    """What a text of any kind names. Raises ``BadData`` where nothing at all can be read from it."""
    text = _as_utf8(data)
    if not text.strip(_BLANK):
        raise BadData(f"{_NAME} is empty", "was it written to the end?")
    portions = tuple(_portions(text))
    ends = text.endswith(b"\n")
    # Zeros at its end: it was given its size before its content.
    found = Reading(portions, cut=text.endswith(b"\0") or _is_cut(portions[-1], ends=ends))
    named = any(one.recordings or one.awaited for one in portions)
    spoiled = [item for one in portions for item in one.unreadable]
    if spoiled and not named and not _handed_over(text):
        more = f" (and {len(spoiled) - 1} more)" if len(spoiled) > 1 else ""
        raise BadData(f"nothing in it can be read: {spoiled[0].reason}{more}", _CURE)
    if len(spoiled) > MOST_UNREADABLE_ROWS:
        kept = replace(portions[0], unreadable=tuple(spoiled[:MOST_UNREADABLE_ROWS]))
        others = (replace(one, unreadable=()) for one in portions[1:])
        found = replace(found, portions=(kept, *others), lost=len(spoiled) - MOST_UNREADABLE_ROWS)
    return found


def names_tasks(data: bytes) -> bool:
    """Whether a text begins as one does that names tasks."""
    text = _as_utf8(data).lstrip(_BLANK)
    first = text.partition(b"\n")[0].strip().decode("utf-8", "replace")
    return bool(_STATUS_LINE.match(text) or _header_lines(text) or is_uuid(first))


def _as_utf8(data: bytes) -> bytes:
    """The text with line feeds. That of Windows may be in UTF-16."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4]:
        data = text_of(data).encode("utf-8", "replace")
    text = data.removeprefix(b"\xef\xbb\xbf")
    return text if b"\n" in text else text.replace(b"\r", b"\n")


def _refuse_too_much(what: str) -> None:
    raise BadData(f"it has {what}", "leave it in several files")


def _portions(text: bytes) -> Iterator[Intake]:
    if text.count(b"\n") > MOST_LINES:
        _refuse_too_much(f"more than {MOST_LINES:,} lines")
    begin = text.lstrip(_BLANK)
    if begin.startswith(b"[") or (begin.startswith(b"{") and not _has_lines(begin)):
        if sum(map(text.count, _JSON_MARKS)) > MOST_JSON_MARKS:
            _refuse_too_much(f"more than {MOST_JSON_MARKS:,} JSON values")
        yield from_body(text, name=_NAME)
    elif not begin.startswith(b"{") and _STATUS_LINE.search(text):
        yield from_headers(_with_short_lines(text), name=_NAME)
    elif _header_lines(begin):
        yield from_headers(_with_short_lines(_with_status_lines(begin)), name=_NAME)
    else:
        yield from _lines(text)


def _header_lines(text: bytes) -> bool:
    """Whether a text without a status line begins with the header lines of a response that names a task."""
    first = _BLANK_LINE.split(text, maxsplit=1)[0].splitlines()
    return bool(first and _ANY_HEADER.match(first[0]) and any(map(_HEADER_LINE.match, first)))


def _with_status_lines(text: bytes) -> bytes:
    """Each block of header lines under a status line. A line end at the end says that the last one is whole."""
    blocks = [block for block in _BLANK_LINE.split(text) if block.strip(_BLANK)]
    whole = b"\r\n\r\n".join(b"HTTP/1.1 200 OK\r\n" + block.strip(b"\r\n") for block in blocks)
    return whole + b"\r\n\r\n" if text.endswith(b"\n") else whole


def _with_short_lines(text: bytes) -> bytes:
    if max(map(len, text.split(b"\n"))) > MOST_LINE_BYTES:
        _refuse_too_much(f"a line of more than {MOST_LINE_BYTES >> 20} MiB")
    return text


def _has_lines(text: bytes) -> bool:
    """Whether one of the first lines is an object that a caller wrote, and no answer of the vendor's."""
    lines = text.split(b"\n", _LOOKED_AT_LINES)[:_LOOKED_AT_LINES]
    return any(len(line) <= MOST_LINE_BYTES and _is_line(line) for line in lines)


def _is_line(line: bytes) -> bool:
    record = _object(line)
    if record is None:
        return False
    naming = record.keys() & {*NAMING}
    if is_raw(record):
        return True
    if naming == {"id"}:
        return not is_real_time_answer(record) and not record.keys() & _OF_THE_VENDOR
    return bool(naming) or bool(record.keys() & {"correlation_id", "trace_number"})


def _handed_over(text: bytes) -> bool:
    """Whether some of it is what another process could not read, and has handed over to be kept."""
    lines = (line for line in text.split(b"\n") if len(line) <= MOST_LINE_BYTES)
    records = (_object(line) for line in lines if line.lstrip().startswith(b'{"raw"'))
    return any(record is not None and is_raw(record) for record in records)


def _object(line: bytes) -> dict[str, object] | None:
    """The object that a line is, if it is nothing else."""
    found = documents(line.decode("utf-8", "replace"), exact=True)
    first = found.whole[0][0] if len(found.whole) == 1 and not found.rest else None
    return first if isinstance(first, dict) else None


def _lines(text: bytes) -> Iterator[Intake]:
    kept: list[Intake] = []
    lines = text.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip(_BLANK):
            continue
        last = number == len(lines)
        kept.append(_line(line.strip(_BLANK), f"line {number}", last=last))
        if len(kept) == PORTION_LINES:
            yield _merged(kept)
            kept = []
    if kept:
        yield _merged(kept)


def _merged(kept: list[Intake]) -> Intake:
    whole = merge(kept)
    return replace(whole, notes=tuple(dict.fromkeys(whole.notes)))


def _line(line: bytes, place: str, *, last: bool) -> Intake:
    """``last``: its line end is missing."""
    if len(line) > MOST_LINE_BYTES:
        begin = line[:MOST_LINE_BYTES].decode("utf-8", "backslashreplace")
        return Intake(unreadable=(unreadable(begin, f"{place}: longer than {MOST_LINE_BYTES >> 20} MiB"),))
    if line.startswith(b"{"):
        return from_jsonl_line(line, place=place)
    if line.startswith(b"<"):
        found = from_link(line.decode("utf-8", "backslashreplace"))
        bad = tuple(replace(item, reason=f"{place}: {item.reason}") for item in found.unreadable)
        return replace(found, unreadable=bad)
    if last and len(line) < _SHORTEST_ID_BYTES:
        text = line.decode("utf-8", "backslashreplace")
        return Intake(
            unreadable=(unreadable(text, f"{place}: perhaps the beginning of an id, for no line end follows"),)
        )
    return from_id_line(line, place=place)


def _is_cut(last: Intake, *, ends: bool) -> bool:
    """``last``: the last portion of a text. A line without its end is whole where it says so itself."""
    if not last.recordings or last.recordings[-1].source not in _LINE:
        return bool(last.unreadable)
    return not ends and (bool(last.unreadable) or not is_uuid(last.recordings[-1].id))
