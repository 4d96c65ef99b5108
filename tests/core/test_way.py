"""What an attempt to send a letter changes, for the letter and for its way."""

import pytest

from worker.core.delivery import Delivered, LetterRefused, ReceiverDown, ReceiverGone
from worker.core.way import LONGEST_ASKED_REST_MS, LONGEST_REST_MS, Undone, WayState, after

AT = 1_800_000_000_000
SCHEDULE_MS = (5_000, 300_000)
LETTER = Undone(7, 70, 1, 0)
DOWN = ReceiverDown("timeout", "no answer within 20 s")
REFUSED = LetterRefused("http_500", "the receiver failed")


def test_a_letter_is_tried_by_the_schedule_and_is_dead_at_its_end() -> None:
    rows = [after(WayState(), LETTER._replace(attempts=n), REFUSED, AT, SCHEDULE_MS).letter for n in range(3)]
    assert [(row.state, row.attempts, row.next_at - AT) for row in rows if row] == [
        ("failed", 1, 5_000),
        ("failed", 2, 300_000),
        ("dead", 3, 0),
    ]
    assert rows[2] is not None
    assert (rows[2].error, rows[2].detail) == ("http_500", "the receiver failed")


def test_a_delivery_ends_the_failures_and_the_rest() -> None:
    way = WayState(2, AT - 1, None, "timeout: no answer", AT - 90_000)
    assert after(way, LETTER, Delivered(), AT, SCHEDULE_MS) == (WayState(last_at=AT), None, False)


def test_one_refused_letter_gives_the_way_no_rest_and_three_in_a_row_do() -> None:
    way, rests = WayState(), []
    for _ in range(5):
        way = after(way, LETTER, REFUSED, AT, SCHEDULE_MS).way
        rests.append(None if way.rests_until is None else way.rests_until - AT)
    assert rests == [None, None, 1_000, 2_000, 4_000]
    assert way.reason == "http_500: the receiver failed"


def test_a_letter_that_is_refused_again_tells_nothing_new_of_its_receiver() -> None:
    known = LETTER._replace(attempts=1, last_at=AT - 5_000)
    way = WayState()
    for _ in range(5):
        way = after(way, known, REFUSED, AT, SCHEDULE_MS).way
    assert (way.failures, way.rests_until) == (1, None)
    assert after(way._replace(failures=3), known, REFUSED, AT, SCHEDULE_MS).way.rests_until == AT + 2_000


def test_a_receiver_that_is_down_gives_the_way_a_rest_that_doubles() -> None:
    way, rests = WayState(), []
    for _ in range(60):
        way = after(way, LETTER, DOWN, AT, SCHEDULE_MS).way
        assert way.rests_until is not None
        rests.append(way.rests_until - AT)
    assert rests[:4] == [1_000, 2_000, 4_000, 8_000]
    assert set(rests[9:]) == {LONGEST_REST_MS}


@pytest.mark.parametrize(
    ("asked_ms", "rest_ms"), [(90_000, 90_000), (200, 1_000), (86_400_000, LONGEST_ASKED_REST_MS), (None, 1_000)]
)
def test_a_receiver_is_left_alone_for_as_long_as_it_asks_up_to_an_hour(asked_ms: int | None, rest_ms: int) -> None:
    told = after(WayState(), LETTER, ReceiverDown("http_429", "too many", asked_ms, counts=False), AT, SCHEDULE_MS)
    assert told.way.rests_until == AT + rest_ms
    assert told.letter is None, "it was no attempt of the letter"


def test_a_receiver_that_is_gone_stops_the_way_and_costs_the_letter_nothing() -> None:
    told = after(WayState(), LETTER, ReceiverGone("http_410", "it wants no more"), AT, SCHEDULE_MS)
    assert told.way.stopped_at == AT
    assert told.way.reason == "http_410: it wants no more"
    assert told.letter is None


@pytest.mark.parametrize(("failures", "revives"), [(0, False), (2, False), (3, True)])
def test_letters_are_due_at_once_after_the_receivers_trouble_and_not_after_a_letters(
    failures: int, revives: bool
) -> None:
    """A letter that makes its receiver hang is followed by one that goes through: it keeps its schedule."""
    assert after(WayState(failures, AT), LETTER, Delivered(), AT, SCHEDULE_MS).revives is revives


def test_a_rest_that_was_written_before_the_clock_was_set_back_is_over() -> None:
    assert WayState(1, AT + 1_000).rest_over_at(AT) == AT + 1_000
    assert WayState(1, AT).rest_over_at(AT) is None
    assert WayState(1, AT + LONGEST_ASKED_REST_MS + 1).rest_over_at(AT) is None
