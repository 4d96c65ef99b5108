"""A segment terminator that was lost joins two segments: the id of a member gets the name of the next segment, or a
coverage is gone. Such a set is held, and one that is only counted wrongly is read."""

import io

import pytest

from tests.support.x12_samples import ACTIVE, Segment, a_file, a_set, subscriber
from worker.core.x12.batch import judged
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.issues import HELD
from worker.core.x12.stream import transaction_sets

LOOPED: tuple[Segment, ...] = (
    ("REF", "18", "PLAN7"),
    ("DTP", "346", "D8", "20260101"),
    ACTIVE,
    ("EB", "1", "", "30"),
    ("EB", "C", "IND", "30", "", "", "23", "500"),
    ("EB", "1"),
    ("HSD", "VS", "30"),
    ("MSG", "NOTHING TO SAY"),
    ("LS", "2120"),
    ("NM1", "PR", "2", "ANOTHER PLAN"),
    ("N3", "1 MAIN STREET"),
    ("N4", "TOWN", "OH", "432150000"),
    ("PER", "IC", "", "TE", "5551234"),
    ("PRV", "PC", "PXC", "207Q00000X"),
    ("LE", "2120"),
)
WHOLE = a_file(a_set(subscriber(*LOOPED)))
SEGMENTS = WHOLE.split("~")
# The first that stands below an HL is the fourth of the set; the last is the one before the SE.
FIRST = next(at for at, one in enumerate(SEGMENTS) if one.startswith("BHT")) + 1
LAST = next(at for at, one in enumerate(SEGMENTS) if one.startswith("SE*"))


def verdict(text: str) -> tuple[str, list[str]]:
    tset = next(transaction_sets(io.BytesIO(text.encode())))
    assert isinstance(tset, TransactionSet)
    found = judged(tset)
    return found.verdict, [one.code for one in found.issues]


@pytest.mark.parametrize("lost", range(FIRST, LAST), ids=lambda at: SEGMENTS[at].partition("*")[0])
def test_a_segment_that_lost_its_terminator_holds_the_set(lost: int) -> None:
    """The terminator before each segment in turn is not there."""
    text = "~".join([*SEGMENTS[: lost - 1], SEGMENTS[lost - 1] + SEGMENTS[lost], *SEGMENTS[lost + 1 :]])
    held, codes = verdict(text)
    assert (held, "terminator_lost" in codes) == ("hold", True)


def test_the_code_is_one_of_those_that_hold() -> None:
    assert "terminator_lost" in HELD
    assert verdict(WHOLE) == ("accept", [])


@pytest.mark.parametrize(
    "person",
    [
        ("STEELE", "CALEB", "M"),
        ("COOPER", "JAMES", "J"),
        ("O DELHI", "", ""),
        ("REF", "DMG", "EB"),
    ],
)
@pytest.mark.parametrize("suffix", ["", "JR", "III"])
def test_names_that_end_like_segments_hold_nothing(person: tuple[str, str, str], suffix: str) -> None:
    named: Segment = ("NM1", "IL", "1", *person, "", suffix, "MI", "M0001")
    body = [named if one[0] == "NM1" and one[1] == "IL" else one for one in subscriber(ACTIVE)]
    assert verdict(a_file(a_set(body, count="99"))) == ("warn", ["se_count"])
