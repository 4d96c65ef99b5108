"""The forms that files take in the field, a line each: how the file ends, what becomes of its sets, what is said."""

from dataclasses import dataclass, replace

import pytest

from tests.support.x12_reading import read
from tests.support.x12_samples import ACTIVE, Segment, a_file, a_set, group, interchange, subscriber, wrapped
from worker.core.x12.batch import Judged
from worker.core.x12.delimiters import USUAL, Delimiters
from worker.core.x12.envelope import FileEnd, TransactionSet
from worker.core.x12.scanner import Limits


@dataclass(frozen=True)
class Form:
    name: str
    data: bytes
    verdicts: str = "a"
    """One letter a set: accept, warn, hold, other."""
    said: frozenset[str] = frozenset()
    """All codes, of the file and of its sets and answers."""
    state: str = "complete"


def form(name: str, text: str | bytes, verdicts: str = "a", said: str = "", state: str = "complete") -> Form:
    return Form(name, text if isinstance(text, bytes) else text.encode(), verdicts, frozenset(said.split()), state)


PLAIN = a_file()
TWO = a_file(a_set(control="0001"), a_set(control="0002"))
LAST = a_set(control="0002")
SECOND = a_file(control="000000002")
DAMAGED = PLAIN.replace("ISA*", "ISA *")
OTHER = a_file(control="000000002", marks=Delimiters("|", "!", ">", "'"))
OTHER_DAMAGED = OTHER.replace("ISA|", "ISA |")
BEHIND = "outside_interchange control_number_reused trailing_junk"
UNCLOSED = a_set(control="0002")[:-1]
HEADLESS = a_set(control="0002")[1:]
NO_HL: list[Segment] = [("BHT", "0022", "11", "INQ-1", "20260304", "0930")]
OLD = {12: "00401", 11: "U"}


def delimited(**changes: str) -> str:
    return a_file(marks=USUAL._replace(**changes))


def lower_names(text: str) -> str:
    """Every segment name in lower case, the data as it was."""
    return "~".join(
        segment.partition("*")[0].lower() + "".join(segment.partition("*")[1:]) for segment in text.split("~")
    )


