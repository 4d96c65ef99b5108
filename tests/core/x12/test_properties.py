"""Properties of the X12 reader: what is written is read, what is cut is never invented, and nothing makes it raise."""

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.x12_reading import read
from tests.support.x12_samples import ACTIVE, Segment, a_file, a_set, group, interchange, subscriber
from worker.core.x12.batch import Judged, read_batch
from worker.core.x12.delimiters import Delimiters
from worker.core.x12.embedded import read_embedded
from worker.core.x12.envelope import FileEnd, TransactionSet
from worker.core.x12.recognise import recognise
from worker.core.x12.scanner import Limits
from worker.core.x12.stream import transaction_sets

MARKS = st.lists(st.sampled_from("*|^>:~!{}'`\x1c\x1d\x1e\x1f\n\\%"), min_size=4, max_size=4, unique=True).filter(
    lambda found: "\n" not in found[:3]
)
WORDS = st.text(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .-"), min_size=1, max_size=30).map(str.strip)
BENEFITS = st.lists(
    st.tuples(
        st.just("EB"), st.sampled_from(["1", "6", "I", "R", "C"]), st.just("IND"), st.just("30^88"), WORDS, WORDS
    ),
    max_size=4,
)


def segments(tset: TransactionSet) -> list[list[str]]:
    marks = tset.interchange.delimiters
    lines = tset.raw.translate(None, marks.line_breaks).decode().split(marks.terminator)
    return [line.strip().split(marks.element) for line in lines if line.strip()]


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[list[Segment]]]:
    """A file of one or two interchanges, as text and as the sets that it holds."""
    text, written = "", []
    for number in range(draw(st.integers(1, 2))):
        marks = Delimiters(*draw(MARKS))
        groups = []
        for each in range(draw(st.integers(1, 2))):
            bodies = draw(st.lists(st.tuples(WORDS, BENEFITS), min_size=1, max_size=3))
            sets = [a_set(subscriber(*more, last=name), f"{at:04d}") for at, (name, more) in enumerate(bodies, 1)]
            written += [[tuple(v.replace("^", marks.repetition) for v in one) for one in each_set] for each_set in sets]
            groups.append(group(*sets, control=str(each)))
        after = draw(st.sampled_from(["", "\r\n", "\n", "\n\n"]))
        text += interchange(*groups, marks=marks, control=f"{number:09d}", after=after)
        if draw(st.booleans()) and "\n" not in marks:
            width = draw(st.integers(1, 120))
            text = "\n".join(text[at : at + width] for at in range(0, len(text), width)) if number == 0 else text
    return text + draw(st.sampled_from(["", "\n", "\x1a", "\0\0\0"])), written


@examples(80)
@given(files(), st.sampled_from([3, 50, 256 * 1024]), st.sampled_from(["", "\ufeff", "\n\n"]))
def test_what_is_written_is_read(made: tuple[str, list[list[Segment]]], piece: int, before: str) -> None:
    text, written = made
    *sets, end = transaction_sets(io.BytesIO((before + text).encode()), Limits(piece=piece))
    assert isinstance(end, FileEnd)
    assert (end.state, end.issues) == ("complete", ())
    read = [segments(tset) for tset in sets if isinstance(tset, TransactionSet)]
    assert read == [[list(segment) for segment in each] for each in written]
    assert all(isinstance(tset, TransactionSet) and not tset.issues for tset in sets)


SMALL = interchange(
    group(a_set(), a_set(control="0002"), control="1"),
    group(a_set(subscriber(("EB", "6", "", "30"))), control="2"),
) + a_file(control="000000002", marks=Delimiters("|", "!", ">", "\n"))


def accepted(sets: list[Judged]) -> list[bytes]:
    return [one.item.raw for one in sets if isinstance(one.item, TransactionSet) and one.verdict in ("accept", "warn")]


def test_a_file_cut_at_any_byte_is_incomplete_or_whole_and_invents_nothing() -> None:
    data = SMALL.encode()
    whole = accepted(read(data)[0])
    assert len(whole) == 4
    first_end = data.index(b"IEA*2*000000001") + len(b"IEA*2*000000001")
    last_end = len(data.rstrip(b"\n"))
    for length in range(len(data) + 1):
        sets, end = read(data[:length])
        complete = first_end <= length <= first_end + 1 or length >= last_end
        assert end.state == ("complete" if complete else "incomplete"), length
        found = accepted(sets)
        assert found == whole[: len(found)]
        for one in sets:
            for answer in one.parsed.answers() if one.parsed else ():
                assert answer.coverage in ("active", "inactive")


