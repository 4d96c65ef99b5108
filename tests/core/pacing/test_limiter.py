"""The limiter never grants more than rate, burst and budget allow, and wastes nothing when there is work."""

import multiprocessing
import sqlite3
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.pacing.limiter import (
    DAY_MS,
    FULL_PACE_PPM,
    HOUR_MS,
    MINUTE_MS,
    LimiterState,
    RateLimit,
    charge,
    eased,
    full_pace_in,
    grant,
    paced,
    slowed,
    sustained,
)

NOW = 1_700_000_000_000
MIDNIGHT = NOW // DAY_MS * DAY_MS
TEN = RateLimit(10.0, 5)

steps = st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 20)), max_size=60)
limits = st.builds(RateLimit, st.floats(0.05, 500), st.integers(1, 50), st.none())


def kept(limit: RateLimit, granted: list[tuple[int, int]]) -> bool:
    """Whether over every stretch from one grant to another there were at most rate * T + burst slots."""
    for i in range(len(granted)):
        total = 0
        for at, slots in granted[i:]:
            total += slots
            if total > limit.burst + (at - granted[i][0]) / 1000 * limit.rate + 1e-6:
                return False
    return True


@given(limits, steps)
def test_never_more_than_rate_and_burst_over_any_stretch(limit: RateLimit, asked: list[tuple[int, int]]) -> None:
    now, limiter, granted = NOW, LimiterState(), []
    for step, wanted in asked:
        now += step
        got = grant(limit, limiter, now, wanted)
        assert 0 <= got.slots <= wanted
        limiter = got.limiter
        granted.append((now, got.slots))
    assert kept(limit, granted)


@pytest.mark.parametrize("burst", [1, 2, 3])
def test_nor_over_any_stretch_of_every_small_run(burst: int) -> None:
    """All runs of four visits, 0 to 2.5 spacings apart, wanting 0 to 4."""
    limit = RateLimit(10.0, burst)
    for waits in product((0, 50, 100, 250), repeat=4):
        for wanted in product((0, 1, 4), repeat=4):
            now, limiter, granted = NOW, LimiterState(), []
            for wait, want in zip(waits, wanted, strict=True):
                now += wait
                got = grant(limit, limiter, now, want)
                limiter = got.limiter
                granted.append((now, got.slots))
            assert kept(limit, granted)