TABS = delimited(element="\t")
OLD_VERSION = interchange(group(a_set(version=""), version="004010X092A1"), isa=OLD)
FORMS = [
    form("plain", PLAIN),
    form("two sets", TWO, "aa"),
    form("empty", b"", "", "", "incomplete"),
    form("only blanks", b" \r\n\x1a\x00", "", "", "incomplete"),
    # delimiters
    form("pipes", delimited(element="|")),
    form("tabs", TABS),
    form("repetition >", delimited(repetition=">")),
    form("repetition |", delimited(repetition="|")),
    form("repetition !", delimited(repetition="!")),
    form("repetition {", delimited(repetition="{")),
    form("component `", delimited(component="`")),
    form("terminator '", delimited(terminator="'")),
    form("terminator LF", delimited(terminator="\n")),
    form("terminator CR", delimited(terminator="\r")),
    form("terminator CR, then LF", a_file(marks=USUAL._replace(terminator="\r"), after="\n")),
    form("control characters", a_file(marks=Delimiters("\x1d", "\x1f", "\x1e", "\x1c"))),
    form("a delimiter beyond ASCII", a_file(marks=USUAL._replace(terminator="\xa7")).encode("latin-1")),
    form("ISA11 is ISA16", delimited(repetition=":"), "a", "component_is_repetition"),
    form("ISA11 is a letter", a_file(isa={11: "A"}), "a", "repetition_separator"),
    form("ISA11 is blank", a_file(isa={11: " "}), "a", "repetition_separator"),
    form("004010, repetition with a sign that no ISA names", a_file(isa=OLD), "a", "repetition_separator"),
    form("component is a letter", a_file(isa={16: "A"}), "", "", "unreadable"),
    form("no component, LF after each segment", a_file(after="\n").replace(":~", "~", 1), "", "", "unreadable"),
    form("no component, CRLF after each segment", a_file(after="\r\n").replace(":~", "~", 1), "", "", "unreadable"),
    form("no component", PLAIN.replace(":~", "~", 1), "", "", "unreadable"),
    form("a terminator of two bytes", PLAIN.replace("~", "\xa7"), "", "", "unreadable"),
    form("component is the separator", a_file(isa={16: "*"}), "", "", "unreadable"),
    form("terminator is a letter", PLAIN.replace("~", "Q"), "", "", "unreadable"),
    form("a blank before the terminator", PLAIN.replace(":~", ": ~", 1), "a", "isa_width"),
    form("ISA of 103 characters", a_file(isa={8: "CLINIC      "}), "a", "isa_width"),
    form("ISA unpadded", a_file(isa={2: "", 4: "", 6: "PLENTY", 8: "CLINIC"}), "a", "isa_width"),
    form("a password in the ISA", a_file(isa={3: "01", 4: "OpenSesame"})),
    # line ends, wrapping, blanks
    form("LF after each segment", a_file(after="\n")),
    form("CRLF after each segment", a_file(after="\r\n")),
    form("blank lines", a_file(after="\r\n\r\n")),
    form("blanks after each segment", a_file(after="  "), "w", ""),
    form("indented", a_file(after="\n    "), "w", ""),
    form("wrapped at 80", wrapped(PLAIN)),
    form("wrapped at 79 with LF", wrapped(PLAIN, 79, "\n")),
    form("wrapped at 7, within the ISA and every name", wrapped(PLAIN, 7)),
    form("wrapped at 1", wrapped(PLAIN, 1, "\n")),
    form("wrapped just before the first terminator", wrapped(PLAIN, 105)),
    form("wrapped just after the first terminator", wrapped(PLAIN, 106)),
    form("empty segments", a_file(after="~"), "w", ""),
    form("blanks before each terminator", PLAIN.replace("~", "  ~"), "a", "isa_width"),
    form("lines filled with blanks", "".join(line.ljust(80) + "\r\n" for line in PLAIN.split("~")), "a", ""),
    # before and after
    form("UTF-8 byte order mark", b"\xef\xbb\xbf" + PLAIN.encode()),
    form("UTF-16 with a mark", PLAIN.encode("utf-16"), "a", "utf16"),
    form("UTF-16 without a mark", PLAIN.encode("utf-16-be"), "a", "utf16"),
    form("blank lines before", "\r\n\n  " + PLAIN),
    form("a mail's header before", b"X-Trace: 271\r\n" * 2000 + PLAIN.encode(), "a", "leading_junk"),
    form("a word before", "Content-Type: application/EDI-X12\r\n\r\n" + PLAIN, "a", "leading_junk"),
    form("a word that ends in ISA before", "NARCISA*1\n" + PLAIN, "a", "leading_junk"),
    form("names before", "ISA_271_07: 3 sets; ISA - done; GS 1, ST (271)\n" + PLAIN, "a", "leading_junk"),
    # X12 outside of the interchanges: its ISA is damaged
    form("a blank in the first ISA", DAMAGED + SECOND, "ha", "isa_unreadable"),
    form("a blank in the first ISA, other delimiters", DAMAGED + OTHER, "ha", "isa_unreadable"),
    form("pipes and a blank in the first ISA", DAMAGED.replace("*", "|") + SECOND, "ha", "isa_unreadable"),
    form("the first ISA begins with l", PLAIN.replace("ISA*", "lSA*") + SECOND, "ha", "isa_unreadable"),
    form("the first ISA lacks a letter", PLAIN.replace("ISA*", "IS*") + SECOND, "ha", "isa_unreadable"),
    form("the first ISA lacks most of it", PLAIN[:20] + PLAIN[106:] + SECOND, "ha", "isa_unreadable"),
    form("the first ISA lacks all of it", PLAIN[106:] + SECOND, "ha", "isa_unreadable"),
    form("the first ISA is words, then tabs", "HELLO\n" + TABS[107:] + SECOND, "ha", "isa_unreadable"),
    form("the end of a set before", PLAIN[PLAIN.index("EB*") :] + SECOND, "ha", "isa_unreadable"),
    form("nothing but a damaged ISA before", DAMAGED[:107] + SECOND, "ha", "isa_unreadable"),
    form("a blank in the second ISA", SECOND + DAMAGED, "ah", BEHIND),
    form("a blank in the second ISA of three", PLAIN + OTHER_DAMAGED + SECOND, "aha", "isa_unreadable"),
    form("a blank in the last ISA, other delimiters", PLAIN + OTHER_DAMAGED, "ah", "isa_unreadable"),
    form("nothing but a damaged ISA behind", PLAIN + DAMAGED[:107], "ah", "isa_unreadable"),
    form("no ISA at all", "HELLO WORLD", "", "not_interchange", "unreadable"),
    form("newlines behind", PLAIN + "\r\n\n"),
    form("control Z and padding behind", PLAIN + "\x1a" + "\x00" * 500),
    form("words behind", PLAIN + "END OF REPORT", "a", "trailing_junk"),
    form("no last terminator", PLAIN[:-1]),
    form("no last terminator, then a newline and control Z", PLAIN[:-1] + "\r\n\x1a"),
    # several of a kind
    form("two interchanges", PLAIN + SECOND, "aa"),
    form("two interchanges, other delimiters", PLAIN + OTHER, "aa"),
    form("two interchanges, a blank line and a mark between", f"{PLAIN}\r\n\ufeff{SECOND}", "aa"),
    form("two interchanges, the first without its last terminator", PLAIN[:-1] + OTHER, "aa"),
    form("two groups", interchange(group(a_set()), group(a_set(), control="8")), "aa"),
    form("the same interchange twice", PLAIN + PLAIN, "aw", "control_number_reused"),
    form("a set number twice", a_file(a_set(), a_set()), "aw", "control_number_reused"),
    form("no groups", interchange(), ""),
    # control numbers and counts
    form("SE01 wrong", a_file(a_set(count="25")), "w", "se_count"),
    form("SE01 no number", a_file(a_set(count="MANY")), "w", "se_count"),
    form("SE01 with zeros", a_file(a_set(count="00012")), "a"),
    form("SE02 wrong", a_file(a_set(trailer="0009")), "h", "se_control"),
    form("SE02 without zeros", a_file(a_set(trailer="1"))),
    form("GE01 too large", interchange(group(a_set(), count="2")), "a", "ge_count", "incomplete"),
    form("GE01 too small", interchange(group(a_set(), LAST, count="1")), "aa", "ge_count"),
    form("GE01 no number", interchange(group(a_set(), count="ONE")), "a", "ge_count"),
    form("GE02 wrong", interchange(group(a_set(), trailer="9")), "a", "ge_control"),
    form("IEA01 too large", a_file(count="2"), "a", "iea_count", "incomplete"),
    form("IEA01 too small", a_file(count="0"), "a", "iea_count"),
    form("IEA01 with zeros", a_file(count="00001")),
    form("IEA02 wrong", a_file(trailer="000000009"), "a", "iea_control", "incomplete"),
    form("IEA02 without zeros", a_file(trailer="1")),
    form("a test", a_file(usage="T"), "a", "test_interchange"),
    form("a TA1 asked for", a_file(isa={14: "1"}), "a", "ta1_requested"),
    # broken sets among whole ones
    form("no SE before an ST", a_file(a_set(), UNCLOSED, a_set(control="0003")), "aha", "se_missing"),
    form("no SE before the GE", a_file(a_set(), UNCLOSED), "ah", "se_missing"),
    form("no ST", a_file(a_set(), HEADLESS, a_set(control="0003")), "aha", "st_missing"),
    form("no HL", a_file(a_set(NO_HL), a_set(control="0002")), "ha", "no_hierarchy"),
    form("no GE before a GS", interchange(group(a_set())[:-1], group(a_set(), control="8")), "aa", "ge_missing"),
    form("no GE before the IEA", interchange(group(a_set())[:-1]), "a", "ge_missing"),
    form("no IEA before an ISA", PLAIN[: PLAIN.index("IEA")] + SECOND, "aa", "iea_missing"),
    form("no group", interchange(a_set(), count="0"), "w", "st_outside_group"),
    form("a set behind the IEA", PLAIN + "ST*271*0009~SE*2*0009~", "ah", "outside_interchange"),
    form("stray segments", interchange(group(a_set(), [("NTE", "", "X")], LAST, count="2")), "aa", "stray_segments"),
    # cut
    form("cut in a set", PLAIN[: PLAIN.index("DMG")], "h", "file_cut set_cut", "incomplete"),
    form("cut before the GE", PLAIN[: PLAIN.index("GE*")], "a", "file_cut", "incomplete"),
    form("cut before the IEA", PLAIN[: PLAIN.index("IEA")], "a", "file_cut", "incomplete"),
    form("cut in the IEA", PLAIN[:-4], "a", "file_cut", "incomplete"),
    form("cut in the IEA's zeros", a_file(control="000000000")[:-3], "a", "file_cut", "incomplete"),
    form("cut in the ISA", PLAIN[:50], "", "file_cut", "incomplete"),
    form("cut in the second ISA", PLAIN + PLAIN[:30], "a", "file_cut", "incomplete"),
    form("ISA only", PLAIN[:106], "", "file_cut", "incomplete"),
    # which set
    form("999", interchange(group(a_set([("AK1", "HS", "1")], code="999", version="005010X231A1"), code="FA")), "o"),
    form("TA1", interchange([("TA1", "000000001", "260304", "0930", "A", "000")], count="0"), ""),
    form("GS01 is HS", interchange(group(a_set(), code="HS")), "a", "gs_code"),
    form("no ST03", a_file(a_set(version="")), "a"),
    form("ST01 is damaged", PLAIN.replace("ST*271*", "ST*2X1*"), "h", "st_code"),
    form("ST01 of a 271 is another kind", PLAIN.replace("ST*271*", "ST*270*"), "h", "st_code"),
    form("the same with line breaks", PLAIN.replace("ST*271*", "ST*371*").replace("~", "~\r\n"), "h", "st_code"),
    form("ST01 is empty", a_file(a_set(code=""), a_set(control="0002")), "ha", "st_code"),
    form("005010X279 without A1", a_file(a_set(version="005010X279"))),
    form("004010", OLD_VERSION, "w", "version_4010 repetition_separator"),
    form("another version", interchange(group(a_set(version="006020X"))), "w", "version_unknown"),
    # letters
    form("names in lower case", lower_names(PLAIN), "w", "lower_case"),
    form("all in lower case", PLAIN.lower(), "w", "lower_case"),
    form("Latin-1", a_file(a_set(subscriber(ACTIVE, last="MUÑOZ"))).encode("latin-1"), "w", "not_utf8"),
    form("UTF-8", a_file(a_set(subscriber(ACTIVE, last="MUÑOZ")))),
    form("bytes of no encoding", a_file(a_set(subscriber(ACTIVE, last="X\x81Y"))).encode("latin-1"), "w", "not_utf8"),
    form("ISA in the data", a_file(a_set(subscriber(ACTIVE, ("MSG", "ISA*00*NARCISA")))), "a"),
    form("a segment named ISA", a_file(a_set(subscriber(ACTIVE, ("ISA", "00", "X")))), "a", "unknown_segment"),
]  # fmt: skip


