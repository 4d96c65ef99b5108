"""What the stream of a file says: the envelopes, the transaction sets in them, and how the file ended."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from worker.core.x12.delimiters import Delimiters
from worker.core.x12.issues import Issue
from worker.core.x12.value import Whole

BLANKS = b" \t\r\n\x00\x1a\x0b\x0c"
"""Bytes that may pad a file, precede a segment or follow the last one, and say nothing."""


@dataclass(frozen=True, slots=True)
class Interchange:
    """One ISA: its place in the file, counted from 1, and what the reader or a person needs of it."""

    number: int
    delimiters: Delimiters
    sender: str
    """ISA06, trimmed."""
    receiver: str
    """ISA08, trimmed."""
    control: str
    """ISA13."""
    date: str
    """ISA09 and ISA10 as they stand, ``YYMMDDHHMM``."""
    version: str
    """ISA12."""
    test: bool
    """ISA15 is ``T``."""


@dataclass(frozen=True, slots=True)
class Group:
    """One GS."""

    code: str
    """GS01: ``HB`` for a 271, ``FA`` for a 999."""
    sender: str
    receiver: str
    date: str
    """GS04, ``CCYYMMDD``."""
    control: str
    """GS06."""
    version: str
    """GS08."""


class TransactionSet(Whole, frozen=True):
    """One ST…SE as it stands in the file.

    ``raw`` are the exact bytes from the first letter of ST to the terminator of SE, both included: the ``length`` bytes
    at ``offset`` of the file. It is empty only where an issue says that the set was too large to hold.
    """

    code: str
    """ST01: ``271``, ``999``, …; empty where the ST is missing."""
    control: str
    """ST02."""
    version: str
    """ST03, else GS08."""
    interchange: Interchange
    group: Group | None
    offset: int
    length: int
    segments: int
    """Segments counted, ST and SE included; 0 where the set did not end."""
    raw: bytes
    issues: tuple[Issue, ...]
    tidy: bool = False
    """Whether every segment is known to begin right behind a terminator, with a capital letter."""

    @property
    def sha256(self) -> str:
        """The set's identity: SHA-256, in hexadecimal, of ST…SE without the line breaks that carry no meaning.

        The terminator of SE is included. A file that comes a second time with other line ends, or a batch that is
        wrapped where the polled result was not, therefore holds the same sets. Control numbers are no part of identity
        beyond standing in ST and SE.
        """
        raw = self.raw
        if b"\n" in raw or b"\r" in raw:
            raw = raw.translate(None, self.interchange.delimiters.line_breaks)
        return hashlib.sha256(raw).hexdigest()


@dataclass(frozen=True, slots=True)
class FileEnd:
    """The last word on a file.

    * ``complete``: every interchange was closed. Its sets are to be stored, each by its own issues.
    * ``incomplete``: the file is cut short (or still growing). Nothing of it is to be stored.
    * ``unreadable``: it is no X12, or cannot be read to its end. It is to be quarantined whole.
    """

    state: Literal["complete", "incomplete", "unreadable"]
    reason: str
    """One sentence; empty where the file is complete."""
    interchanges: int
    groups: int
    sets: int
    """Every ST, also those of broken sets and of sets that are no 271."""
    ta1_count: int
    """TA1 segments, which stand in an interchange without any group."""
    ta1_codes: tuple[str, ...]
    """What the first hundred of them say in TA104: ``A``, ``E`` or ``R``."""
    size: int
    """Bytes read."""
    issues: tuple[Issue, ...]
    """What concerns the file, an interchange or a group; at most 100, the rest are counted in ``more_issues``."""
    more_issues: int
