"""What polling measures of itself: counts, histograms, and what was asked in each ten minutes."""

from typing import get_args

from worker.core.measures import (
    DURATION_BOUNDS_S,
    MOST_SLOTS,
    PATHS,
    REPLY_NAMES,
    SLOT_MS,
    Histogram,
    Measures,
    path_of,
)
from worker.core.schedule.hazard import class_of
from worker.core.vendor.reply import Pending, Reply, Unknown

MIDNIGHT = 1_780_012_800_000


def test_every_reply_has_a_name_of_its_own() -> None:
    assert set(REPLY_NAMES) == set(get_args(Reply))
    assert len(set(REPLY_NAMES.values())) == len(REPLY_NAMES)


def test_a_histogram_counts_up_to_each_bound_and_all() -> None:
    histogram = Histogram((1.0, 5.0))
    for value in (0.5, 1.0, 7.0, -3.0):
        histogram.add(value)
    assert histogram.told() == {"bounds": [1.0, 5.0], "counts": [3, 3, 4], "sum": 8.5}
    assert list(DURATION_BOUNDS_S) == sorted(DURATION_BOUNDS_S)


def test_a_path_is_the_slowest_family_of_a_class() -> None:
    pending = [["Commercial"], ["RTCOB", "Medicare"], ["CoverageInsight", "RTCOB"], ["Odd one"], []]
    assert [path_of(class_of(names)) for names in pending] == list(PATHS)
    assert path_of(class_of([], "CoverageInsight of all")) == "unseen"
    assert path_of("of a later release") == "other"


def test_polls_are_counted_by_reply_and_by_ten_minutes() -> None:
    measures = Measures()
    for reply in (Pending(), Pending(), Unknown()):
        measures.heard(reply)
    measures.sample(MIDNIGHT + 5, 2.0)
    measures.sample(MIDNIGHT + 15_000, 1.0)
    measures.heard(Unknown())
    measures.sample(MIDNIGHT + SLOT_MS, 0.5)
    told = measures.told()
    assert (told["polls"]["pending"], told["polls"]["unknown"], told["polls"]["refused"]) == (2, 2, 0)
    assert told["slots"] == [[MIDNIGHT, 3, 2.0], [MIDNIGHT + SLOT_MS, 1, 0.5]]


def test_a_day_is_kept_and_a_clock_set_back_begins_anew() -> None:
    measures = Measures()
    for n in range(MOST_SLOTS + 10):
        measures.sample(MIDNIGHT + n * SLOT_MS, 1.0)
    slots = measures.told()["slots"]
    assert (len(slots), slots[0][0]) == (MOST_SLOTS, MIDNIGHT + 10 * SLOT_MS)
    measures.sample(MIDNIGHT + 12 * SLOT_MS, 1.0)
    assert [slot[0] for slot in measures.told()["slots"]] == [MIDNIGHT + n * SLOT_MS for n in (10, 11, 12)]