def codes(sets: list[Judged], end: FileEnd) -> set[str]:
    found = {one.code for one in end.issues}
    for judged in sets:
        found |= {one.code for one in judged.issues}
        if judged.parsed is not None:
            found |= {one.code for answer in judged.parsed.answers() for one in answer.issues}
    return found


@pytest.mark.parametrize("one", FORMS, ids=lambda one: one.name)
def test_a_form(one: Form) -> None:
    sets, end = read(one.data)
    assert end.state == one.state, end.reason
    assert bool(end.reason) == (one.state != "complete")
    assert "".join(judged.verdict[0] for judged in sets) == one.verdicts.replace("w", "a" if not one.said else "w")
    assert codes(sets, end) == one.said
    assert end.size == len(one.data)


@pytest.mark.parametrize("one", FORMS, ids=lambda one: one.name)
def test_a_form_says_the_same_however_it_comes_in(one: Form) -> None:
    """Pieces of one byte put every segment on a border."""
    whole, end = read(one.data)
    for piece in (1, 7, 64):
        sets, same = read(one.data, Limits(piece=piece))
        assert sets == whole
        assert replace(same, size=0) == replace(end, size=0)


@pytest.mark.parametrize("one", [one for one in FORMS if "a" in one.verdicts], ids=lambda one: one.name)
def test_the_bytes_of_a_set_are_those_of_the_file(one: Form) -> None:
    data = one.data
    if b"\x00I" in data[:4] or b"I\x00" in data[:4]:
        data = data.decode("utf-16-be" if data[0] == 0 else "utf-16").encode()
    sets, _ = read(one.data)
    for judged in sets:
        assert isinstance(judged.item, TransactionSet)
        item = judged.item
        assert data[item.offset : item.offset + item.length] == item.raw
        assert item.raw[:2].upper() == b"ST" or not item.code or item.raw[1:2] in b"\r\n"


