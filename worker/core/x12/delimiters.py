"""One ISA segment: the delimiters of its interchange, found by counting separators, and its sixteen values.

The standard gives the ISA fixed widths, 106 bytes in all. The field does not: the vendor's own samples have 103, and
a sender may wrap lines inside it. So the separators are counted, and the widths are only compared.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from worker.core.x12.issues import Issue, issue

ISA_WIDTHS = (2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1)

ISA_START = re.compile(rb"I[\r\n]*S[\r\n]*A[\r\n]*(?=[^A-Za-z0-9 \r\n])", re.IGNORECASE)

ISA_WINDOW_BYTES = 512
"""Bytes that any ISA and its terminator fit into, line breaks included."""

_LONGEST_ELEMENT_BYTES = 40
"""An element of an ISA longer than this is data that happens to begin with the three letters."""

_NEXT_SEGMENT = re.compile(rb"\s*(?:G\s*S|T\s*A\s*1|I\s*E\s*A|I\s*S\s*A)\s*([^A-Za-z0-9\s])", re.IGNORECASE)


class Delimiters(NamedTuple):
    """The four characters, as text of one character each; ``repetition`` is empty where there is none."""

    element: str
    repetition: str
    component: str
    terminator: str

    @property
    def line_breaks(self) -> bytes:
        """The line break bytes that carry no meaning: those that are not themselves the terminator."""
        return b"\r\n".replace(self.terminator.encode("latin-1"), b"")


USUAL = Delimiters("*", "^", ":", "~")


@dataclass(frozen=True, slots=True)
class Isa:
    """An ISA as it stands: ``values`` are ISA01 to ISA16, trimmed; ``end`` is the index after its terminator."""

    delimiters: Delimiters
    values: tuple[str, ...]
    end: int
    issues: tuple[Issue, ...]


class NoIsa(Enum):
    """Why there is no :class:`Isa`."""

    CUT = "the bytes end inside it"
    OTHER = "it is not an ISA"
    REFUSED = "its delimiters cannot be delimiters"


def parse_isa(data: bytes | bytearray, at: int, within: Delimiters | None = None) -> Isa | NoIsa:
    """The ISA that begins at ``at``, where :data:`ISA_START` matched.

    ``CUT`` says that more bytes may make it one; with no more to come, the interchange is cut short. ``within`` are the
    delimiters of an interchange that is open: a segment of its data that is called ISA ends before 16 separators.
    """
    start = ISA_START.match(data, at)
    if start is None:
        return NoIsa.OTHER
    window = bytes(data[at : at + ISA_WINDOW_BYTES])
    separator = window[start.end() - at : start.end() - at + 1]
    parts = window.translate(None, b"\r\n").split(separator, 16)
    if any(len(part) > _LONGEST_ELEMENT_BYTES for part in parts[1:16]) or (len(parts) > 2 and len(parts[1]) > 4):
        return NoIsa.OTHER
    if (
        within is not None
        and separator == within.element.encode("latin-1")
        and any(within.terminator.encode("latin-1") in part for part in parts[1:16])
    ):
        return NoIsa.OTHER
    if len(parts) < 17:
        return NoIsa.CUT if len(window) < ISA_WINDOW_BYTES else NoIsa.OTHER
    version, usage = parts[12].strip(), parts[15].strip().upper()
    if not (version.isdigit() and version[:2] == b"00") and usage not in {b"T", b"P", b"I"}:
        return NoIsa.OTHER

    after = 0
    for _ in range(16):
        after = window.find(separator, after) + 1
    while window[after : after + 1] in (b"\r", b"\n"):
        after += 1
    component = window[after : after + 1]
    found = _terminator(window, after + 1, separator)
    if isinstance(found, NoIsa):
        return found
    terminator, end, padded = found
    delimiters, notes = _checked(separator, parts[11], component, terminator, version)
    if delimiters is None:
        return NoIsa.REFUSED
    widths = tuple(len(part) for part in parts[1:16])
    if padded or widths != ISA_WIDTHS[:15]:
        notes.append(issue("isa_width", "ISA"))
    values = (*(part.decode("latin-1").strip() for part in parts[1:16]), component.decode("latin-1"))
    return Isa(delimiters, values, at + end, tuple(notes))


def _terminator(window: bytes, at: int, separator: bytes) -> tuple[bytes, int, bool] | NoIsa:
    """The terminator, the index after it, and whether blanks stand before it."""
    first = at
    while window[at : at + 1] == b" ":
        at += 1
    byte = window[at : at + 1]
    if byte in (b"\r", b"\n"):
        # Either the line break ends the segment, or the line was wrapped just before the real terminator. What comes
        # after decides: a segment's name follows a terminator.
        past = at
        while window[past : past + 1] in (b"\r", b"\n"):
            past += 1
        candidate = window[past : past + 1]
        if not candidate:
            return NoIsa.CUT
        if not candidate.isalnum():
            # Where a line break follows every character, a segment's name may be spread over 16 bytes.
            if len(window) < min(past + 16, ISA_WINDOW_BYTES):
                return NoIsa.CUT
            follows = _NEXT_SEGMENT.match(window, past + 1)
            if follows and follows[1] == separator:
                at, byte = past, candidate
    if not byte:
        return NoIsa.CUT
    return byte, at + 1, at > first and byte not in b"\r\n" and b" " in window[first:at]


def _checked(
    separator: bytes, repetition: bytes, component: bytes, terminator: bytes, version: bytes
) -> tuple[Delimiters | None, list[Issue]]:
    """The delimiters, or ``None`` where they cannot be told from data or from each other."""
    notes: list[Issue] = []
    if len({separator, component, terminator}) < 3 or any(_is_data(byte) for byte in (component, terminator)):
        return None, notes
    repeats = repetition.strip()
    if repeats.upper() == b"U" and version < b"00402":
        repeats = b""  # Before 004020 ISA11 named the standard, and nothing was repeated.
    elif len(repeats) != 1 or _is_data(repeats) or repeats == terminator:
        notes.append(issue("repetition_separator", "ISA"))
        repeats = b""
    elif repeats == component:
        notes.append(issue("component_is_repetition", "ISA"))
    return Delimiters(*(one.decode("latin-1") for one in (separator, repeats, component, terminator))), notes


def _is_data(byte: bytes) -> bool:
    # Latin-1's letters too: one of them is the first byte of what UTF-8 makes of a delimiter beyond ASCII.
    return byte.decode("latin-1").isalnum() or byte in (b" ", b"\t", b"")