@given(limits, steps, st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_what_is_charged_is_taken_off_the_slots_that_follow(
    limit: RateLimit, asked: list[tuple[int, int]], extra: list[int]
) -> None:
    """Up to each grant, slots and charges together are within the limit."""
    now, limiter, used = NOW, LimiterState(), 0
    for (step, wanted), more in zip(asked, extra, strict=False):
        now += step
        got = grant(limit, limiter, now, wanted)
        used += got.slots
        if got.slots:
            assert used <= limit.burst + (now - NOW) / 1000 * limit.rate + 1e-6
        limiter = charge(limit, got.limiter, more, now)
        used += more


def test_a_charge_after_a_rest_is_felt() -> None:
    rested = grant(TEN, LimiterState(), NOW - HOUR_MS, 5).limiter
    assert grant(TEN, charge(TEN, rested, 3, NOW), NOW, 9).slots == 2


@given(limits, st.integers(0, 10**6), st.integers(1, FULL_PACE_PPM))
def test_the_promised_instant_has_a_slot_and_the_one_before_has_none(limit: RateLimit, ahead: int, pace: int) -> None:
    limiter = LimiterState(pace=pace)
    now_paced = paced(limit, limiter)
    limiter = limiter._replace(tat_us=NOW * 1000 + min(ahead, now_paced.burst * now_paced.spacing_us))
    at = grant(limit, limiter, NOW, 0).next_at
    assert grant(limit, limiter, at, 1).slots == 1
    if at > NOW:
        assert grant(limit, limiter, at - 1, 1).slots == 0


def used_in_a_minute(limit: RateLimit, late: float) -> float:
    """The share of the limit that is used from an empty bucket, with work waiting and each wake-up ``late`` spacings
    late."""
    now, total = NOW, 0
    limiter = grant(limit, LimiterState(), now, limit.burst).limiter
    while (now := grant(limit, limiter, now, 0).next_at + round(late * limit.spacing_us / 1000)) <= NOW + 60_000:
        got = grant(limit, limiter, now, 10**6)
        limiter, total = got.limiter, total + got.slots
    return total / (limit.rate * 60)


@pytest.mark.parametrize("rate", [1.0, 7.0, 10.0, 100.0])
@pytest.mark.parametrize(("burst", "late"), [(1, 0.0), (2, 0.0), (2, 1.0), (5, 1.0), (5, 4.0), (20, 19.0)])
def test_lateness_within_the_burst_costs_nothing(rate: float, burst: int, late: float) -> None:
    # The work of the last, late spacings of the minute falls into the next one; a millisecond is the finest wake-up.
    grains = (late + 1) / (rate * 60) + rate / 1000 * (burst == 1)
    assert used_in_a_minute(RateLimit(rate, burst), late) >= 1 - grains - 0.001


def test_what_the_docstring_says_of_lateness() -> None:
    assert used_in_a_minute(TEN, 4.0) >= 0.98
    assert used_in_a_minute(TEN, 8.0) < 0.6
    assert used_in_a_minute(RateLimit(10.0, 1), 0.02) >= 0.98
    assert used_in_a_minute(RateLimit(10.0, 1), 0.05) < 0.96
    assert used_in_a_minute(RateLimit(10.0, 1), 1.0) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("rate", [0.3, 3.0, 333.0, 3000.0, 7000.0, 10_000.0])
def test_no_rounding_grants_more_than_the_rate(rate: float) -> None:
    assert 0.98 * rate <= 1e6 / RateLimit(rate, 1).spacing_us <= rate * (1 + 1e-12)


def test_the_rate_by_hand() -> None:
    first = grant(TEN, LimiterState(), NOW, 9)
    assert (first.slots, first.next_at, first.limiter.tat_us) == (5, NOW + 100, (NOW + 500) * 1000)


def test_a_clock_set_back_does_not_silence_the_poller() -> None:
    limit = RateLimit(1.0, 5)
    later = grant(limit, LimiterState(), NOW, 5)
    earlier = NOW - 3_600_000
    assert grant(limit, later.limiter, earlier, 1).next_at <= earlier + 1000


# --- the pace


def test_a_refusal_halves_the_pace_and_the_burst_at_once() -> None:
    limiter = slowed(TEN, LimiterState(), NOW - 500, NOW)
    assert paced(TEN, limiter) == RateLimit(5.0, 2)
    assert grant(TEN, limiter, NOW, 9).slots == 2


def test_one_halving_for_all_requests_that_were_let_go_before_it() -> None:
    limiter = slowed(TEN, LimiterState(), NOW - 500, NOW)
    assert slowed(TEN, limiter, NOW - 400, NOW + 10) == limiter
    assert slowed(TEN, limiter, NOW, NOW + 10) == limiter
    assert paced(TEN, slowed(TEN, limiter, NOW + 1, NOW + 10)).rate == 2.5


@pytest.mark.parametrize(
    ("rate", "least"), [(640.0, 10.0), (10.0, 10 / 64), (0.5, 1 / 60), (1 / 60, 1 / 60), (0.01, 0.01)]
)
def test_the_pace_has_a_floor(rate: float, least: float) -> None:
    limit, limiter = RateLimit(rate, 5), LimiterState()
    for n in range(20):
        limiter = slowed(limit, limiter, NOW + n, NOW + n)
    assert paced(limit, limiter).rate == pytest.approx(least, rel=1e-3)
    assert grant(limit, limiter, NOW, 9).slots >= 1


def test_it_comes_back_a_step_for_each_minute_with_an_answer() -> None:
    limiter = slowed(TEN, LimiterState(), NOW, NOW)
    assert eased(TEN, limiter, NOW + MINUTE_MS - 1) == limiter
    now = NOW
    for _ in range(10):
        assert paced(TEN, limiter).rate < 10
        now += MINUTE_MS
        limiter = eased(TEN, eased(TEN, limiter, now), now + 1)  # one step, however many answers
    assert paced(TEN, limiter) == TEN
    assert eased(TEN, limiter, now + HOUR_MS) == limiter


def test_idle_hours_bring_one_step_only() -> None:
    limiter = slowed(TEN, LimiterState(), NOW, NOW)
    assert paced(TEN, eased(TEN, limiter, NOW + 10 * HOUR_MS)).rate == 5.5


def test_a_clock_set_back_neither_keeps_the_pace_down_nor_ignores_refusals() -> None:
    limiter = slowed(TEN, LimiterState(), NOW, NOW)
    earlier = NOW - HOUR_MS
    assert eased(TEN, limiter, earlier).pace > limiter.pace
    assert slowed(TEN, limiter, earlier - 10, earlier).pace < limiter.pace


@given(st.lists(st.tuples(st.sampled_from("gse"), st.integers(0, 20_000)), max_size=40), limits)
def test_whatever_the_pace_did_the_limit_holds(events: list[tuple[str, int]], limit: RateLimit) -> None:
    now, limiter, granted = NOW, LimiterState(), []
    for event, step in events:
        now += step
        if event == "s":
            limiter = slowed(limit, limiter, now, now)
        elif event == "e":
            limiter = eased(TEN, limiter, now)
        got = grant(limit, limiter, now, 10)
        limiter = got.limiter
        granted.append((now, got.slots))
        assert min(limit.rate, 1 / 60.1) <= paced(limit, limiter).rate <= limit.rate
        assert 1 <= paced(limit, limiter).burst <= limit.burst
    assert kept(limit, granted)


# --- the budget of a day


def spend(limit: RateLimit, limiter: LimiterState, now: int, wanted: int) -> tuple[int, LimiterState]:
    got = grant(limit, limiter, now, wanted)
    return got.slots, got.limiter


def test_the_budget_is_of_the_day_in_utc() -> None:
    limit = RateLimit(1000.0, 1000, daily=7)
    first = grant(limit, LimiterState(), MIDNIGHT + HOUR_MS, 5)
    assert first.next_at == MIDNIGHT + HOUR_MS
    second = grant(limit, first.limiter, MIDNIGHT + 2 * HOUR_MS, 5)
    assert (second.slots, second.next_at) == (2, MIDNIGHT + DAY_MS)
    assert spend(limit, second.limiter, MIDNIGHT + DAY_MS - 1, 5)[0] == 0
    assert spend(limit, second.limiter, MIDNIGHT + DAY_MS, 5)[0] == 5


def test_charges_count_against_the_budget() -> None:
    limit = RateLimit(1000.0, 1000, daily=7)
    limiter = charge(limit, LimiterState(), 5, MIDNIGHT)
    assert spend(limit, limiter, MIDNIGHT + HOUR_MS, 5)[0] == 2
    assert spend(limit, charge(limit, limiter, 9, MIDNIGHT), MIDNIGHT + HOUR_MS, 5)[0] == 0


def test_a_clock_set_back_over_midnight_by_little_gives_no_second_budget() -> None:
    limit = RateLimit(1000.0, 1000, daily=7)
    _, limiter = spend(limit, LimiterState(), MIDNIGHT + MINUTE_MS, 7)
    for at in (MIDNIGHT - MINUTE_MS, MIDNIGHT, MIDNIGHT + HOUR_MS, MIDNIGHT + DAY_MS - 1):
        slots, limiter = spend(limit, limiter, at, 5)
        assert slots == 0
    assert spend(limit, limiter, MIDNIGHT + DAY_MS, 5)[0] == 5


@given(st.integers(-400 * DAY_MS, 400 * DAY_MS), st.integers(0, DAY_MS))
def test_no_jump_of_the_clock_silences_for_much_more_than_a_day(jump: int, into: int) -> None:
    limit = RateLimit(1000.0, 1000, daily=7)
    at = MIDNIGHT + into
    _, limiter = spend(limit, LimiterState(), at, 7)
    got = grant(limit, limiter, at + jump, 5)
    assert got.next_at <= at + jump + DAY_MS + HOUR_MS
    assert grant(limit, got.limiter, got.next_at, 1).slots == 1 or got.slots == 5


@given(st.lists(st.tuples(st.integers(0, DAY_MS // 3), st.integers(0, 5)), max_size=40))
def test_never_more_than_the_budget_in_any_day(asked: list[tuple[int, int]]) -> None:
    limit, now, limiter = RateLimit(1000.0, 1000, daily=7), NOW, LimiterState()
    days: dict[int, int] = {}
    for step, wanted in asked:
        now += step
        slots, limiter = spend(limit, limiter, now, wanted)
        days[now // DAY_MS] = days.get(now // DAY_MS, 0) + slots
    assert all(slots <= 7 for slots in days.values())


def test_what_can_be_kept_up_is_the_pace_or_what_the_budget_leaves() -> None:
    noon = MIDNIGHT + 12 * HOUR_MS
    assert sustained(TEN, slowed(TEN, LimiterState(), noon, noon), noon) == 5.0
    limit = RateLimit(10.0, 5, daily=43_200 + 1000)
    limiter = charge(limit, LimiterState(), 1000, noon)
    assert sustained(limit, limiter, noon) == pytest.approx(1.0)
    assert 0 < sustained(limit, charge(limit, limiter, 10**6, noon), noon) < 0.001
    assert sustained(limit, limiter, MIDNIGHT + DAY_MS - 1) == 10.0


# --- several processes


def draw(path: Path, visits: int, out: "multiprocessing.Queue[list[tuple[int, int]]]") -> None:
    """One process of several: every visit is a read and a write of the limiter under the database's lock.

    The time is simulated and shared, too: each visit is some milliseconds after the one before, whoever made it.
    """
    db = sqlite3.connect(path, isolation_level=None, timeout=60)
    granted = []
    for n in range(visits):
        db.execute("BEGIN IMMEDIATE")
        now, *state = db.execute("SELECT now, tat_us, pace, slowed_at, eased_at, day, spent FROM limiter").fetchone()
        now += (n * 37) % 90
        got = grant(TEN, LimiterState(*state), now, 3)
        db.execute(
            "UPDATE limiter SET now=?, tat_us=?, pace=?, slowed_at=?, eased_at=?, day=?, spent=?", (now, *got.limiter)
        )
        db.execute("COMMIT")
        granted.append((now, got.slots))
    db.close()
    out.put(granted)


def test_processes_that_share_one_row_keep_the_limit_together(tmp_path: Path) -> None:
    path = tmp_path / "limiter.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("CREATE TABLE limiter (now, tat_us, pace, slowed_at, eased_at, day, spent) ")
    db.execute("INSERT INTO limiter VALUES (?, ?, ?, ?, ?, ?, ?)", (NOW, *LimiterState()))
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


def test_when_the_pace_is_full_again_is_told_as_it_comes() -> None:
    limiter, now = slowed(TEN, slowed(TEN, LimiterState(), NOW, NOW), NOW + 1, NOW + 1), NOW + 1
    assert full_pace_in(TEN, limiter, now) == 15 * MINUTE_MS
    told = now + 15 * MINUTE_MS
    while limiter.pace < FULL_PACE_PPM:
        assert full_pace_in(TEN, limiter, now + 20_000) == told - now - 20_000
        now += MINUTE_MS
        limiter = eased(TEN, limiter, now)
    assert (now, full_pace_in(TEN, limiter, now)) == (told, None)
    late = limiter._replace(pace=FULL_PACE_PPM // 2, eased_at=now - HOUR_MS)
    assert full_pace_in(TEN, late, now) == 9 * MINUTE_MS, "a step is overdue, and no more than one"


def test_a_pace_recovers_faster_where_its_steps_are_shorter() -> None:
    quick = TEN._replace(step_ms=1000)
    limiter = slowed(quick, LimiterState(), NOW, NOW)
    assert eased(quick, limiter, NOW + 999) == limiter
    assert eased(quick, limiter, NOW + 1000).pace > limiter.pace
    assert full_pace_in(quick, limiter, NOW) == 10_000
    assert paced(quick, limiter).step_ms == 1000
