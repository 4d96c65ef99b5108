"""What a list that is not trusted has shown: of use for the next page, and no authority."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hint_desk import (
    ALL,
    FIRST,
    HOUR,
    MINUTE,
    NAMES,
    NOW,
    SECOND,
    STEADY,
    Desk,
    concluded,
    desks,
    page,
    shown,
    untrusted,
)
from worker.core.pacing.breaker import Lane
from worker.core.schedule.hazard import BINS, Curve
from worker.core.schedule.learned import Knowledge
from worker.core.sweep import EARNED, MARGIN
from worker.core.vendor.page import Row

LATER = FIRST + 120 * SECOND


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desks(tmp_path) as made:
        yield untrusted(made)


def test_the_class_that_it_shows_counts_for_the_next_page(desk: Desk) -> None:
    quick = Curve((5.0,) * BINS, (14_000.0,) * BINS)
    desk.learned.go_back(Knowledge({"unseen": STEADY, "rtcob": quick}, 20_000, 1000))
    desk.page(FIRST)
    desk.tell(page(*(Row(name, "pending", NOW, ("RTCOB",), None) for name in NAMES)), FIRST)
    assert desk.hints.propose(Lane(), FIRST + 10 * SECOND) is not None


def test_a_start_that_a_look_has_told_counts_more_than_what_it_shows(desk: Desk) -> None:
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET started_at = ? WHERE id = 't1'", (NOW - SECOND,))
    shown(desk)
    assert desk.page(LATER).start == NOW - SECOND - MARGIN


def test_what_it_showed_before_it_was_trusted_is_no_excuse_for_a_later_page(desk: Desk) -> None:
    shown(desk)
    desk.hints._trust.passed(EARNED)
    desk.page(LATER)
    desk.tell(ALL, LATER)
    assert desk.learned.trusting
    desk.looked("t1", concluded(ended_at=FIRST + MINUTE), LATER + HOUR)
    assert not desk.learned.trusting
