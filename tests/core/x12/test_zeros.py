"""Zeros in a file: a hole where something is missing, which makes it incomplete, or padding."""

from dataclasses import dataclass

import pytest

from tests.support.x12_reading import read
from tests.support.x12_samples import a_file, a_set, group, interchange
from worker.core.x12.batch import Judged
from worker.core.x12.delimiters import Delimiters
from worker.core.x12.embedded import read_embedded
from worker.core.x12.envelope import FileEnd
from worker.core.x12.issues import holds
from worker.core.x12.scanner import Limits

ONE = a_file(a_set(control="0001"), a_set(control="0002")).encode()
TWO = a_file(control="000000002", marks=Delimiters("|", "!", ">", "'")).encode()
THREE = a_file(control="000000003").encode()
WHOLE = ONE + TWO + THREE
SHORT, LONG = 3, 700
"""Lengths of holes: less than an element of the ISA, and more than the ISA."""


def holed(data: bytes, start: int, size: int) -> bytes:
    size = min(size, len(data) - start)
    return data[:start] + bytes(size) + data[start + size :]


def at(segment: bytes, data: bytes = WHOLE) -> int:
    return data.index(segment)


@dataclass(frozen=True)
class Hole:
    where: str
    data: bytes
    first: int
    """Offset of the first zero that says so."""


HOLES = [
    Hole("in an element", holed(ONE, at(b"SILVER"), SHORT), at(b"SILVER")),
    Hole("over a terminator", holed(ONE, at(b"~DMG"), 1), at(b"~DMG")),
    Hole("before a segment", ONE.replace(b"~DMG", b"~\0DMG"), at(b"DMG")),
    Hole("between two sets", ONE.replace(b"~ST*271*0002", b"~\0\0ST*271*0002"), at(b"ST*271*0002")),
    Hole("over a whole set", holed(ONE, at(b"ST*271"), at(b"ST*271*0002") - at(b"ST*271")), at(b"ST*271")),
    Hole("before the GE", ONE.replace(b"GE*", b"\0GE*"), at(b"GE*")),
    Hole("over the GE", holed(ONE, at(b"GE*"), 7), at(b"GE*")),
    Hole("before the IEA", ONE.replace(b"IEA", b"\0\0IEA"), at(b"IEA")),
    Hole("in the IEA", holed(ONE, at(b"IEA") + 4, 1), at(b"IEA") + 4),
    Hole("in the IEA's number", holed(ONE, len(ONE) - 4, 2), len(ONE) - 4),
    Hole("up to the end", holed(ONE, 400, LONG * 9), 400),
    Hole("in a later interchange", holed(WHOLE, len(ONE) + 300, SHORT), len(ONE) + 300),
    Hole("over an IEA and the ISA behind it", holed(WHOLE, len(ONE) - 8, 40), len(ONE) - 8),
    Hole("in the first ISA", holed(WHOLE, 50, SHORT), 50),
    Hole("over separators of the first ISA", holed(WHOLE, 20, 60), 20),
    Hole("over the first separator", holed(WHOLE, 3, 1), 3),
    Hole("over the last delimiter of the first ISA", holed(WHOLE, 105, 1), 105),
    Hole("over ISA16", holed(WHOLE, 104, 1), 104),
    Hole("over the whole first ISA", holed(WHOLE, 0, 106), 0),
    Hole("over the first byte", holed(WHOLE, 0, 1), 0),
    Hole("from the first byte on, far into the first interchange", holed(WHOLE, 0, LONG), 0),
    Hole("from the second byte on", holed(WHOLE, 1, LONG), 1),
    Hole("from the fifth byte on", holed(WHOLE, 4, LONG), 4),
    Hole("over the whole first interchange", holed(WHOLE, 0, len(ONE)), 0),
    Hole("behind a byte order mark", b"\xef\xbb\xbf\0\0" + ONE, 3),
    Hole("in the second ISA", holed(WHOLE, len(ONE) + 20, 60), len(ONE) + 20),
    Hole("from the second ISA on into its sets", holed(WHOLE, len(ONE), 400), len(ONE)),
    Hole("from within the second ISA on", holed(WHOLE, len(ONE) + 30, LONG * 9), len(ONE) + 30),
    Hole("from the second letter of the second ISA on", holed(WHOLE, len(ONE) + 1, LONG * 9), len(ONE) + 1),
    Hole("from the second ISA on up to its IEA", holed(WHOLE, len(ONE), at(b"IEA|") - len(ONE)), len(ONE)),
    Hole("from the second ISA on up to a word of it", holed(WHOLE, len(ONE), at(b"|P|>") - len(ONE)), len(ONE)),
    Hole("before a set behind the IEA", ONE + b"\0" + b"ST*271*0009~SE*2*0009~", len(ONE)),
    Hole("where the IEA is missing before an ISA", ONE[: at(b"IEA")] + b"\0" + THREE, at(b"IEA")),
    Hole("in UTF-16", holed(WHOLE.decode().encode("utf-16-le"), 800, 40), 400),
    Hole("in UTF-16 with a mark", b"\xff\xfe" + holed(ONE.decode().encode("utf-16-le"), 600, 40), 300),
]


