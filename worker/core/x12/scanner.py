"""A binary file to its envelope segments (ISA, GS, ST, SE, GE, IEA, TA1), in flat memory.

Only the envelope is looked for, with one regular expression made for the delimiters of the interchange at hand; what
stands between two envelope segments is handed out as bytes and split later, once. The file may be wrapped at any
column, indented, padded or joined from several, and a segment may lie on the border of two pieces.
"""

import codecs
import re
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from worker.core.x12.delimiters import ISA_START, ISA_WINDOW_BYTES, Delimiters, Isa, NoIsa, parse_isa
from worker.core.x12.envelope import BLANKS
from worker.core.x12.envelope_patterns import NEXT_ISA, between_interchanges, untidy_within, within_interchange

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_OVERLAP_BYTES = 32
"""Bytes of a piece kept back while an ISA is sought, because one may begin in them."""
_TRAILER_BYTES = 64
"""An IEA fits into this; more without a terminator is something that follows it."""
UTF16_ISA = (
    (b"I\x00S\x00A\x00", "utf-16-le"),
    (b"\x00I\x00S\x00A", "utf-16-be"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_ISA_IN_ZEROS = re.compile(rb"I(?:SA?)?\x00", re.IGNORECASE)
_MOST_FALSE_STARTS = 10_000


class ByteSource(Protocol):
    """What is read: a file opened in binary mode, or anything else with its ``read``."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes. A file is read in pieces; beyond the other three the reader lets go of what it holds and says so.

    A set stands in memory six times while it is read. The guide foresees 99 patients in one, each of whom has room for
    six hundred benefits here.
    """

    piece: int = 256 * 1024
    segment: int = 1024 * 1024
    transaction_set: int = 6 * 1024 * 1024
    leading_junk: int = 1024 * 1024


class Segment(NamedTuple):
    """One envelope segment; ``start`` and ``end`` are offsets in the file, ``end`` that after the terminator."""

    name: str
    elements: list[str]
    start: int
    end: int
    lower_case: bool
    terminated: bool
    isa: Isa | None = None


class Scanner:
    """Hands out envelope segments one by one. The caller says with ``keep`` from which offset on it wants the bytes."""

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        self.keep: int | None = None
        self.lost = False
        """The bytes from ``keep`` on grew over a limit and were let go; for the caller to reset."""
        self.too_long: int | None = None
        """Offset of a segment over the limit, which was passed over; for the caller to reset."""
        self.junk = False
        """Something other than blanks was passed over outside of an interchange; for the caller to reset."""
        self.endless: int | None = None
        """Offset of a segment over the limit that the file ended in."""
        self.partial_isa = False
        """The file ended inside an ISA."""
        self.refused = False
        """There is an ISA whose delimiters cannot be delimiters."""
        self.astray = False
        """Thousands of segments look like an ISA and are none: to go on would take for ever."""
        self.hole: int | None = None
        """Offset of the first zero byte that stands where something is missing: before or in an interchange, or before
        what remains of one."""
        self.utf16 = False
        self.size = 0
        self._source = source
        self._limits = limits
        self._buffer = bytearray()
        self._base = 0
        self._at = 0
        self._pattern = self._untidy = NEXT_ISA
        self._delimiters: Delimiters | None = None
        self._element = ""
        self._terminator = b""
        self._breaks = b""
        self._opening = self._closing = b""
        self._open = False
        self._done = False
        self._false_starts = 0
        self._zero: int | None = None  # offset of the first zero byte since the last ISA or IEA
        self._decoder: codecs.IncrementalDecoder | None = None

    def slice(self, start: int, end: int | None) -> bytes:
        """The bytes between two offsets, the first of them not before ``keep``; ``None`` is the end of the file."""
        return bytes(self._buffer[start - self._base : None if end is None else end - self._base])

    @property
    def position(self) -> int:
        """The offset up to which the file was read."""
        return self._base + len(self._buffer)

    def next(self) -> Segment | None:
        """The next envelope segment, or ``None`` at the end of what can be read."""
        while not self._done:
            match = self._pattern.search(self._buffer, self._at)
            if match is None:
                if self._open:
                    self._pass_segments()
                else:
                    self._pass_junk()
                continue
            if match.lastindex == 1:
                segment = self._isa(match.start(1), match.end())
            else:
                if self._open:
                    self._at = match.start()
                start = match.start(2)
                look = self._trailer if match[2][:1] in b"Ii" else self._plain
                segment = look(start, match.end())
            if segment is not None:
                return segment
        return None

    def whole(self, start: int) -> tuple[bytes, bool] | None:
        """The set that begins at the offset ``start``, where the search goes on, and lies whole in the buffer.

        Nearly every set does, and takes one search instead of two. With it comes whether it is tidy, as
        :class:`~worker.core.x12.envelope.TransactionSet` has it: the same search tells. ``None`` says no more than
        that :meth:`next` is to be asked: a piece ends within the set, or there is something about its envelope to
        look at.
        """
        buffer, begin = self._buffer, self._at + 1
        if not self._open or self._base + begin != start or not buffer.startswith(self._opening, begin):
            return None
        match = self._untidy.search(buffer, begin)
        tidy = match is not None and match[0] == self._closing
        if match is not None and not tidy:
            match = self._pattern.search(buffer, match.start())
        if match is None or match[0] != self._closing:
            return None
        end = buffer.find(self._terminator, match.end())
        if end < 0:
            return None
        self._at = end
        return bytes(buffer[begin : end + 1]), tidy

    def refuse(self) -> None:
        """The delimiters turn out to be none: read no further."""
        self.refused = self._done = True

    # -- one kind of segment each; None means "look again" ----------------------------------------------------------

    def _plain(self, start: int, name_end: int) -> Segment | None:
        end = self._buffer.find(self._terminator, name_end)
        if end >= 0:
            return self._segment(start, end, end + 1)
        if len(self._buffer) - start > self._limits.segment:
            self._pass_long_segment()
        else:
            self._read()
        return None

    def _segment(self, start: int, end: int, after: int) -> Segment:
        """The segment ``buffer[start:end]``; the search goes on at its terminator, or behind it where it has none."""
        if not self._open:
            self._note_junk(self._at, start)
            self._pass_zeros(start, hole=True)  # the rest of an interchange
        raw = self._buffer[start:end].translate(None, self._breaks)
        elements = raw.decode("latin-1").split(self._element)
        self._at = end
        name = elements[0]
        upper = name.rstrip().upper()
        return Segment(upper, elements, self._base + start, self._base + after, upper != name, after > end)

    def _trailer(self, start: int, name_end: int) -> Segment | None:
        """An IEA may lack its terminator: at the end of the file, or where files were put one behind the other."""
        window = bytes(self._buffer[name_end : name_end + _TRAILER_BYTES])
        end = window.find(self._terminator)
        another = ISA_START.search(window, 0, end if end >= 0 else len(window))
        if end < 0 and another is None and len(window) < _TRAILER_BYTES and self._read(final=False):
            return None
        if another is None and end >= 0:
            stop, after = name_end + end, name_end + end + 1
        else:
            text = re.split(rb"[\x00\x1a]", window[: another.start()] if another else window, maxsplit=1)[0]
            stop = after = name_end + len(text.rstrip(BLANKS))
        segment = self._segment(start, stop, after)
        self._pass_zeros(after, hole=True)
        self._open = False
        self._pattern = between_interchanges(self._delimiters) if self._delimiters else NEXT_ISA
        return segment

    def _isa(self, start: int, name_end: int) -> Segment | None:
        isa = parse_isa(self._buffer, start, self._delimiters if self._open else None)
        if isinstance(isa, Isa):
            if not self._open:
                self._note_junk(self._at, start)
            self._pass_zeros(start, hole=self._open or self._delimiters is None)
            self._delimiters = isa.delimiters
            self._element = isa.delimiters.element
            self._terminator = isa.delimiters.terminator.encode("latin-1")
            self._breaks = isa.delimiters.line_breaks
            self._opening = f"ST{self._element}".encode("latin-1")
            self._closing = self._terminator + b"SE"
            self._pattern, self._untidy = within_interchange(isa.delimiters), untidy_within(isa.delimiters)
            self._open = True
            self._at = isa.end - 1
            lower = self._buffer[start : start + 1].islower()
            return Segment("ISA", list(isa.values), self._base + start, self._base + isa.end, lower, True, isa)
        if isa is NoIsa.CUT:
            self.partial_isa = not self._read()
        else:
            if not self._open:
                self._note_junk(self._at, name_end)
                if self._buffer.find(0, start, start + ISA_WINDOW_BYTES) >= 0:
                    self._pass_zeros(start + ISA_WINDOW_BYTES, hole=True)  # it was an ISA
            if isa is NoIsa.REFUSED:
                self.refuse()
                return None
            self._at = name_end
            self._false_starts += 1
            self.astray = self._done = self._false_starts > _MOST_FALSE_STARTS
        return None

    # -- where nothing of the envelope is in sight ------------------------------------------------------------------

    def _pass_segments(self) -> None:
        last = self._buffer.rfind(self._terminator, self._at)
        self._at = max(self._at, last)
        if len(self._buffer) - self._at > self._limits.segment:
            self._pass_long_segment()
        else:
            self._read()

    def _pass_long_segment(self) -> None:
        """Let go of a segment over the limit, piece by piece, until its terminator comes."""
        self.too_long = self._base + self._at
        self.keep, self.lost = None, True
        begin = self._at + 1
        while (end := self._buffer.find(self._terminator, begin)) < 0:
            self._at = len(self._buffer)
            if not self._read():
                self.endless = self.too_long
                return
            begin = self._at
        self._at = end

    def _pass_junk(self) -> None:
        upto = max(self._at, len(self._buffer) - _OVERLAP_BYTES)
        self._note_junk(self._at, upto)
        self._at = upto
        if not self._delimiters and self._base + self._at > self._limits.leading_junk:
            self._done = True
        elif not self._read():
            tail = bytes(self._buffer[self._at :])
            self._note_junk(self._at, len(self._buffer))
            word = tail.strip(BLANKS + self._terminator + BYTE_ORDER_MARK).upper()
            self.partial_isa = word in (b"I", b"IS", b"ISA")

    def _note_junk(self, start: int, end: int) -> None:
        blanks = BLANKS + self._terminator + BYTE_ORDER_MARK
        text = self._buffer[start:end].rstrip(blanks)
        if said := text.lstrip(blanks):
            # Zeros pad what they follow; but before junk, or behind the first letters of an ISA, they are a hole.
            last = start + len(text)
            begun = None if self.junk else _ISA_IN_ZEROS.match(self._buffer, last - len(said))
            self.junk = True
            self._pass_zeros(begun.end() if begun else last, hole=True)

    def _pass_zeros(self, end: int, *, hole: bool) -> None:
        """What zero bytes stand before an index are a ``hole``, or padding. The next ones are those behind it."""
        if self._zero is None or self._zero >= self._base + end:
            return
        if hole and self.hole is None:
            self.hole = self._zero
        at = self._buffer.find(0, end)
        self._zero = self._base + at if at >= 0 else None

    # -- the source -------------------------------------------------------------------------------------------------

    def _read(self, *, final: bool = True) -> bool:
        """Read the next piece and let go of what is needed no more; ``False`` at the end of the file."""
        raw = self._source.read(self._limits.piece)
        if not raw:
            self._done = self._done or final
            if final and (self._open or self.partial_isa):
                self._pass_zeros(len(self._buffer), hole=True)
            return False
        if not self.size:
            raw = self._sniff(raw)
        self.size += len(raw)
        piece = raw if self._decoder is None else self._decoder.decode(raw).encode()
        if self.keep is not None and self._base + self._at - self.keep > self._limits.transaction_set:
            self.keep, self.lost = None, True
        unwanted = self._at if self.keep is None else min(self._at, self.keep - self._base)
        del self._buffer[:unwanted]
        self._base += unwanted
        self._at -= unwanted
        if self._zero is None and (at := piece.find(0)) >= 0:
            self._zero = self._base + len(self._buffer) + at
        self._buffer += piece
        return True

    def _sniff(self, raw: bytes) -> bytes:
        """The first piece, made long enough to tell UTF-16 by."""
        while len(raw) < len(UTF16_ISA[0][0]) and (more := self._source.read(self._limits.piece)):
            raw += more
        for start, encoding in UTF16_ISA:
            if raw[: len(start)] == start:
                self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
                self.utf16 = True
                break
        return raw