def test_whole_sets_of_every_form_say_the_same_of_the_patient() -> None:
    seen = set()
    for one in FORMS:
        others = ("UTF-8", "Latin-1", "bytes of no encoding", "all in lower case")
        if "MUÑOZ" in one.name or "hole" in one.name or one.name in others:
            continue
        for judged in read(one.data)[0]:
            if judged.verdict in ("accept", "warn") and judged.parsed is not None:
                for answer in judged.parsed.answers():
                    benefit = answer.benefits[0]
                    seen.add(
                        (answer.coverage, answer.member_id, answer.traces, answer.payer, answer.subscriber, answer.plan)
                    )
                    assert benefit.service_types in (("30", "88"), ("30^88",))
    assert len(seen) == 1


def test_identity_is_that_of_the_unbroken_text() -> None:
    plain = [judged.item for judged in read(PLAIN.encode())[0]]
    broken = [judged.item for judged in read(wrapped(PLAIN, 33).encode())[0]]
    other = [judged.item for judged in read(a_file(a_set(subscriber(ACTIVE, member="M0002"))).encode())[0]]
    assert all(isinstance(item, TransactionSet) for item in plain + broken + other)
    assert plain[0].sha256 == broken[0].sha256 != other[0].sha256  # type: ignore[union-attr]
    assert plain[0].raw != broken[0].raw  # type: ignore[union-attr]


