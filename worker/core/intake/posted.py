"""What an HTTP request hands in: JSON, JSON lines, or headers of a response that were forwarded as they came."""

import json
import re
from dataclasses import dataclass, field, replace

from worker.core.intake.intake import Intake, merge
from worker.core.intake.json_documents import array_items, text_of
from worker.core.intake.json_lines import from_jsonl_line
from worker.core.intake.link import unreadable, unreadable_parts
from worker.core.intake.pieces import Piece

_REQUEST = "the request"
_NO_TASK = "no Link and no Location came, and no body: no task is named"

# Several headers of one name come joined with a comma. None is in an id.
_NEXT_LOCATION = re.compile(r"[ \t]*,[ \t]*(?=/|https?://|coverage-discovery/)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class About:
    """What the headers of a request say of all that it hands in, where that itself says nothing else.

    ``ref_trouble``: what is wrong with the text that stood for a ref. Then no task gets one: a result must not go out
    under a wrong ref.
    """

    ref: str | None = field(default=None, repr=False)
    subtenant: str | None = None
    correlation_id: str | None = None
    ref_trouble: str = ""


class TooMuch(Exception):
    """More than ``most`` items in one request."""


def whole_of(pieces: list[Piece], most: int) -> Intake:
    """All of them as one. Raises :class:`TooMuch` where one of them names too many tasks."""
    found = merge(piece.intake for piece in pieces)
    if len(found.recordings) + len(found.lookups) + len(found.expected) + len(found.unreadable) > 2 * most:
        raise TooMuch
    return found


def from_json(body: bytes, about: About, most: int) -> list[Piece]:
    """One object, or an array of objects, with the keys of JSON lines. Raises :class:`TooMuch`."""
    if json.detect_encoding(body) != "utf-8":
        body = text_of(body).encode("utf-8", "backslashreplace")
    begun = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not begun:
        kept = body.decode("utf-8", "backslashreplace")
        return [Piece(Intake(unreadable=(unreadable(kept, "the body: not a text"),)))]
    if not begun.startswith(b"["):
        return [Piece(_line(body, "the body", about))]
    try:
        text = begun.decode()
    except ValueError:
        kept = begun.decode("utf-8", "backslashreplace")
        return [Piece(Intake(unreadable=unreadable_parts(kept, "the body: not UTF-8")))]
    items, rest = array_items(text)
    if len(items) > most:
        raise TooMuch
    pieces = [Piece(_line(item.encode(), f"item {n}", about), "item", n) for n, item in enumerate(items, 1)]
    if rest:
        reason = f"the body is cut off or damaged within its item {len(items) + 1}, or behind it"
        pieces.append(Piece(Intake(unreadable=unreadable_parts(rest, reason))))
    return pieces or [Piece(Intake(notes=("the list is empty",)))]


def from_lines(body: bytes, about: About, most: int) -> list[Piece]:
    """JSON lines. Raises :class:`TooMuch`."""
    lines = body.split(b"\n")
    if len(lines) > most + 1:
        raise TooMuch
    return [Piece(_line(line, f"line {n}", about), "line", n) for n, line in enumerate(lines, 1) if line.strip()]


def from_forwarded(headers: dict[str, str], about: About) -> Piece:
    """The headers of a response, by names in small letters; several of one name are joined with a comma."""
    link, location = headers.get("link", "").strip(), headers.get("location", "").strip()
    if not link and not location:
        return Piece(Intake(notes=(_NO_TASK,), without_task=1))
    record: dict[str, object] = {"correlation_id": about.correlation_id, "trace_id": headers.get("x-optum-trace-id")}
    if link:
        record["headers"] = {"link": link, "date": headers.get("date", "")}
    if location:
        record["location"] = _NEXT_LOCATION.split(location)
    return Piece(_line(json.dumps(record).encode(), _REQUEST, about))


def _line(line: bytes, place: str, about: About) -> Intake:
    intake = from_jsonl_line(line, place=place, ref=about.ref, correlation_id=about.correlation_id)
    if about.ref_trouble and None in [one.ref for one in intake.recordings] + [one.ref for one in intake.lookups]:
        reason = f"{place}: X-Cdpoll-Ref {about.ref_trouble}: the tasks are recorded without it"
        lost = unreadable(line.decode("utf-8", "backslashreplace"), reason)
        intake = replace(intake, unreadable=(*intake.unreadable, lost))
    return intake.of_subtenant(about.subtenant)
