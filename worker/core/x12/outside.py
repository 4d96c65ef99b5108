"""What stands outside of every interchange: words and padding, or X12 whose ISA is damaged and cannot be read."""

import re

from worker.core.x12.delimiters import USUAL
from worker.core.x12.envelope import BLANKS, Interchange, TransactionSet
from worker.core.x12.issues import Issue, issue
from worker.core.x12.scanner import Scanner, Segment

_SEPARATOR = rb"([^A-Za-z0-9 \r\n_.,;:=/<>\\'\"()-])"  # not what stands between words of a text
_SET = re.compile(rb"(?<![A-Za-z0-9])ST" + _SEPARATOR + rb"[0-9]{3,4}\1", re.IGNORECASE)
_SEGMENT = re.compile(
    rb"(?<![A-Za-z0-9])(?:GS|ST|SE|BHT|HL|NM1|TRN|AAA|EB)" + _SEPARATOR + rb"[A-Z0-9]{1,9}\1", re.IGNORECASE
)
_BEGUN_ISA = re.compile(rb"(?<![A-Za-z0-9])ISA[ \t]{0,3}" + _SEPARATOR + rb"[^\r\n]{0,2}\1", re.IGNORECASE)

_NO_INTERCHANGE = Interchange(0, USUAL, "", "", "", "", "", False)


def held_part(scanner: Scanner, start: int, before: Segment | None) -> TransactionSet | None:
    """What stands from the offset ``start`` to the segment ``before`` (or to the end of the file), to be held as one
    set if it is X12; ``None`` for other junk."""
    end = scanner.position if before is None else before.start
    if scanner.lost:
        # More than can be held. No words around a batch are so many.
        return _held(start, end - start, b"", issue("isa_unreadable", "ISA"), issue("set_too_large", "ISA"))
    text = scanner.slice(start, end)
    # An ISA with nothing behind it counts too, but not where a set follows: each of those is held by itself.
    begun = (before is None or before.name == "ISA") and _BEGUN_ISA.search(text)
    if not (begun or _SEGMENT.search(text)):
        return None
    start += len(text) - len(text.lstrip(BLANKS))
    text = text.strip(BLANKS)
    sets = len(_SET.findall(text))
    return _held(
        start, len(text), text, issue("isa_unreadable", "ISA", f"sets that begin here: {sets}" if sets else "")
    )


def _held(start: int, length: int, text: bytes, *issues: Issue) -> TransactionSet:
    return TransactionSet("", "", "", _NO_INTERCHANGE, None, start, length, 0, text, issues)
