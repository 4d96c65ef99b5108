"""When the next poll pays best, that the cadence bounds the requests, and what the delay per request does."""

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from worker.core.schedule.cadence import JITTER, Cadence, Schedule
from worker.core.schedule.credit import (
    MOST_CREDIT_REQUESTS,
    Planned,
    Polled,
    cadence_polls,
    credit_of,
    plan,
    with_credit,
)
from worker.core.schedule.delay_per_request import Load, delay_after, outdated
from worker.core.schedule.hazard import BINS, EDGES_MS, EndCounts, HazardCurve, bin_of, hazard_curve
from worker.core.schedule.inspection import next_poll, reason_in_words
from worker.core.schedule.prior import cadence_wait, prior
from worker.core.schedule.state import ScheduleState

MIN, HOUR, DAY = 60_000, 3_600_000, 86_400_000
S = Schedule()
DELAY = 20_000.0
PRIOR = hazard_curve(EndCounts(), prior(S, DELAY))


def even(per: float) -> HazardCurve:
    """One end per so many ms, at any age."""
    return HazardCurve((1 / per,) * BINS)


def planned(task: Polled, curve: HazardCurve, delay: float = DELAY, credit: int = 0) -> Planned:
    return plan(task, curve, ScheduleState(delay, credit), S)


def account(credit: int, change: int) -> int:
    return with_credit(ScheduleState(0, credit), change).credit


def test_the_best_look_by_hand() -> None:
    choice = next_poll(100_000, even(HOUR), DELAY, 1, DAY)
    assert choice.wait == pytest.approx(373_000, rel=0.02)
    assert choice.likely == pytest.approx(0.098, abs=0.002)
    assert choice.waited == pytest.approx(18_700, rel=0.04)


@pytest.mark.parametrize("delay", [100.0, 1_000.0, 5_000.0])
def test_where_waits_are_short_beside_the_hazard_it_is_w_equals_the_delay(delay: float) -> None:
    assert next_poll(HOUR, even(DAY), delay, 1, DAY).waited == pytest.approx(delay, rel=0.03)


def test_it_looks_when_the_quick_ones_are_over_not_when_the_slow_ones_add_up() -> None:
    """Nine in ten end within 30 s, the others in a day; W reaches the delay of 60 s after more than a minute."""
    curve = HazardCurve(tuple(1 / 12_000 if edge < 30_000 else 1 / DAY for edge in EDGES_MS[:BINS]))
    choice = next_poll(0, curve, 60_000.0, 5_000, HOUR)
    assert 20_000 < choice.wait <= 32_000
    assert curve.outlook(0, 65_000)[1] < 60_000


curves = st.lists(st.floats(1e-9, 1e-3), min_size=BINS, max_size=BINS).map(lambda h: HazardCurve(tuple(h)))
delays = st.floats(100, 1e7)


@given(curves, delays, st.integers(0, 10 * DAY), st.floats(0, 1))
def test_no_other_poll_pays_better(curve: HazardCurve, delay: float, known: int, where: float) -> None:
    def cost(age: float) -> float:
        likely, waited = curve.outlook(known, age)
        return (delay + waited) / likely if likely > 0 else float("inf")

    choice = next_poll(known, curve, delay, 1, 6 * HOUR)
    other = known + 1 + (6 * HOUR - 1) * where**4
    assert cost(known + choice.wait) <= cost(other) * 1.001


@given(curves, delays, st.integers(0, 50 * DAY), st.integers(1, HOUR), st.integers(0, DAY))
def test_the_bounds_hold(curve: HazardCurve, delay: float, known: int, shortest: int, more: int) -> None:
    choice = next_poll(known, curve, delay, shortest, shortest + more)
    assert shortest - 1 <= choice.wait <= shortest + more + 1


@given(curves, st.integers(0, DAY), delays)
def test_a_dearer_request_never_comes_sooner(curve: HazardCurve, known: int, delay: float) -> None:
    cheap, dear = (next_poll(known, curve, p, 1, DAY).wait for p in (delay, 3 * delay))
    assert dear >= cheap - 1 - known * 0.003 - cheap * 0.01


def test_before_there_is_history_it_is_the_written_cadence() -> None:
    age = 0
    for polls in range(60):
        choice = planned(Polled("t", polls, age), PRIOR).choice
        age += choice.wait
        assert cadence_polls(S, 0, age) == polls + 1
        assert cadence_polls(S, 0, age / (1 + JITTER) - 1) <= polls


