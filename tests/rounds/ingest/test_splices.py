"""Files that miss a piece in the middle: how many are not told, and that none shows one patient as another."""

import io
import re

import pytest

from tests.support.numbered_patients import numbered_set
from tests.support.x12_samples import group, interchange
from worker.core.x12.batch import read_batch
from worker.core.x12.envelope import FileEnd
from worker.core.x12.issues import holds

PATIENTS = 8


def file_of(*, constant: bool) -> bytes:
    """Sets that are numbered 0000 to 0007, or all of them 0001."""
    text = interchange(group(*(numbered_set(k) for k in range(PATIENTS)))).encode()
    if constant:
        text = re.sub(rb"ST\*271\*\d{4}", b"ST*271*0001", text)
        text = re.sub(rb"(SE\*\d+)\*\d{4}", rb"\1*0001", text)
    return text


def outcome(data: bytes) -> tuple[bool, bool]:
    """Whether the file passes as whole, and whether one patient is shown with the plan of another."""
    whole, wrong = True, False
    for one in read_batch(io.BytesIO(data)):
        if isinstance(one.item, FileEnd):
            whole = whole and one.item.state == "complete"
        elif one.parsed is None or holds(one.issues):
            whole = False
        else:
            for answer in one.parsed.answers():
                wrong = wrong or (bool(answer.plan) and answer.plan[-4:] != answer.member_id[-4:])
    return whole, whole and wrong


@pytest.mark.parametrize("constant", [False, True], ids=["numbered", "all 0001"])
def test_what_passes_as_whole_misses_a_piece_of_one_set_only(constant: bool) -> None:
    data = file_of(constant=constant)
    starts = [match.start() for match in re.finditer(rb"ST\*271", data)]
    ends = [match.end() for match in re.finditer(rb"~SE\*\d+\*\d+~", data)]
    length = starts[1] - starts[0]
    tried = untold = 0
    for size in (1, 7, 40, 120, length - 30, length - 1, length, length + 1, length + 17, 2 * length, 3 * length):
        for start in range(starts[2], starts[3], 2):
            whole, wrong = outcome(data[:start] + data[start + size :])
            tried += 1
            assert not (wrong and size >= length), (start, size)
            if whole:
                untold += 1
                assert ends[2] >= start + size, (start, size)
    # Within one set SE01 alone speaks of it, and payers count wrongly. None over the border of two sets passes.
    assert 0 < untold < tried // 3


@pytest.mark.parametrize("constant", [False, True], ids=["numbered", "all 0001"])
def test_no_hole_of_zeros_passes_as_whole(constant: bool) -> None:
    data = file_of(constant=constant)
    for size in (1, 40, 317, 900):
        for start in range(0, len(data) - 12 - size, 11):
            assert outcome(data[:start] + bytes(size) + data[start + size :]) == (False, False), (start, size)
