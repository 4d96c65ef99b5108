"""What callers hand in: dumps of responses, bodies, JSON lines."""

import subprocess
import sys

import pytest

from worker.core.errors import BadData
from worker.core.intake.intake import Intake, Recording, merge
from worker.core.intake.link import is_uuid, unreadable
from worker.core.intake.misplaced import CAPITALS, NO_UUID, PART
from worker.core.intake.recording import from_id, from_id_line, from_link, from_location

CD = "/coverage-discovery"
UUID = "0716e3e8-87ee-11ee-b9d1-0242ac120002"
LINK = f'link: <{CD}/a>; title="Nightly"; rel="related"'


def ids(intake: Intake) -> list[str]:
    return [recording.id for recording in intake.recordings]


# --- ids, one link, one location ---


def test_ids() -> None:
    assert from_id(f" {UUID}\r\n", ref="r", correlation_id="c") == Intake(
        (Recording(UUID, "id", ref="r", correlation_id="c"),)
    )
    assert from_id("third") == Intake((Recording("third", "id"),), notes=(NO_UUID,))
    assert from_id(UUID.upper()) == Intake((Recording(UUID.upper(), "id"),), notes=(CAPITALS,))
    for text in ("x12", "c d", "..", "Müller", "-" * 129):
        assert [item.raw for item in from_id(text).unreadable] == [text]
    for text in ("", " \r\n"):
        with pytest.raises(BadData, match="an ID is empty"):
            from_id(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"https://h{CD}/{UUID}", "--location an address"),
        (LINK, "a dump of headers goes to --headers"),
        ("HTTP/1.1 200 OK", "a dump of headers goes to --headers"),
        ('{"id": "a"}', "--jsonl"),
        (f"{UUID},{UUID}", "write several ids as arguments of their own, or one a line"),
        (f"{UUID} {UUID}", "write several ids as arguments of their own, or one a line"),
        (f"{UUID},MRN", "an id stands alone"),
        (f"{{{UUID}}}", "an id stands alone"),
        ("x12", "x12 is an address of the API"),
        ("a b", "an id is 1 to 128 letters, digits or . _ ~ -"),
    ],
)
def test_where_a_text_belongs_that_is_no_id(text: str, words: str) -> None:
    (lost,) = from_id(text).unreadable
    assert lost.reason.startswith("not a task id: ")
    assert words in lost.reason


@pytest.mark.parametrize(
    ("text", "it_is"),
    [
        *[(UUID[:length], length >= 8) for length in range(1, 37)][:-1],
        *[(UUID[-length:], True) for length in (13, 17, 35)],
        (UUID[-12:], False),
        (UUID, False),
        (UUID.replace("-", ""), False),
        ("1-622233a9-6fca5eb41ae6862b269452c9", False),
        ("MRN-4711-0000", False),
    ],
)
def test_half_an_id_is_not_recorded(text: str, it_is: bool) -> None:
    assert from_id(text).unreadable == ((unreadable(text, PART),) if it_is else ())
    location = from_location(f"{CD}/{text}")
    assert (ids(location), len(location.unreadable)) == (([], 1) if it_is else ([text], 0))


def test_a_line_of_ids() -> None:
    assert from_id_line(b" \r\n", place="line 1") == Intake()
    assert ids(from_id_line(b"\xef\xbb\xbf" + UUID.encode() + b"\r", place="line 1")) == [UUID]
    assert ids(from_id_line(b"a\rb\rc", place="line 1")) == ["a", "b", "c"]
    (lost,) = from_id_line(b"M\xfcller", place="line 7").unreadable
    assert lost.raw == "M\\xfcller"
    assert lost.reason.startswith("line 7: not a task id")


@pytest.mark.parametrize(
    ("text", "it_is"),
    [(UUID, True), (UUID.upper(), True), (UUID[:-1], False), (UUID + "0", False), ("g" + UUID[1:], False)],
)
def test_what_is_a_uuid(text: str, it_is: bool) -> None:
    assert is_uuid(text) is it_is


def test_one_link_and_one_location() -> None:
    link = from_link(f'<https://h{CD}/a>; title="t"; rel=related, <{CD}/b>; rel=related', ref="r")
    assert link.recordings == (Recording("a", "link", "t", "h", "r"), Recording("b", "link", ref="r"))
    assert from_location(f"{CD}/a", correlation_id="c").recordings == (Recording("a", "location", correlation_id="c"),)
    assert from_link('</?offset=2>; rel="next"') == Intake(notes=("the link value names no task",), without_task=1)
    assert from_location("/login") == Intake(notes=("the location value names no task",))
    for read in (from_link, from_location):
        with pytest.raises(BadData, match="value is empty"):
            read(" ")
    assert len(from_link("nonsense").unreadable) == 1


def test_merging_keeps_an_id_for_each_of_its_refs() -> None:
    one, two = from_id("a", ref="1"), merge([from_id("a", ref="2"), from_id("b", ref="2")])
    merged = merge([one, two, one, from_link("nonsense")])
    assert [(r.id, r.ref) for r in merged.recordings] == [("a", "1"), ("a", "2"), ("b", "2")]
    assert len(merged.unreadable) == 1


def test_the_intake_imports_nothing_heavy() -> None:
    code = (
        "import sys, json, dataclasses, typing; before = set(sys.modules)\n"
        "import worker.core.intake.json_lines; print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in loaded if not name.startswith("worker")} <= {"codecs", "datetime", "_datetime", "math"}