def test_the_prior_by_hand() -> None:
    assert PRIOR.hazards[bin_of(90 * MIN)] == pytest.approx(2 * 20 / 900**2 / 1000, rel=0.03)


@pytest.mark.parametrize("schedule", [S, Schedule(Cadence(1_000, 2.0, 300_000, 0.0)), Schedule(Cadence(share=0.5))])
@given(entry=st.integers(0, 40 * DAY))
def test_looks_are_counted_as_they_would_be_made(schedule: Schedule, entry: int) -> None:
    first = [0.0]
    for _ in range(40):
        first.append(first[-1] + cadence_wait(schedule, first[-1]))
        assert cadence_polls(schedule, 0, first[-1] + 1) == len(first) - 1
        assert cadence_polls(schedule, 0, first[-1] - 1) == len(first) - 2
    assert cadence_polls(schedule, entry, entry) == 0
    assert cadence_polls(schedule, entry, entry + cadence_wait(schedule, 0) + 1) == 1


def test_the_account_by_hand() -> None:
    assert credit_of(S, 0, 0, 17_000) == 0
    assert credit_of(S, 0, 0, 17_000, end=15_000) == 1
    assert credit_of(S, 0, 0, 50_000) == 2
    assert credit_of(S, 0, 10_000, 17_000) == 0
    assert credit_of(S, 0, 10_000, 17_000, end=15_000) == 1  # what it cost
    assert (account(0, -5), account(3, 4), account(10**9, 4)) == (-5, 7, MOST_CREDIT_REQUESTS)
    assert planned(Polled("x", 1, 10_000), even(HOUR), credit=-5).state.credit == -5


lives = st.lists(st.tuples(st.integers(1, 3 * DAY), st.integers(0, 3)), min_size=1, max_size=6)


@examples(60)
@given(lives, st.lists(curves, min_size=4, max_size=4), st.lists(st.floats(50, 1e6), min_size=3, max_size=3))
def test_never_more_requests_than_the_written_cadence(
    tasks: list[tuple[int, int]], believed: list[HazardCurve], paid: list[float]
) -> None:
    """Whatever is believed, whatever happens, and however the delay moves; in any order of the polls."""
    credit = made = by_cadence = 0
    states = [[0, 0, kind] for _, kind in tasks]  # age when last seen, polls, class
    due: list[tuple[int, int]] = []
    for number, (_, kind) in enumerate(tasks):
        first = planned(Polled(str(number), 0, 0), believed[kind], paid[0], credit)
        credit = first.state.credit
        due.append((first.choice.wait, number))
    while due and made < 400:
        due.sort()
        age, number = due.pop(0)
        lasts, kind = tasks[number]
        known, polls, _ = states[number]
        made += 1
        ended = age >= lasts
        credit = account(credit, credit_of(S, 0, known, age, lasts if ended else None))
        assert credit >= 0
        states[number] = [age, polls + 1, kind]
        if not ended:
            after = planned(Polled(str(number), polls + 1, age), believed[(kind + polls) % 4], paid[made % 3], credit)
            assert 0 <= after.state.credit <= credit
            credit = after.state.credit
            due.append((age + after.choice.wait, number))
    pending = {number for _, number in due}
    for number, (lasts, _) in enumerate(tasks):
        seen = states[number][0]
        by_cadence += cadence_polls(S, 0, seen) if number in pending else cadence_polls(S, 0, lasts - 1) + 1
    assert made <= by_cadence


def test_a_task_recorded_late_is_planned_from_then() -> None:
    late = planned(Polled("t", 0, 0, 3 * HOUR), PRIOR)
    assert 10_000 <= late.choice.wait <= 10_000 * (1 + JITTER) + 1


def test_a_million_requests_spared_still_keep_the_shortest_wait() -> None:
    eager = planned(Polled("t", 3, HOUR), even(1_000), 1.0, 10**5)
    assert (eager.choice.wait, eager.state.credit) == (S.min_interval, 10**5 - 1)


