"""The regular expressions that find envelope segments, one for each place and each set of delimiters."""

import re
from functools import lru_cache

from worker.core.x12.delimiters import ISA_START, Delimiters
from worker.core.x12.envelope import BLANKS

NEXT_ISA = re.compile(b"(" + ISA_START.pattern + b")", re.IGNORECASE)
"""Before the first interchange."""


def _class(characters: bytes) -> bytes:
    return b"[" + re.escape(characters) + b"]" if characters else b"(?!)"


def _names(delimiters: Delimiters) -> tuple[bytes, bytes]:
    """The expressions for an ISA's name, and for the others', each with its separator to follow; a wrapped line may
    break them anywhere."""
    element, terminator = delimiters.element.encode("latin-1"), delimiters.terminator.encode("latin-1")
    gap = _class(delimiters.line_breaks) + b"*"
    words = [gap.join(word) for word in ((b"S", b"[TE]"), (b"G", b"[SE]"), (b"I", b"E", b"A"), (b"T", b"A", b"1"))]
    others = b"(" + b"|".join(words) + b")(?=" + gap + _class(element + terminator) + b")"
    return b"(" + ISA_START.pattern + b")", others


def _lead(delimiters: Delimiters) -> bytes:
    """The terminator of the segment before, and blanks. The lookahead alone makes the search twice as fast."""
    blanks = BLANKS.translate(None, (delimiters.element + delimiters.terminator).encode("latin-1"))
    terminator = re.escape(delimiters.terminator.encode("latin-1"))
    return terminator + b"(?=" + _class(blanks + b"SGITsgit") + b")" + _class(blanks) + b"*"


@lru_cache(maxsize=64)
def within_interchange(delimiters: Delimiters) -> re.Pattern[bytes]:
    """Inside an interchange a segment's name stands behind a terminator only."""
    isa, others = _names(delimiters)
    return re.compile(_lead(delimiters) + b"(?:" + isa + b"|" + others + b")", re.IGNORECASE)


@lru_cache(maxsize=64)
def untidy_within(delimiters: Delimiters) -> re.Pattern[bytes]:
    """The same, and any segment that does not begin with a capital letter right behind its terminator."""
    isa, others = _names(delimiters)
    terminator = re.escape(delimiters.terminator.encode("latin-1"))
    # The lookahead passes over ordinary segments at once; beyond it few are left.
    return re.compile(
        terminator + b"(?-i:(?=[^A-FHJ-RU-Z]))(?:" + isa + b"|" + others + b"|(?-i:(?=[^A-Z])))", re.IGNORECASE
    )


@lru_cache(maxsize=64)
def between_interchanges(delimiters: Delimiters) -> re.Pattern[bytes]:
    """Behind an IEA the next ISA may follow anything: another byte order mark, or an IEA without a terminator."""
    isa, others = _names(delimiters)
    return re.compile(isa + b"|" + _lead(delimiters) + others, re.IGNORECASE)


def is_tidy(raw: bytes, terminator: bytes) -> bool:
    """Whether no segment of a set is indented, empty or named in lower case."""
    return not (raw[:1].islower() or re.search(re.escape(terminator) + b"[^A-Z]", raw))
