"""The limiter never grants more than rate, burst and budget allow, and wastes nothing when there is work."""

import multiprocessing
import sqlite3
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.pacing.limiter import (
    DAY,
    FULL,
    HOUR,
    MINUTE,
    Limit,
    Meter,
    charge,
    eased,
    grant,
    paced,
    slowed,
    sustained,
)

NOW = 1_700_000_000_000
MIDNIGHT = NOW // DAY * DAY
TEN = Limit(10.0, 5)

steps = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 20)), max_size=60)
limits = st.builds(Limit, st.floats(0.05, 500), st.integers(1, 50), st.none())


def kept(limit: Limit, granted: list[tuple[int, int]]) -> bool:
    """Whether over every stretch from one grant to another there were at most rate * T + burst slots."""
    for i in range(len(granted)):
        total = 0
        for at, slots in granted[i:]:
            total += slots
            if total > limit.burst + (at - granted[i][0]) / 1000 * limit.rate + 1e-6:
                return False
    return True


@given(limits, steps)
def test_never_more_than_rate_and_burst_over_any_stretch(limit: Limit, asked: list[tuple[int, int]]) -> None:
    now, meter, granted = NOW, Meter(), []
    for step, wanted in asked:
        now += step
        got = grant(limit, meter, now, wanted)
        assert 0 <= got.slots <= wanted
        meter = got.meter
        granted.append((now, got.slots))
    assert kept(limit, granted)


@pytest.mark.parametrize("burst", [1, 2, 3])
def test_nor_over_any_stretch_of_every_small_run(burst: int) -> None:
    """All runs of four visits, 0 to 2.5 spacings apart, wanting 0 to 4."""
    limit = Limit(10.0, burst)
    for waits in product((0, 50, 100, 250), repeat=4):
        for wanted in product((0, 1, 4), repeat=4):
            now, meter, granted = NOW, Meter(), []
            for wait, want in zip(waits, wanted, strict=True):
                now += wait
                got = grant(limit, meter, now, want)
                meter = got.meter
                granted.append((now, got.slots))
            assert kept(limit, granted)