def test_a_missing_byte_leaves_the_neighbours_alone() -> None:
    """Whatever one byte is lost from the second set, the first and the third are read as they were."""
    sets = [a_set(control=f"{n:04d}") for n in (1, 2, 3)]
    data = a_file(*sets).encode()
    whole = accepted(read(data)[0])
    start, stop = data.index(b"ST*271*0002"), data.index(b"ST*271*0003")
    for at in range(start, stop - 1):
        found, end = read(data[:at] + data[at + 1 :])
        assert end.state == "complete"
        raws = [one.item.raw for one in found if isinstance(one.item, TransactionSet)]
        assert raws[0] == whole[0], at
        assert raws[-1] == whole[2], at


def consume(data: bytes, piece: int) -> None:
    sets, _ = read(data, Limits(piece=piece))
    for one in sets:
        assert isinstance(one.item, TransactionSet)
        assert one.item.offset >= 0
        assert one.item.length >= len(one.item.raw)
        if one.parsed is not None:
            for answer in one.parsed.answers():
                assert "answer_unreadable" not in [each.code for each in answer.issues]
            assert "set_unreadable" not in [each.code for each in one.issues]
    recognise(data)


@examples(200)
@given(st.data())
def test_changed_bytes_never_raise(data: st.DataObject) -> None:
    text = bytearray(SMALL.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at] = data.draw(st.one_of(st.sampled_from(b"*~:^|\n\r \x00ISA"), st.integers(0, 255)))
    consume(bytes(text), data.draw(st.sampled_from([13, 4096])))


@examples(200)
@given(
    st.lists(st.sampled_from([*SMALL.split("~"), "ISA*", "ISA", "~", "*", "\n", "HL*1", "EB*", "LS", "SE", "ST", ""]))
)
def test_shuffled_segments_never_raise(pieces: list[str]) -> None:
    text = "~".join([SMALL.split("~")[0], *pieces])
    consume(text.encode(), 4096)
    read_embedded(text)


@given(st.binary(max_size=300), st.integers(1, 64))
def test_bytes_of_any_kind_never_raise(data: bytes, piece: int) -> None:
    consume(data, piece)
    consume(SMALL.encode()[:106] + data, piece)


