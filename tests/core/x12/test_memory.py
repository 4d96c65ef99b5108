"""Reading one set takes some tens of megabytes at most; a set that would take more is held alone."""

import io
import tracemalloc

import pytest

from tests.support.x12_samples import ACTIVE, Segment, a_file, a_set, subscriber
from worker.core.x12.answer_json import answer_json
from worker.core.x12.batch import read_batch
from worker.core.x12.envelope import FileEnd
from worker.core.x12.issues import MESSAGES
from worker.core.x12.loops import LONGEST_PATIENT_CHARS, MOST_HL_SEGMENTS

MB = 1_000_000
FULL = LONGEST_PATIENT_CHARS - 1000


def filled(size: int, *segment: str) -> list[Segment]:
    """So many characters of one segment, again and again."""
    return [segment] * (size // len("*".join((*segment, ""))))


def patients(count: int, *segments: Segment) -> list[Segment]:
    found = subscriber()[:5]
    for n in range(count):
        found += [("HL", str(n + 3), "2", "22", "0"), ("NM1", "IL", "1", "X", "Y", "", "", "", "MI", f"P{n}")]
        found += segments
    return found


def a_family(count: int, *segments: Segment) -> list[Segment]:
    """A subscriber with these segments, and so many dependents, each of whose answers has them again."""
    found = [*subscriber(), *segments]
    for n in range(count):
        found += [("HL", str(n + 4), "3", "23", "0"), ("NM1", "03", "1", "X", f"Y{n}"), ("EB", "1", "", "30")]
    return found


def read(data: bytes) -> tuple[list[tuple[str, list[str], int]], float, FileEnd]:
    """(verdict, codes, answers) of every set; the peak of memory above the file itself, in MB; the end."""
    found: list[tuple[str, list[str], int]] = []
    source = io.BytesIO(data)
    tracemalloc.start()
    try:
        for one in read_batch(source):
            if isinstance(one.item, FileEnd):
                end = one.item
                continue
            answers = 0
            for answer in one.parsed.answers() if one.parsed is not None else ():
                answers += bool(answer_json(answer))
            found.append((one.verdict, [each.code for each in one.issues], answers))
        return found, tracemalloc.get_traced_memory()[1] / MB, end
    finally:
        tracemalloc.stop()


def among_others(body: list[Segment]) -> bytes:
    return a_file(a_set(control="0001"), a_set(body, control="0002"), a_set(control="0003")).encode()


@pytest.mark.parametrize(
    ("body", "answers"),
    [
        (subscriber(*filled(FULL, "EB", "1")), 1),
        (subscriber(("EB", "1", "", "^".join(["30"] * (FULL // 3)))), 1),
        (subscriber(*filled(FULL, "TRN", "2", "X", "9")), 1),
        (subscriber(("EB", "1"), *filled(FULL, "MSG", "M" * 250)), 1),
        (patients(10, *filled(FULL, "EB", "1", "", "30", "C1", "SILVER PLAN OF PLENTY")), 10),
        (patients(MOST_HL_SEGMENTS // 4, ACTIVE, ("MSG", "M" * 900)), MOST_HL_SEGMENTS // 4),
    ],
    ids=["benefits", "service types", "traces", "messages", "large patients", "many patients"],
)
def test_the_most_that_is_read_takes_some_tens_of_megabytes(body: list[Segment], answers: int) -> None:
    sets, peak, end = read(among_others(body))
    assert end.state == "complete"
    assert [one[0] for one in sets] == ["accept"] * 3
    assert sets[1][2] == answers
    assert peak < 60


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (subscriber(*filled(LONGEST_PATIENT_CHARS, "EB", "1")), "patient_too_large"),
        (patients(3, *filled(LONGEST_PATIENT_CHARS, "EB", "1")), "patient_too_large"),
        ([("MSG", "M" * LONGEST_PATIENT_CHARS), *subscriber(ACTIVE)], "patient_too_large"),
        (subscriber() + filled(9 * MOST_HL_SEGMENTS, "HL", "1", "", "20"), "too_many_hl"),
        (subscriber(*filled(10 * MB, "EB", "1", "", "30^88", "C1", "SILVER")), "set_too_large"),
        (a_family(5000, *filled(FULL // 20, "REF", "18", "X")), "set_too_large"),
    ],
    ids=["one patient", "the last of several", "before the first HL", "levels", "the whole", "what is repeated"],
)
def test_a_set_beyond_that_is_held_alone_and_says_why(body: list[Segment], code: str) -> None:
    sets, peak, end = read(among_others(body))
    assert end.state == "complete"
    assert [(verdict, answers) for verdict, _, answers in sets] == [("accept", 1), ("hold", 0), ("accept", 1)]
    assert sets[1][1] == [code]
    assert MESSAGES[code].endswith(".")
    assert peak < 40
