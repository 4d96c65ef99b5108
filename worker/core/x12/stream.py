"""A binary file to its transaction sets, with counts and control numbers checked; and a last word on the file."""

from collections.abc import Iterator
from typing import NamedTuple

from worker.core.x12.control_numbers import ControlNumbers, count_segments, element_at, number_at, same_number
from worker.core.x12.envelope import BLANKS, FileEnd, Group, Interchange, TransactionSet
from worker.core.x12.envelope_patterns import is_tidy
from worker.core.x12.file_end import file_end_state
from worker.core.x12.file_issues import FileIssues
from worker.core.x12.issues import Issue, issue
from worker.core.x12.outside import held_part
from worker.core.x12.scanner import ByteSource, Limits, Scanner, Segment

_MOST_TA1_CODES = 100
_PADDING = ["", "", "", ""]


class _OpenSet(NamedTuple):
    """A set that has begun; its issues so far."""

    code: str
    control: str
    version: str
    offset: int
    issues: list[Issue]


def transaction_sets(source: ByteSource, limits: Limits = Limits()) -> Iterator[TransactionSet | FileEnd]:  # noqa: B008
    """Every transaction set of a file in order, of any kind, then one :class:`FileEnd`.

    Broken sets come too, with an issue that holds them. What the file's end says decides whether anything may be
    stored, so sets are to be staged until then. Memory does not grow with the file.
    """
    return _EnvelopeReader(source, limits).read()