def shown(sets: list[Judged]) -> list[Judged]:
    return [one for one in sets if one.parsed is not None and not holds(one.issues)]


@pytest.mark.parametrize("one", HOLES, ids=lambda one: one.where)
def test_a_hole_makes_the_file_incomplete_and_is_told(one: Hole) -> None:
    sets, end = read(one.data)
    assert (end.state, f"from byte {one.first} on" in end.reason) == ("incomplete", True), end.reason
    assert "nul_bytes" in {issue.code for issue in end.issues}
    assert all(b"\0" not in judged.item.raw for judged in shown(sets) if not isinstance(judged.item, FileEnd))
    for piece in (1, 7, 64, 513):
        _, same = read(one.data, Limits(piece=piece))
        assert (same.state, same.reason) == (end.state, end.reason)


@pytest.mark.parametrize(
    "data",
    [
        ONE + bytes(5000),
        ONE + b"\r\n\x1a" + bytes(500) + b"\r\n",
        ONE[:-1] + bytes(500),
        ONE + bytes(100) + THREE,
        ONE[:-1] + bytes(600) + TWO + bytes(600) + THREE,
        ONE + b"\0\0" + b"\xef\xbb\xbf" + THREE,
        ONE + b"END OF REPORT" + bytes(500),
        ONE + b"END OF REPORT" + bytes(500) + THREE,
    ],
)
def test_what_stands_behind_an_iea_is_padding(data: bytes) -> None:
    for piece in (1, 64, 256 * 1024):
        sets, end = read(data, Limits(piece=piece))
        assert (end.state, {one.verdict for one in sets}) == ("complete", {"accept"}), end.reason
        assert "nul_bytes" not in {issue.code for issue in end.issues}


def test_every_hole_in_a_file_of_three_interchanges_is_told_but_those_that_are_padding() -> None:
    """A hole that takes whole interchanges, but for a terminator before or behind, cannot be told from padding."""
    ends = (len(ONE), len(ONE) + len(TWO), len(WHOLE))
    untold = 0
    for size in (1, 2, 9, 107, 400, len(TWO), len(TWO) + 1, len(TWO) + len(THREE), len(WHOLE)):
        for start in range(0, len(WHOLE) - size + 1, 1 if size > 400 else 7):
            sets, end = read(holed(WHOLE, start, size))
            before = next((one for one in ends if start in (one - 1, one)), 1)
            left = WHOLE[start + size : min(one for one in ends if one >= start + size)]
            padding = before > 1 and not left.strip(WHOLE[before - 1 : before])
            assert (end.state == "complete") == padding, (start, size, end.reason)
            assert all(b"\0" not in one.item.raw for one in shown(sets) if not isinstance(one.item, FileEnd))
            untold += padding
    assert untold < 20


@pytest.mark.parametrize("size", [1, 100, 70_000, 3_000_000])
def test_a_file_of_zeros_alone_is_incomplete(size: int) -> None:
    sets, end = read(bytes(size))
    assert (sets, end.state, "blanks or zeros" in end.reason) == ([], "incomplete", True)


def test_in_a_text_within_a_result_a_hole_is_an_issue() -> None:
    for text in (holed(ONE, at(b"SILVER"), SHORT), ONE.replace(b"GE*", b"\0GE*"), ONE.replace(b"~DMG", b"~\0DMG")):
        found = read_embedded(text.decode())
        assert found.kind == "271"
        assert len(found.answers) == 2
        assert "nul_bytes" in {one.code for one in found.issues}
    bare = interchange(group(a_set())).encode()
    bare = bare[bare.index(b"ST*") : bare.index(b"GE*")]
    assert "nul_bytes" in {one.code for one in read_embedded(holed(bare, bare.index(b"SILVER"), 2).decode()).issues}
    assert "nul_bytes" not in {one.code for one in read_embedded(ONE.decode() + "\0\0").issues}