def test_the_price_by_hand() -> None:
    assert delay_after(50_000, Load(1000, 10, 0, 2), 10.0, DELAY) == pytest.approx(50_000 * 1.005_17, rel=1e-4)
    assert delay_after(50_000, Load(1000, 0, 0, 0), 10.0, DELAY) == pytest.approx(50_000 * exp(-0.02))
    assert delay_after(50_000, Load(1000, 1, 0, 28), 10.0, DELAY) == pytest.approx(50_000 * exp(0.02)), "no steeper"
    assert delay_after(20_100, Load(1000, 0, 0, 0), 10.0, DELAY) == DELAY
    assert delay_after(1_000, Load(0, 0, 0, 0), 10.0, DELAY) == DELAY


@given(delays, st.integers(1, 10**9), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_price_stays_between_floor_and_a_day(
    delay: float, elapsed: int, spent: int, before: int, backlog: int
) -> None:
    assert DELAY <= delay_after(delay, Load(elapsed, spent, before, backlog), 1.0, DELAY) <= DAY


@pytest.mark.parametrize("wanted", [15.0, 40.0, 300.0])
def test_the_price_settles_where_demand_meets_the_limit(wanted: float) -> None:
    """Demand falls with the square root of the delay: it is ``wanted`` a second at the floor, 10 are allowed."""
    delay, backlog, spent = DELAY, 0.0, []
    for _ in range(3_000):
        fell_due = wanted * (DELAY / delay) ** 0.5
        made = min(10.0, backlog + fell_due)
        load = Load(1000, round(made), round(backlog), round(backlog + fell_due - made))
        backlog += fell_due - made
        delay = delay_after(delay, load, 10.0, DELAY)
        spent.append(made)
    demand = wanted * (DELAY / delay) ** 0.5
    assert 4.5 < demand < 10.2  # at least 0.47 of the limit, while a great backlog is worked off
    assert sum(spent[1_000:]) / 2_000 >= 9.8
    if wanted < 100:
        assert demand > 9.5
        assert backlog / 10 < 10


def test_the_backlog_of_an_outage_does_not_silence_the_schedule() -> None:
    """100,000 polls are due at once: they are worked off, and the delay does not run away meanwhile."""
    delay, backlog = DELAY, 100_000.0
    for _ in range(5_000):
        fell_due = 5 * (DELAY / delay) ** 0.5
        load = Load(1000, 10, round(backlog), round(backlog + fell_due - 10))
        backlog += fell_due - 10
        delay = delay_after(delay, load, 10.0, DELAY)
    assert delay == pytest.approx(DELAY * (5 / 4.7) ** 2, rel=0.01)  # new demand is 0.47 of the limit then
    assert backlog == pytest.approx(100_000 - 5_000 * (10 - 4.7), rel=0.01)


def test_only_a_much_lower_price_outdates_a_plan() -> None:
    assert (outdated(20_000, 21_000), outdated(20_000, 23_000), outdated(30_000, 20_000)) == (False, True, False)


def test_people_are_told_why() -> None:
    made = planned(Polled("t", 3, 5 * MIN), PRIOR)
    line = reason_in_words(made.choice, "rtcob", 5 * MIN, DELAY)
    assert line.startswith("still pending at the age of 5 min, class rtcob: ")
    assert line.endswith("a delay per request of 20 s") or "as the cadence says" in line
    assert "%" in line
    assert "not polled yet" in reason_in_words(made.choice, "unseen", 0, DELAY)
    eager = planned(Polled("t", 3, HOUR), even(1_000), 1.0)
    assert "as the cadence says" in reason_in_words(eager.choice, "quick", HOUR, DELAY)


def test_people_are_told_how_long_a_result_that_is_found_has_waited() -> None:
    """Of tasks that end after an hour on average, polled after 373 s, 10 % have finished; those have waited half of it.

    Played out: the ends of a thousand tasks, evenly over the chance.
    """
    choice = next_poll(0.0, even(HOUR), DELAY, 1.0, 6 * HOUR)
    ends = [-HOUR * log(1 - (n + 0.5) / 100_000) for n in range(100_000)]
    waited = [choice.wait - end for end in ends if end <= choice.wait]
    assert len(waited) / len(ends) == pytest.approx(choice.likely, rel=0.01)
    mean_s = sum(waited) / len(waited) / 1000
    assert mean_s == pytest.approx(190, abs=3)
    line = reason_in_words(choice, "quick", 0, DELAY)
    assert "6 min 12 s later it has finished with a chance of 10%, and has then waited 3 min 9 s on average" in line