class _EnvelopeReader:
    """The open interchange, group and set, and what was counted in them."""

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        self.scanner = Scanner(source, limits)
        self.scanner.keep = 0
        self.interchange: Interchange | None = None
        self.group: Group | None = None
        self.set: _OpenSet | None = None
        self.closed = True
        self.awaited = "IEA"
        self.mark = 0
        self.terminator = self.breaks = b""
        self.element = ""
        self.numbers = ControlNumbers()
        self.interchanges = self.groups = self.sets = self.ta1_count = 0
        self.groups_here = self.sets_here = 0
        self.group_has_271 = False
        self.lower_case = False
        self.ta1_codes: list[str] = []
        self.found = FileIssues()
        self.note = self.found.note

    def read(self) -> Iterator[TransactionSet | FileEnd]:
        scanner = self.scanner
        while True:
            while self.group is not None and self.set is None and not scanner.lost:
                found = scanner.whole(self.mark)
                if found is None:
                    break
                yield self.whole_set(*found)
            segment = scanner.next()
            if segment is None:
                break
            name = segment.name
            if segment.lower_case and not self.lower_case:
                self.lower_case = True
                self.note("lower_case", name)
            if name == "SE":
                yield self.close_set(segment)
            else:
                yield from self.before(segment)
                if name == "ST":
                    self.set = self.open_set(segment.elements, segment.start)
                    self.mark = segment.start
                else:
                    self.envelope(segment)
            if name != "ST":
                self.mark = segment.end
            scanner.keep = self.mark
        if self.set is not None:
            self.awaited = "SE"
            yield self.broken_set("set_cut", None)
        elif self.group is not None:
            self.awaited = "GE"
        elif self.closed and self.interchanges:
            yield from self.outside(None)
        yield self.end()

    # -- sets -------------------------------------------------------------------------------------------------------

    def whole_set(self, raw: bytes, tidy: bool) -> TransactionSet:
        """A set from its ST, which stands right behind the segment before, to the terminator of its SE."""
        begun = self.open_set(self.elements(raw[: raw.find(self.terminator)]), self.mark)
        self.mark += len(raw)
        self.scanner.keep = self.mark
        count = raw.count(self.terminator)
        trailer = self.elements(raw[raw.rfind(self.terminator, 0, -1) + 1 : -1])
        if trailer[1:] != [str(count), begun.control]:
            count = self.check_trailer(trailer, begun, raw)
        return self.finished(begun, len(raw), count, raw, tidy)

    def elements(self, segment: bytes) -> list[str]:
        return segment.translate(None, self.breaks).decode("latin-1").split(self.element)

    def open_set(self, elements: list[str], start: int) -> _OpenSet:
        """The set of an ST."""
        _, code, control, version, *_ = elements + _PADDING
        control = control.strip()
        group = self.group
        issues: list[Issue] = []
        if self.closed:
            issues.append(issue("outside_interchange", "ST"))
        elif group is None:
            issues.append(issue("st_outside_group", "ST"))
        self.sets += 1
        self.sets_here += 1
        if not self.numbers.take(control):
            issues.append(issue("control_number_reused", "ST"))
        if not self.group_has_271 and code == "271":
            self.group_has_271 = True
            if group is not None and group.code.upper() != "HB":
                self.note("gs_code", "GS", f"group {self.groups}")
        version = version.strip() or (group.version if group else "")
        return _OpenSet(code.strip(), control, version, start, issues)

    def close_set(self, segment: Segment) -> TransactionSet:
        begun = self.set
        if begun is None:
            return self.headless_set(segment)
        raw, count, tidy = b"", 0, False
        if self.scanner.lost:
            begun.issues.append(self.loss("SE"))
        else:
            raw = self.scanner.slice(begun.offset, segment.end)
            count = raw.count(self.terminator)
            tidy = is_tidy(raw, self.terminator)
        if segment.elements[1:] != [str(count), begun.control]:
            count = self.check_trailer(segment.elements, begun, raw)
        return self.finished(begun, segment.end - begun.offset, count, raw, tidy)

    def check_trailer(self, elements: list[str], begun: _OpenSet, raw: bytes) -> int:
        """Compare an SE that is not what the quick look expects; the number of segments."""
        count = count_segments(raw, self.terminator)
        if raw and count != number_at(elements, 1):
            begun.issues.append(issue("se_count", "SE"))
        control = element_at(elements, 2)
        if control != begun.control and not same_number(control, begun.control):
            begun.issues.append(issue("se_control", "SE"))
        return count

    def broken_set(self, code: str, end: int | None) -> TransactionSet:
        """The open set, which ends without its SE just before ``end``, or with the file."""
        begun = self.set
        assert begun is not None
        raw = b""
        if self.scanner.lost:
            begun.issues.append(self.loss("ST"))
        else:
            raw = self.scanner.slice(begun.offset, end)
        begun.issues.append(issue(code, "ST"))
        length = (self.scanner.position if end is None else end) - begun.offset
        return self.finished(begun, length, 0, raw)

    def headless_set(self, segment: Segment) -> TransactionSet:
        """What stands between the last envelope segment and an SE that has no ST."""
        raw, offset = b"", segment.start
        issues = [issue("st_missing", "SE")]
        if self.scanner.lost:
            issues.append(self.loss("SE"))
        else:
            raw = self.scanner.slice(self.mark, segment.end)
            offset = segment.end - len(raw := raw.lstrip(BLANKS))
        if self.closed:
            issues.append(issue("outside_interchange", "SE"))
        self.sets_here += 1
        version = self.group.version if self.group else ""
        headless = _OpenSet("", element_at(segment.elements, 2), version, offset, issues)
        return self.finished(headless, segment.end - offset, 0, raw)

    def finished(self, begun: _OpenSet, length: int, count: int, raw: bytes, tidy: bool = False) -> TransactionSet:
        assert self.interchange is not None
        self.set = None
        code, control, version, offset, issues = begun
        return TransactionSet(
            code, control, version, self.interchange, self.group, offset, length, count, raw, tuple(issues), tidy
        )

    def loss(self, name: str) -> Issue:
        """Why the bytes of a set were let go."""
        code = "set_too_large" if self.scanner.too_long is None else "segment_too_long"
        self.scanner.lost, self.scanner.too_long = False, None
        return issue(code, name)

    # -- envelopes --------------------------------------------------------------------------------------------------

    def envelope(self, segment: Segment) -> None:
        name = segment.name
        if name == "ISA":
            self.open_interchange(segment)
        elif name == "GS":
            self.open_group(segment)
        elif name == "GE":
            self.close_group(segment)
        elif name == "IEA":
            self.close_interchange(segment)
        else:
            self.ta1_count += 1
            if len(self.ta1_codes) < _MOST_TA1_CODES:
                self.ta1_codes.append(element_at(segment.elements, 4))

    def open_interchange(self, segment: Segment) -> None:
        if not self.closed:
            self.missing_ge()
            self.note("iea_missing", "ISA", f"interchange {self.interchanges}")
        isa = segment.isa
        assert isa is not None
        self.interchanges += 1
        where = f"interchange {self.interchanges}"
        values = isa.values
        self.interchange = Interchange(
            self.interchanges,
            isa.delimiters,
            sender=values[5],
            receiver=values[7],
            control=values[12],
            date=values[8] + values[9],
            version=values[11],
            test=values[14].upper() == "T",
        )
        self.terminator = isa.delimiters.terminator.encode("latin-1")
        self.breaks, self.element = isa.delimiters.line_breaks, isa.delimiters.element
        self.closed = False
        self.group = None
        self.groups_here = self.sets_here = 0
        self.group_has_271 = False
        for found in isa.issues:
            self.note(found.code, "ISA", where)
        if values[13] == "1":
            self.note("ta1_requested", "ISA", where)
        if self.interchange.test:
            self.note("test_interchange", "ISA", where)
        self.begin_numbers()

    def open_group(self, segment: Segment) -> None:
        self.missing_ge()
        elements = segment.elements
        assert self.interchange is not None
        if elements[-1].endswith(self.interchange.delimiters.component):
            # ISA16 is missing: what stands in its place ends the segments, before the line break that seemed to.
            self.scanner.refuse()
            return
        self.group = Group(*(element_at(elements, n) for n in (1, 2, 3, 4, 6, 8)))
        self.groups += 1
        self.groups_here += 1
        self.sets_here = 0
        self.group_has_271 = False
        self.begin_numbers()

    def close_group(self, segment: Segment) -> None:
        where = f"group {self.groups}"
        if self.group is None:
            self.note("ge_without_gs", "GE", f"interchange {self.interchanges}")
            return
        self.found.group_closed(segment.elements, self.group, where, self.sets_here)
        self.group = None

    def close_interchange(self, segment: Segment) -> None:
        self.missing_ge()
        if self.closed or self.interchange is None:
            self.note("trailing_junk", "IEA", f"interchange {self.interchanges}")
            return
        control, expected = element_at(segment.elements, 2), self.interchange.control
        if not segment.terminated and control != expected and expected.startswith(control):
            return  # The file ends in the middle of the control number.
        self.found.interchange_closed(segment.elements, self.interchange, self.groups_here)
        self.closed = True

    def missing_ge(self) -> None:
        if self.group is not None:
            self.note("ge_missing", "GS", f"group {self.groups}")
            self.group = None

    def before(self, segment: Segment) -> Iterator[TransactionSet]:
        """What an envelope segment ends: a set without its SE, or what belongs to no set, which is noted."""
        scanner = self.scanner
        if self.set is not None:
            yield self.broken_set("se_missing", segment.start)
        elif self.closed:
            yield from self.outside(segment)
        elif scanner.lost:
            found = self.loss(segment.name)
            self.note("stray_segments", segment.name)
            self.note(found.code, segment.name)
        elif segment.start > self.mark and scanner.slice(self.mark, segment.start).strip(BLANKS + self.terminator):
            self.note("stray_segments", segment.name, f"interchange {self.interchanges}")
        scanner.junk = False

    def outside(self, segment: Segment | None) -> Iterator[TransactionSet]:
        """What stands outside of the interchanges before a segment, or at the end: noted, or held where it is X12."""
        scanner = self.scanner
        if scanner.junk:
            if held := held_part(scanner, self.mark, segment):
                yield held
            elif segment is not None:
                self.note("trailing_junk" if self.interchanges else "leading_junk", segment.name)
            scanner.junk = segment is None and held is None
        scanner.lost = False

    # -- the file ---------------------------------------------------------------------------------------------------

    def begin_numbers(self) -> None:
        assert self.interchange is not None
        control = self.group.control if self.group else ""
        self.numbers.begin((self.interchange.sender, self.interchange.control, control))

    def end(self) -> FileEnd:
        scanner = self.scanner
        open_at = "" if self.closed else self.awaited
        state, reason, *noted = file_end_state(scanner, self.interchanges, open_at, self.found.lost)
        if noted:
            self.note(*noted)
        if self.closed and scanner.junk and state == "complete":
            self.note("trailing_junk", "IEA")
        if scanner.utf16:
            self.note("utf16", "ISA")
        if self.numbers.full:
            self.note("control_numbers_unchecked", "ST")
        return FileEnd(
            state,
            reason,
            self.interchanges,
            self.groups,
            self.sets,
            self.ta1_count,
            tuple(self.ta1_codes),
            scanner.size,
            tuple(self.found.first),
            self.found.more,
        )