def test_the_envelope_comes_with_each_set() -> None:
    text = PLAIN + a_file(control="000000002", usage="T", marks=Delimiters("|", "!", ">", "'"))
    first, second = (judged.item for judged in read(text.encode())[0])
    assert isinstance(first, TransactionSet)
    assert isinstance(second, TransactionSet)
    assert (first.interchange.number, first.interchange.control, first.interchange.test) == (1, "000000001", False)
    assert (second.interchange.number, second.interchange.control, second.interchange.test) == (2, "000000002", True)
    assert second.interchange.delimiters == Delimiters("|", "!", ">", "'")
    assert (first.interchange.sender, first.interchange.receiver) == ("PLENTY", "CLINIC")
    assert first.group is not None
    assert (first.group.code, first.group.control, first.version, first.control) == ("HB", "7", "005010X279A1", "0001")
    assert (first.segments, first.code) == (12, "271")


def test_a_ta1_is_counted() -> None:
    _, end = read(next(one for one in FORMS if one.name == "TA1").data)
    assert (end.ta1_count, end.interchanges, end.groups, end.sets) == (1, 1, 0, 0)


def test_segments_are_counted_without_the_empty_ones() -> None:
    sets, _ = read(a_file(after="\r\n ~ ~\t").encode())
    assert isinstance(sets[0].item, TransactionSet)
    assert sets[0].item.segments == 12
