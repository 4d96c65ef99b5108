"""What is learned of when discoveries end: hazards, censored observations, fading, and the chances that follow."""

import json
import random
from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.schedule.cadence import Schedule
from worker.core.schedule.hazard import (
    BINS,
    EDGES_MS,
    ENOUGH_ENDS,
    EndCounts,
    HazardCurve,
    bin_of,
    class_of,
    hazard_curve,
    learn,
    packed,
    unpacked,
    watch,
)
from worker.core.schedule.prior import prior

MIN, HOUR, DAY = 60_000, 3_600_000, 86_400_000
PRIOR = prior(Schedule(), 20_000.0)
EVEN = HazardCurve((1 / 10_000,) * BINS)  # one in ten a second, at any age


@pytest.mark.parametrize(
    ("pending", "name", "expected"),
    [
        (["Medicare", "Commercial"], None, "quick"),
        (["Search - Name, birth date, and state"], None, "quick"),
        (["RTCOB", "Medicaid"], "x", "quick+rtcob"),
        (["CoverageInsight"], "RTCOB only", "insight"),
        (["Coverage Insight", "RTCOB"], None, "rtcob+insight"),
        (["Astrology"], None, "other"),
        (["HMO", "Astrology"], None, "quick+other"),
        ([], None, "unseen"),
        ([], "Default Discovery Task", "unseen"),
        ([], "Medicare + RTCOB + Coverage Insight", "unseen+rtcob+insight"),
    ],
)
def test_class_by_what_is_pending_else_by_the_name(pending: list[str], name: str | None, expected: str) -> None:
    assert class_of(pending, name) == expected


def test_bins_are_quarters_of_a_doubling_up_to_45_days() -> None:
    assert (bin_of(-5), bin_of(0), bin_of(999), bin_of(1000), bin_of(2000), bin_of(4000)) == (0, 0, 0, 1, 5, 9)
    assert EDGES_MS[BINS - 1] > 45 * DAY
    assert bin_of(10_000 * DAY) == BINS - 1


def test_the_odds_by_hand() -> None:
    likely, waited = EVEN.outlook(7_000, 17_000)
    assert likely == pytest.approx(1 - exp(-1))
    assert waited == pytest.approx(10_000 - 0.632_121 * 10_000, abs=1)


def test_a_hazard_is_ends_by_time_watched() -> None:
    """Ten tasks spend 20 s in a bin and two end there, many times over: one in ten a second."""
    middle = bin_of(60_000)
    counts = EndCounts(
        tuple(200.0 if j == middle else 0.0 for j in range(BINS)),
        tuple(2_000_000.0 if j == middle else 0.0 for j in range(BINS)),
    )
    assert hazard_curve(counts, PRIOR).hazards[middle] == pytest.approx(1 / 10_000, rel=0.01)


curves = st.lists(st.floats(1e-9, 1e-2), min_size=BINS, max_size=BINS).map(lambda h: HazardCurve(tuple(h)))


@given(curves, st.integers(0, 40 * DAY), st.integers(0, DAY), st.integers(0, DAY))
def test_chances_are_chances_and_only_grow(curve: HazardCurve, known: int, first: int, more: int) -> None:
    likely, waited = curve.outlook(known, known + first)
    later, longer = curve.outlook(known, known + first + more)
    assert 0 <= likely <= later <= 1
    assert -1e-6 * first <= waited <= first
    assert longer >= waited - 1e-6 * (first + more)
    assert longer - waited <= later * more + 1e-6 * (first + more) + 1


def test_pending_counts_as_time_watched_and_ends_nothing() -> None:
    counts = watch(EndCounts(), [(5_000, 65_000)])
    assert sum(counts.ended) == 0
    assert sum(counts.under) == pytest.approx(60_000)
    assert sum(counts.under[: bin_of(5_000)]) == 0
    assert counts.under[bin_of(5_000)] == pytest.approx(1000 * 2**2.5 - 5_000)
    assert sum(counts.under[bin_of(65_000) + 1 :]) == 0


def test_an_end_that_the_vendor_tells_is_taken_as_it_is() -> None:
    counts = learn(EndCounts(), 10_000, 24_000, 11_000, EVEN)
    assert counts.ended[bin_of(11_000)] == 1
    assert sum(counts.ended) == 1
    assert sum(counts.under) == pytest.approx(1_000)


@pytest.mark.parametrize("told", [None, 9_000, 25_000])
def test_an_end_that_is_not_told_or_not_sane_lies_between_the_looks(told: int | None) -> None:
    counts = learn(EndCounts(), 10_000, 24_000, told, EVEN)
    assert sum(counts.ended) == pytest.approx(1)
    assert sum(counts.ended[bin_of(10_000) : bin_of(24_000) + 1]) == pytest.approx(1)
    # Under one in ten a second, what ends within 14 s ends after 10 s less what the cut at 14 s takes away.
    mean = 10_000 - 14_000 * exp(-1.4) / (1 - exp(-1.4))
    assert sum(counts.under) == pytest.approx(mean, rel=0.001)
    shares = [count for count in counts.ended if count]
    likely = EVEN.outlook(10_000, EDGES_MS[bin_of(10_000) + 1])[0] / EVEN.outlook(10_000, 24_000)[0]
    assert shares[0] == pytest.approx(likely)