def test_messages_hold_no_values() -> None:
    """No word of the data is in any message, however broken the file is."""
    secret = "ZYXWV"
    odd = [("EB", "C", "", "30", "", "", "23", secret), ("DTP", secret, "D8", secret), (secret, secret), ("LS", secret)]
    text = a_file(
        a_set([*subscriber(*odd, last=secret, member=secret, level="22"), ("HL", secret, secret, secret)], secret)
    )
    for data in (text, text.replace("~SE", ""), text[: len(text) // 2], secret + text):
        sets, end = read(data.encode())
        issues = [*end.issues, *(one for each in sets for one in each.issues)]
        issues += [one for each in sets if each.parsed for answer in each.parsed.answers() for one in answer.issues]
        assert issues
        assert secret not in f"{issues}{end.reason}"


# -- size -------------------------------------------------------------------------------------------------------------


class EndlessSource:
    """A source of ``start``, then ``repeated`` over and over up to ``size`` bytes, that holds next to nothing."""

    def __init__(self, start: bytes, repeated: bytes, size: int) -> None:
        self.start, self.block, self.left = start, repeated * (1 + 65536 // len(repeated)), size

    def read(self, size: int, /) -> bytes:
        if self.start:
            piece, self.start = self.start[:size], self.start[size:]
            return piece
        piece = self.block[: min(size, self.left)]
        self.left -= len(piece)
        return piece


HEADER = a_file()[: a_file().index("ST*")]
TINY = Limits(piece=4096, segment=8192, transaction_set=20_000, leading_junk=8192)


def test_a_file_that_ends_in_an_endless_segment_is_cut_short() -> None:
    *broken, last = read_batch(EndlessSource(f"{HEADER}ST*271*0001~MSG*".encode(), b"A" * 100, 10**6), TINY)
    end = last.item
    assert isinstance(end, FileEnd)
    assert end.state == "incomplete"
    assert "longer than any real one" in end.reason
    assert {one.verdict for one in broken} == {"hold"}
    assert "segment_too_long" in [one.code for one in broken[0].issues]


def test_a_file_without_an_isa_is_given_up_early() -> None:
    source = EndlessSource(b"", b"WORDS AND WORDS ", 10**7)
    (last,) = read_batch(source, TINY)
    assert isinstance(last.item, FileEnd)
    assert last.item.state == "unreadable"
    assert last.item.size < 20_000


@pytest.mark.parametrize("start", ["", HEADER, a_file()], ids=["before", "within", "behind"])
def test_thousands_of_false_starts_are_given_up(start: str) -> None:
    *_, last = read_batch(EndlessSource(start.encode(), b"~ISA*", 10**7), TINY)
    assert isinstance(last.item, FileEnd)
    assert last.item.state == "unreadable"
    assert last.item.size < 10**6


def test_a_set_without_end_is_held_and_let_go() -> None:
    *sets, last = read_batch(EndlessSource(f"{HEADER}ST*271*0001~".encode(), b"MSG*A~", 10**6), TINY)
    assert isinstance(last.item, FileEnd)
    assert last.item.state == "incomplete"
    assert [one.verdict for one in sets] == ["hold"]
    assert "set_too_large" in [one.code for one in sets[0].issues]


def test_padding_without_end_is_passed_over() -> None:
    *sets, last = read_batch(EndlessSource(a_file().encode(), b"\0", 10**6), TINY)
    assert isinstance(last.item, FileEnd)
    assert (last.item.state, last.item.issues, len(sets)) == ("complete", (), 1)


def test_too_much_in_one_set_leaves_the_neighbours_alone() -> None:
    long = a_set(subscriber(("MSG", "A" * 13_000)), control="0002")
    large = a_set(subscriber(*[ACTIVE] * 2000), control="0003")
    text = a_file(a_set(), long, large, a_set(control="0004"))
    sets, end = read(text.encode(), TINY)
    assert [one.verdict for one in sets] == ["accept", "hold", "hold", "accept"]
    assert [one.code for each in sets for one in each.issues] == ["segment_too_long", "set_too_large"]
    assert (end.state, end.issues) == ("complete", ())
    spans = [(one.item.offset, one.item.length) for one in sets if isinstance(one.item, TransactionSet)]
    for (offset, length), (following, _) in pairwise(spans):
        assert offset + length == following


def test_what_a_scan_holds_does_not_grow_with_the_file() -> None:
    from worker.core.x12.scanner import Scanner

    body = "".join("*".join(segment) + "~" for segment in a_set())
    scanner = Scanner(EndlessSource(HEADER.encode(), body.encode(), 10**6), TINY)
    held = 0
    while (segment := scanner.next()) is not None:
        scanner.keep = segment.start if segment.name == "ST" else segment.end
        held = max(held, len(scanner._buffer))
    assert scanner.size > 10**6
    assert held < 3 * TINY.piece


def test_thousands_of_issues_are_counted_and_not_kept() -> None:
    text = interchange(*[group(a_set(), control=str(number), count="9") for number in range(300)])
    _, end = read(text.encode())
    assert (len(end.issues), end.more_issues) == (100, 200)


def test_control_numbers_beyond_the_limit_are_no_longer_compared() -> None:
    from worker.core.x12.control_numbers import ControlNumbers

    numbers = ControlNumbers()
    numbers.begin(("A", "1", "1"))
    assert all(numbers.take(f"X{n}") for n in range(30_000))
    assert numbers.full
    assert not numbers.take("X5")
    assert numbers.take("X29999")
    running = ControlNumbers()
    running.begin(("A", "1", "1"))
    assert all(running.take(f"{n:09d}") for n in range(30_000))
    assert not running.full
    assert not running.take("17")


def test_a_file_wrapped_after_every_character_reads_the_same_in_pieces_of_any_size() -> None:
    text = "\n".join(a_file(marks=Delimiters("*", "|", "^", ">"), after="\r\n\n"))
    for piece in (*range(1, 30), 256 * 1024):
        *sets, end = transaction_sets(io.BytesIO(text.encode()), Limits(piece=piece))
        assert isinstance(end, FileEnd)
        assert (end.state, len(sets)) == ("complete", 1), piece