@given(limits, steps, st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_what_is_charged_is_taken_off_the_slots_that_follow(
    limit: Limit, asked: list[tuple[int, int]], extra: list[int]
) -> None:
    """Up to each grant, slots and charges together are within the limit."""
    now, meter, used = NOW, Meter(), 0
    for (step, wanted), more in zip(asked, extra, strict=False):
        now += step
        got = grant(limit, meter, now, wanted)
        used += got.slots
        if got.slots:
            assert used <= limit.burst + (now - NOW) / 1000 * limit.rate + 1e-6
        meter = charge(limit, got.meter, more, now)
        used += more


def test_a_charge_after_a_rest_is_felt() -> None:
    rested = grant(TEN, Meter(), NOW - HOUR, 5).meter
    assert grant(TEN, charge(TEN, rested, 3, NOW), NOW, 9).slots == 2


@given(limits, st.integers(0, 10**6), st.integers(1, FULL))
def test_the_promised_instant_has_a_slot_and_the_one_before_has_none(limit: Limit, ahead: int, pace: int) -> None:
    meter = Meter(pace=pace)
    now_paced = paced(limit, meter)
    meter = meter._replace(tat=NOW * 1000 + min(ahead, now_paced.burst * now_paced.spacing))
    at = grant(limit, meter, NOW, 0).next_at
    assert grant(limit, meter, at, 1).slots == 1
    if at > NOW:
        assert grant(limit, meter, at - 1, 1).slots == 0


def used_in_a_minute(limit: Limit, late: float) -> float:
    """The share of the limit that is used from an empty bucket, with work waiting and each wake-up ``late`` spacings
    late."""
    now, total = NOW, 0
    meter = grant(limit, Meter(), now, limit.burst).meter
    while (now := grant(limit, meter, now, 0).next_at + round(late * limit.spacing / 1000)) <= NOW + 60_000:
        got = grant(limit, meter, now, 10**6)
        meter, total = got.meter, total + got.slots
    return total / (limit.rate * 60)


@pytest.mark.parametrize("rate", [1.0, 7.0, 10.0, 100.0])
@pytest.mark.parametrize(("burst", "late"), [(1, 0.0), (2, 0.0), (2, 1.0), (5, 1.0), (5, 4.0), (20, 19.0)])
def test_lateness_within_the_burst_costs_nothing(rate: float, burst: int, late: float) -> None:
    # The work of the last, late spacings of the minute falls into the next one; a millisecond is the finest wake-up.
    grains = (late + 1) / (rate * 60) + rate / 1000 * (burst == 1)
    assert used_in_a_minute(Limit(rate, burst), late) >= 1 - grains - 0.001


def test_what_the_docstring_says_of_lateness() -> None:
    assert used_in_a_minute(TEN, 4.0) >= 0.98
    assert used_in_a_minute(TEN, 8.0) < 0.6
    assert used_in_a_minute(Limit(10.0, 1), 0.02) >= 0.98
    assert used_in_a_minute(Limit(10.0, 1), 0.05) < 0.96
    assert used_in_a_minute(Limit(10.0, 1), 1.0) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rate", [0.3, 3.0, 333.0, 3000.0, 7000.0, 10_000.0])
def test_no_rounding_grants_more_than_the_rate(rate: float) -> None:
    assert 0.98 * rate <= 1e6 / Limit(rate, 1).spacing <= rate * (1 + 1e-12)


def test_the_rate_by_hand() -> None:
    first = grant(TEN, Meter(), NOW, 9)
    assert (first.slots, first.next_at, first.meter.tat) == (5, NOW + 100, (NOW + 500) * 1000)


def test_a_clock_set_back_does_not_silence_the_poller() -> None:
    limit = Limit(1.0, 5)
    later = grant(limit, Meter(), NOW, 5)
    earlier = NOW - 3_600_000
    assert grant(limit, later.meter, earlier, 1).next_at <= earlier + 1000


# --- the pace


def test_a_refusal_halves_the_pace_and_the_burst_at_once() -> None:
    meter = slowed(TEN, Meter(), NOW - 500, NOW)
    assert paced(TEN, meter) == Limit(5.0, 2)
    assert grant(TEN, meter, NOW, 9).slots == 2


def test_one_halving_for_all_requests_that_were_let_go_before_it() -> None:
    meter = slowed(TEN, Meter(), NOW - 500, NOW)
    assert slowed(TEN, meter, NOW - 400, NOW + 10) == meter
    assert slowed(TEN, meter, NOW, NOW + 10) == meter
    assert paced(TEN, slowed(TEN, meter, NOW + 1, NOW + 10)).rate == 2.5


@pytest.mark.parametrize(
    ("rate", "least"), [(640.0, 10.0), (10.0, 10 / 64), (0.5, 1 / 60), (1 / 60, 1 / 60), (0.01, 0.01)]
)
def test_the_pace_has_a_floor(rate: float, least: float) -> None:
    limit, meter = Limit(rate, 5), Meter()
    for n in range(20):
        meter = slowed(limit, meter, NOW + n, NOW + n)
    assert paced(limit, meter).rate == pytest.approx(least, rel=1e-3)
    assert grant(limit, meter, NOW, 9).slots >= 1


def test_it_comes_back_a_step_for_each_minute_with_an_answer() -> None:
    meter = slowed(TEN, Meter(), NOW, NOW)
    assert eased(meter, NOW + MINUTE - 1) == meter
    now = NOW
    for _ in range(10):
        assert paced(TEN, meter).rate < 10
        now += MINUTE
        meter = eased(eased(meter, now), now + 1)  # one step, however many answers
    assert paced(TEN, meter) == TEN
    assert eased(meter, now + HOUR) == meter


def test_idle_hours_bring_one_step_only() -> None:
    meter = slowed(TEN, Meter(), NOW, NOW)
    assert paced(TEN, eased(meter, NOW + 10 * HOUR)).rate == 5.5


def test_a_clock_set_back_neither_keeps_the_pace_down_nor_ignores_refusals() -> None:
    meter = slowed(TEN, Meter(), NOW, NOW)
    earlier = NOW - HOUR
    assert eased(meter, earlier).pace > meter.pace
    assert slowed(TEN, meter, earlier - 10, earlier).pace < meter.pace


@given(st.lists(st.tuples(st.sampled_from("gse"), st.integers(0, 20_000)), max_size=40), limits)
def test_whatever_the_pace_did_the_limit_holds(events: list[tuple[str, int]], limit: Limit) -> None:
    now, meter, granted = NOW, Meter(), []
    for event, step in events:
        now += step
        if event == "s":
            meter = slowed(limit, meter, now, now)
        elif event == "e":
            meter = eased(meter, now)
        got = grant(limit, meter, now, 10)
        meter = got.meter
        granted.append((now, got.slots))
        assert min(limit.rate, 1 / 60.1) <= paced(limit, meter).rate <= limit.rate
        assert 1 <= paced(limit, meter).burst <= limit.burst
    assert kept(limit, granted)


# --- the budget of a day


def spend(limit: Limit, meter: Meter, now: int, wanted: int) -> tuple[int, Meter]:
    got = grant(limit, meter, now, wanted)
    return got.slots, got.meter


def test_the_budget_is_of_the_day_in_utc() -> None:
    limit = Limit(1000.0, 1000, daily=7)
    first = grant(limit, Meter(), MIDNIGHT + HOUR, 5)
    assert first.next_at == MIDNIGHT + HOUR
    second = grant(limit, first.meter, MIDNIGHT + 2 * HOUR, 5)
    assert (second.slots, second.next_at) == (2, MIDNIGHT + DAY)
    assert spend(limit, second.meter, MIDNIGHT + DAY - 1, 5)[0] == 0
    assert spend(limit, second.meter, MIDNIGHT + DAY, 5)[0] == 5


def test_charges_count_against_the_budget() -> None:
    limit = Limit(1000.0, 1000, daily=7)
    meter = charge(limit, Meter(), 5, MIDNIGHT)
    assert spend(limit, meter, MIDNIGHT + HOUR, 5)[0] == 2
    assert spend(limit, charge(limit, meter, 9, MIDNIGHT), MIDNIGHT + HOUR, 5)[0] == 0


def test_a_clock_set_back_over_midnight_by_little_gives_no_second_budget() -> None:
    limit = Limit(1000.0, 1000, daily=7)
    _, meter = spend(limit, Meter(), MIDNIGHT + MINUTE, 7)
    for at in (MIDNIGHT - MINUTE, MIDNIGHT, MIDNIGHT + HOUR, MIDNIGHT + DAY - 1):
        slots, meter = spend(limit, meter, at, 5)
        assert slots == 0
    assert spend(limit, meter, MIDNIGHT + DAY, 5)[0] == 5


@given(st.integers(-400 * DAY, 400 * DAY), st.integers(0, DAY))
def test_no_jump_of_the_clock_silences_for_much_more_than_a_day(jump: int, into: int) -> None:
    limit = Limit(1000.0, 1000, daily=7)
    at = MIDNIGHT + into
    _, meter = spend(limit, Meter(), at, 7)
    got = grant(limit, meter, at + jump, 5)
    assert got.next_at <= at + jump + DAY + HOUR
    assert grant(limit, got.meter, got.next_at, 1).slots == 1 or got.slots == 5


@given(st.lists(st.tuples(st.integers(0, DAY // 3), st.integers(0, 5)), max_size=40))
def test_never_more_than_the_budget_in_any_day(asked: list[tuple[int, int]]) -> None:
    limit, now, meter = Limit(1000.0, 1000, daily=7), NOW, Meter()
    days: dict[int, int] = {}
    for step, wanted in asked:
        now += step
        slots, meter = spend(limit, meter, now, wanted)
        days[now // DAY] = days.get(now // DAY, 0) + slots
    assert all(slots <= 7 for slots in days.values())


def test_what_can_be_kept_up_is_the_pace_or_what_the_budget_leaves() -> None:
    noon = MIDNIGHT + 12 * HOUR
    assert sustained(TEN, slowed(TEN, Meter(), noon, noon), noon) == 5.0
    limit = Limit(10.0, 5, daily=43_200 + 1000)
    meter = charge(limit, Meter(), 1000, noon)
    assert sustained(limit, meter, noon) == pytest.approx(1.0)
    assert 0 < sustained(limit, charge(limit, meter, 10**6, noon), noon) < 0.001
    assert sustained(limit, meter, MIDNIGHT + DAY - 1) == 10.0


# --- several processes


def draw(path: Path, visits: int, out: "multiprocessing.Queue[list[tuple[int, int]]]") -> None:
    """One process of several: every visit is a read and a write of the meter under the database's lock.

    The time is simulated and shared, too: each visit is some milliseconds after the one before, whoever made it.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=60)
    granted = []
    for n in range(visits):
        db.execute("BEGIN IMMEDIATE")
        now, *state = db.execute("SELECT now, tat, pace, slowed_at, eased_at, day, spent FROM meter").fetchone()
        now += (n * 37) % 90
        got = grant(TEN, Meter(*state), now, 3)
        db.execute("UPDATE meter SET now=?, tat=?, pace=?, slowed_at=?, eased_at=?, day=?, spent=?", (now, *got.meter))
        db.execute("COMMIT")
        granted.append((now, got.slots))
    db.close()
    out.put(granted)


def test_processes_that_share_one_row_keep_the_limit_together(tmp_path: Path) -> None:
    path = tmp_path / "meter.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("CREATE TABLE meter (now, tat, pace, slowed_at, eased_at, day, spent) ")
    db.execute("INSERT INTO meter VALUES (?, ?, ?, ?, ?, ?, ?)", (NOW, *Meter()))
    db.close()
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    processes = [context.Process(target=draw, args=(path, 100, out)) for _ in range(3)]
    for process in processes:
        process.start()
    granted = sorted(visit for _ in processes for visit in out.get(timeout=60))
    for process in processes:
        process.join()
    assert len(granted) == 300
    assert kept(TEN, granted)
    total, stretch = sum(slots for _, slots in granted), (granted[-1][0] - granted[0][0]) / 1000
    assert total >= 0.98 * stretch * TEN.rate