@given(st.integers(0, DAY), st.integers(0, DAY), st.none() | st.integers(0, 2 * DAY), curves)
def test_every_end_counts_once(known: int, wait: int, told: int | None, curve: HazardCurve) -> None:
    counts = learn(EndCounts(), known, known + wait, told, curve)
    if wait:
        assert sum(counts.ended) == pytest.approx(1, rel=1e-4)
    assert all(value >= 0 for value in (*counts.ended, *counts.under))
    assert sum(counts.under) <= wait * 1.0001 + 1


def test_slow_tasks_that_have_not_ended_keep_a_class_from_looking_fast() -> None:
    """Ten of a hundred ended within a minute, and ninety are still pending after a day."""
    fast, both = EndCounts(), EndCounts()
    for n in range(10):
        end = 5_000 * (n + 1)
        fast, both = learn(fast, 0, 60_000, end, EVEN), learn(both, 0, 60_000, end, EVEN)
    for _ in range(90):
        both = watch(both, [(0, DAY)])
    assert hazard_curve(fast, PRIOR).outlook(0, MIN)[0] > 0.8
    assert hazard_curve(both, PRIOR).outlook(0, MIN)[0] < 0.2
    assert hazard_curve(both, PRIOR).outlook(0, 20 * HOUR)[0] < 0.3


@pytest.mark.parametrize("told", [True, False])
def test_three_hundred_tasks_tell_the_distribution(told: bool) -> None:
    dice = random.Random(5)
    counts = EndCounts()
    for _ in range(300):
        lasts = round(MIN * 30 ** dice.random())
        known = 0
        while True:
            polled = known + 10_000 + known // 3
            if polled >= lasts:
                counts = learn(counts, known, polled, lasts if told else None, hazard_curve(counts, PRIOR))
                break
            counts = watch(counts, [(known, polled)])
            known = polled
    curve = hazard_curve(counts, PRIOR)
    for minutes in (1, 2, 4, 8, 15, 25):
        true = log(minutes) / log(30)
        assert curve.outlook(0, minutes * MIN)[0] == pytest.approx(true, abs=0.06 if told else 0.1)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=5))
def test_each_bin_counts_the_time_that_tasks_were_watched_in_it(spans: list[tuple[int, int]]) -> None:
    def within(j: int, known: int, age: int) -> float:
        return max(0.0, min(age, EDGES_MS[j + 1]) - max(known, EDGES_MS[j]))

    expected = [sum(within(j, known, age) for known, age in spans) for j in range(BINS)]
    assert watch(EndCounts(), spans).under == pytest.approx(expected)


def test_what_is_old_fades() -> None:
    counts = learn(EndCounts(), 0, 600_000, 500_000, EVEN)
    for _ in range(1000):
        counts = learn(counts, 0, 10_000, 5_000, EVEN)
    assert counts.ended[bin_of(500_000)] == pytest.approx(0.5)
    assert counts.ended[bin_of(5_000)] == pytest.approx(721.5, rel=0.01)  # half of 1443, where it would end


def test_a_bin_with_few_ends_borrows_and_one_with_enough_does_not() -> None:
    at = bin_of(100_000)
    under = tuple(1_000_000.0 if abs(j - at) < 9 else 0.0 for j in range(BINS))
    lone = EndCounts(tuple(3.0 if j == at + 2 else 0.0 for j in range(BINS)), under)
    rich = EndCounts(tuple({at: ENOUGH_ENDS, at + 2: 3.0}.get(j, 0.0) for j in range(BINS)), under)
    assert hazard_curve(lone, PRIOR).hazards[at] > 3 * hazard_curve(lone, PRIOR).hazards[at - 5]
    assert hazard_curve(rich, PRIOR).hazards[at] == pytest.approx(ENOUGH_ENDS / 1_000_000, rel=0.1)


def test_a_curve_survives_storage_and_is_small() -> None:
    counts = EndCounts()
    for n in range(400):
        known, age = n * 500, n * 900 + 7_000
        counts = watch(counts, [(known, age)]) if n % 3 else learn(counts, known, age, None, EVEN)
    text = packed(counts)
    again = unpacked(text)
    assert again.ended == pytest.approx(counts.ended, rel=1e-4, abs=1e-5)
    assert again.under == pytest.approx(counts.under, rel=1e-4, abs=1)
    assert len(text) < 3_000
    assert json.loads(text)["bins"] == BINS
    assert packed(EndCounts()) == packed(unpacked(packed(EndCounts())))


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"bins":3,"seen":{}}', '{"bins":90,"seen":{"x":[1,2]}}', '{"bins":90,"seen":[]}']
    + [
        json.dumps({"bins": BINS, "seen": {"4": value}})
        for value in (None, [1], ["a", 2], [float("nan"), 1], [1e99, 1])
    ]
    + [json.dumps({"bins": BINS, "seen": {"4": [-1, 1]}}), json.dumps({"bins": BINS, "seen": {"400": [1, 1]}})],
)
def test_a_damaged_curve_is_an_empty_one(text: str) -> None:
    assert unpacked(text) == EndCounts()


@given(st.lists(st.tuples(st.integers(0, 50 * DAY), st.integers(0, DAY), st.booleans()), max_size=30))
def test_a_forecast_is_usable_whatever_was_seen(seen: list[tuple[int, int, bool]]) -> None:
    counts = EndCounts()
    for known, wait, ended in seen:
        if ended:
            counts = learn(counts, known, known + wait, None, hazard_curve(counts, PRIOR))
        else:
            counts = watch(counts, [(known, known + wait)])
    assert all(0 < hazard < 1 for hazard in hazard_curve(counts, PRIOR).hazards)
