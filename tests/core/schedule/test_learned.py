"""The learned schedule at work: what teaches it and what does not, what it plans, and what it costs."""

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.database import NOW, SCHEDULE, concluded
from worker.core.pacing.shared import Shared
from worker.core.schedule.credit import Polled, cadence_polls, plan
from worker.core.schedule.hazard import BINS, EndCounts, HazardCurve, Observation, bin_of, together
from worker.core.schedule.learned import LearnedPlanner, explain
from worker.core.schedule.state import ScheduleState
from worker.core.task import PollPlan, Task
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Concluded, Garbled, Pending, Rejected, Reply, Unknown, Unreachable
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import api, curves

FLOOR = 20_000
MIN, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DONE = concluded({"id": "t", "status": "success"})

# A task recorded a minute ago, and not polled since.
FRESH = Task(1, "t", "pending", NOW - MIN, NOW - MIN, due_at=NOW)
# The same, seen pending half a minute ago.
SEEN = FRESH._replace(
    pending_at=NOW - MIN // 2, task_class="quick", reason="learned", polls=1, delay_per_request_ms=FLOOR
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cdpoll.db", create=True) as opened:
        yield opened


class Way:
    """A planner, and the state as poll passes keep it: each poll is settled, stored and learned from at once."""

    def __init__(self, curves: Mapping[str, EndCounts] | None = None, delay: float = FLOOR, credit: int = 0) -> None:
        self.before = dict(curves or {})
        self.planner = LearnedPlanner(SCHEDULE, FLOOR, self.before)
        self.state = ScheduleState(delay, credit)

    def heard(self, task: Task, reply: Reply, now: int) -> None:
        seen = self.planner.observe(task, reply, now)
        if seen is not None:
            self.state = self.planner.settle(task, seen, self.state, now)
            self.planner.learn([seen])

    def next_poll(self, task: Task, now: int) -> PollPlan:
        plan, self.state = self.planner.plan(task, self.state, now)
        return plan

    def first_wait(self) -> int:
        return self.planner.refresh(self.state).first_wait_ms or 0

    @property
    def curves(self) -> dict[str, EndCounts]:
        since = self.planner.since().items()
        return self.before | {name: together(self.before.get(name, EndCounts()), one) for name, one in since}


def ended(at: int | None) -> Concluded:
    return Concluded(replace(DONE.document, ended_at=at))


# --- what teaches


def test_pending_is_time_watched_and_a_conclusion_is_an_end() -> None:
    way = Way()
    way.heard(SEEN, Pending(), NOW)
    curve = way.curves["quick"]
    assert (sum(curve.ended), round(sum(curve.under))) == (0, MIN // 2)
    way.heard(SEEN, ended(NOW - 10_000), NOW)
    curve = way.curves["quick"]
    assert curve.ended[bin_of(50_000)] == 1
    assert round(sum(curve.under) / 1000) == 30 + 20
    assert way.planner.since().keys() == {"quick"}


def test_an_end_before_the_start_is_none() -> None:
    way, blind = Way(), Way()
    way.heard(SEEN, ended(NOW - DAY), NOW)
    blind.heard(SEEN, ended(None), NOW)
    assert (way.curves, way.state) == (blind.curves, blind.state)
    assert sum(way.curves["quick"].ended) == pytest.approx(1)


@pytest.mark.parametrize("reply", [Unreachable("timeout"), Garbled("html"), Unknown(), Rejected("http_422")])
def test_what_tells_nothing_of_the_discovery_teaches_nothing(reply: Reply) -> None:
    way = Way()
    way.heard(SEEN, reply, NOW)
    assert (way.curves, way.state) == ({}, ScheduleState(FLOOR, 0))


@pytest.mark.parametrize("reply", [Pending(), DONE])
def test_nor_does_a_task_with_a_fresh_start_or_one_that_nobody_polls(reply: Reply) -> None:
    way = Way()
    way.heard(SEEN._replace(life_from=NOW - 1_000), reply, NOW)
    way.heard(SEEN._replace(state="abandoned", due_at=None), reply, NOW)
    assert (way.curves, way.state) == ({}, ScheduleState(FLOOR, 0))


def test_the_age_counts_from_the_vendors_own_start_where_it_is_sane() -> None:
    for started_at, known, age in (
        (NOW - 10 * MIN, 570_000, 600_000),  # before it was recorded: then it is older
        (None, 30_000, 60_000),
        (NOW + HOUR, 30_000, 60_000),  # not begun yet, and pending?
        (NOW - 400 * DAY, 30_000, 60_000),  # nothing lasts so long
    ):
        way = Way()
        way.heard(SEEN, Pending(Document("pending", started_at=started_at)), NOW)
        under = way.curves["quick"].under
        assert round(sum(under)) == age - known
        assert sum(under[: bin_of(known)]) == 0
        assert sum(under[bin_of(age) + 1 :]) == 0


def test_what_is_told_of_the_start_now_counts_from_now_on() -> None:
    way = Way()
    way.heard(FRESH, Pending(Document("pending", started_at=NOW - 10 * MIN)), NOW)
    assert round(sum(way.curves["unseen"].under)) == 10 * MIN


# --- the account


@pytest.mark.parametrize("reason", ["hand", "retry", "backoff", "grace", "slow", "again"])
@pytest.mark.parametrize("reply", [Pending(), ended(NOW - 1_000)])
def test_looks_by_hand_and_after_failures_settle_no_account(reason: str, reply: Reply) -> None:
    way = Way({}, credit=7)
    way.heard(SEEN._replace(reason=reason, pending_at=NOW - MIN), reply, NOW)
    assert way.state.credit == 7
    assert way.planner.since().keys() == {"quick"}, "they teach all the same"


def test_looks_that_were_planned_bring_what_they_have_spared() -> None:
    way = Way()
    # The cadence polls at ages of 10, 24, 43.6 and 71 s: of the three between 0 and 60 s, one was made.
    way.heard(FRESH, Pending(), NOW)
    assert way.state.credit == 2
    way.heard(FRESH._replace(recorded_at=NOW - 5_000, life_from=NOW - 5_000), Pending(), NOW)
    assert way.state.credit == 1, "one before the first of the cadence, that `record` could not pay"


def test_a_plan_before_the_next_written_look_is_paid_for_and_one_that_cannot_be_paid_is_not_made() -> None:
    eager = {"quick": EndCounts((1e6,) * BINS, (1e10,) * BINS)}  # one ends every ten seconds
    task = SEEN._replace(recorded_at=NOW - HOUR, life_from=NOW - HOUR, pending_at=NOW)
    rich, poor = Way(eager, credit=3), Way(eager, credit=0)
    soon, late = rich.next_poll(task, NOW), poor.next_poll(task, NOW)
    assert (soon.reason, rich.state.credit, soon.delay_per_request_ms) == ("learned", 2, FLOOR)
    assert (late.reason, poor.state.credit) == ("cadence", 0)
    polls = [cadence_polls(SCHEDULE, 0, HOUR + wait) for wait in (0, soon.wait_ms, late.wait_ms)]
    assert polls[0] == polls[1] < polls[2]


def test_below_0_the_account_waits_until_that_is_made_up_for(store: Store) -> None:
    """`record` planned first polls before the first one of the cadence, and there was no credit to pay for them."""
    eager = {"quick": EndCounts((1e6,) * BINS, (1e10,) * BINS)}  # one ends every ten seconds
    way = Way(eager, credit=0)
    old = SEEN._replace(recorded_at=NOW - HOUR, life_from=NOW - HOUR, pending_at=NOW - 1_000)
    first = FRESH._replace(recorded_at=NOW - 5_000, life_from=NOW - 5_000, task_class="quick")
    for _ in range(3):
        way.heard(first, Pending(), NOW)
    assert way.state.credit == -3
    with store.write():
        curves.add(store, way.curves)
        api.put(store, Shared(schedule=way.state))
    later = Way(curves.load(store))
    later.state = api.get(store).schedule
    assert later.state.credit == -3, "a restart forgives nothing"
    assert later.next_poll(old._replace(pending_at=NOW), NOW).reason == "cadence"
    later.state = later.state._replace(credit=0)
    assert later.next_poll(old._replace(pending_at=NOW), NOW).reason == "cadence"
    later.state = later.state._replace(credit=1)
    assert later.next_poll(old._replace(pending_at=NOW), NOW).reason == "learned"
    assert later.state.credit == 0


def test_the_first_wait_is_the_written_one_until_much_has_been_spared() -> None:
    quick = {"unseen": EndCounts((1e6,) * BINS, (1e9,) * BINS)}  # one ends every second
    assert (Way(quick, credit=999).first_wait() or 0) >= 10_000
    assert (Way(quick, credit=1_000).first_wait() or 0) < 10_000
    slow = {"unseen": EndCounts((1.0,) * BINS, (1e9,) * BINS)}
    assert (Way(slow, credit=0).first_wait() or 0) > MIN


@given(st.integers(0, 40 * DAY), st.integers(0, 40 * DAY), st.floats(1e-8, 1e-2), st.floats(20, 1e8), st.integers(0, 1))
def test_no_plan_leaves_the_bounds(at: int, entry: int, hazard: float, delay: float, credit: int) -> None:
    made = plan(
        Polled(f"{at}", 3, at, min(entry, at)), HazardCurve((hazard,) * BINS), ScheduleState(delay, credit), SCHEDULE
    )
    assert SCHEDULE.min_interval <= made.choice.wait <= SCHEDULE.max_interval + 1


def test_nor_does_a_written_look_in_place_of_one_that_cannot_be_paid() -> None:
    for name in range(20):
        at = 3 * DAY
        for polls in range(40):
            made = plan(Polled(f"{name}", polls, at), HazardCurve((1e-3,) * BINS), ScheduleState(20, 0), SCHEDULE)
            assert (made.choice.basis, made.state.credit) == ("cadence", 0)
            assert made.choice.wait <= SCHEDULE.max_interval + 1
            assert cadence_polls(SCHEDULE, 0, at + made.choice.wait) > cadence_polls(SCHEDULE, 0, at)
            at += made.choice.wait


# --- asked, and told


def test_questions_change_nothing_that_is_known() -> None:
    way, once = Way(credit=5), Way(credit=5)
    for _ in range(3):
        for reply in (Pending(), DONE):
            seen = way.planner.observe(SEEN, reply, NOW)
            assert seen is not None
            way.planner.settle(SEEN, seen, way.state, NOW)
            way.planner.plan(SEEN, way.state, NOW)
    assert way.curves == {}
    for each in (way, once):
        each.heard(SEEN, DONE, NOW)
    assert (way.curves, way.state) == (once.curves, once.state)
    assert way.next_poll(SEEN, NOW) == once.next_poll(SEEN, NOW)


def keep(planner: LearnedPlanner, store: Store) -> None:
    """As a pass does."""
    with store.write():
        stored = curves.add(store, planner.since())
    planner.kept(stored)


def test_what_was_to_be_stored_and_was_not_is_stored_later(store: Store) -> None:
    way = Way()
    way.heard(SEEN, DONE, NOW)
    with suppress(ZeroDivisionError), store.write():
        curves.add(store, way.planner.since())
        raise ZeroDivisionError
    assert curves.load(store) == {}
    keep(way.planner, store)
    assert sum(curves.load(store)["quick"].ended) == pytest.approx(1)
    assert way.planner.since() == {}
    keep(way.planner, store)
    assert sum(curves.load(store)["quick"].ended) == pytest.approx(1), "and once"


# --- several processes learn


def seen_polls() -> st.SearchStrategy[Observation]:
    """Of tasks whose end the vendor tells, so that nothing depends on what a planner expects."""
    ages = st.tuples(st.sampled_from(["quick", "unseen"]), st.integers(0, HOUR), st.integers(1, HOUR), st.booleans())
    return ages.map(
        lambda one: Observation(one[0], one[1], one[1] + one[2], ended=one[3], end=one[1] + 1 if one[3] else None)
    )


@given(st.lists(st.tuples(st.integers(0, 2), st.lists(seen_polls(), max_size=6)), max_size=12))
def test_several_that_add_what_they_saw_come_to_what_one_comes_to(turns: list[tuple[int, list[Observation]]]) -> None:
    with open_store(":memory:") as store:
        alone = LearnedPlanner(SCHEDULE, FLOOR, {})
        several = [LearnedPlanner(SCHEDULE, FLOOR, {}) for _ in range(3)]
        for who, seen in turns:
            several[who].learn(seen)
            keep(several[who], store)
            alone.learn(seen)
        together_known, known = curves.load(store), alone.since()
        assert together_known.keys() == known.keys()
        for task_class, curve in known.items():
            assert together_known[task_class].ended == pytest.approx(curve.ended, rel=1e-4, abs=1e-4)
            assert together_known[task_class].under == pytest.approx(curve.under, rel=1e-4, abs=len(turns))
        for planner in several:
            keep(planner, store)
            assert planner.hazard_curve("quick").hazards == pytest.approx(alone_curve(store).hazards, rel=1e-3)


def alone_curve(store: Store) -> HazardCurve:
    return LearnedPlanner(SCHEDULE, FLOOR, curves.load(store)).hazard_curve("quick")


def test_halves_of_a_stream_teach_two_what_the_whole_teaches_one(store: Store) -> None:
    """Each takes every other poll, and both store at the same times. Only the order of the ends differs by that."""
    dice = random.Random(3)
    alone, halves = LearnedPlanner(SCHEDULE, FLOOR, {}), [LearnedPlanner(SCHEDULE, FLOOR, {}) for _ in range(2)]
    with store.write():
        store.execute("DELETE FROM curves")
    for n in range(600):
        lasts = round(dice.expovariate(1 / 60_000)) + 1
        seen = Observation("quick", lasts // 2, lasts + 5_000, ended=True, end=None if n % 3 else lasts)
        alone.learn([seen])
        halves[n % 2].learn([seen])
        if n % 20 == 19:
            for half in halves:
                keep(half, store)
    one, two = alone.since()["quick"], curves.load(store)["quick"]
    assert sum(two.ended) == pytest.approx(sum(one.ended), rel=1e-3)
    assert two.ended == pytest.approx(one.ended, rel=0.05, abs=2.0)
    for half in halves:
        keep(half, store)
    polls = [planner.plan(SEEN, ScheduleState(FLOOR, 10), NOW)[0].wait_ms for planner in (alone, *halves)]
    assert polls == pytest.approx([polls[0]] * 3, rel=0.1)
    assert polls[1] == polls[2], "both go on from the same curve"


# --- in words


def test_why_the_next_look_is_when_it_is_in_words() -> None:
    way = Way()
    plan = way.next_poll(SEEN._replace(pending_at=NOW), NOW)
    planned = SEEN._replace(
        pending_at=NOW, due_at=NOW + plan.wait_ms, reason=plan.reason, delay_per_request_ms=plan.delay_per_request_ms
    )
    text = explain(planned, way.planner.hazard_curve("quick"), SCHEDULE)
    assert text.startswith("still pending at the age of 1 min, class quick: ")
    assert "a delay per request of 20 s" in text
    likely, _ = way.planner.hazard_curve("quick").outlook(MIN, MIN + plan.wait_ms)
    assert f"it has finished with a chance of {likely:.0%}" in text
    first = FRESH._replace(due_at=FRESH.recorded_at + 10_000, delay_per_request_ms=FLOOR)
    assert explain(first, way.planner.hazard_curve("unseen"), SCHEDULE).startswith(
        "not polled yet, class unseen: 10 s later"
    )
    told = planned._replace(started_at=NOW - 10 * MIN)
    assert explain(told, way.planner.hazard_curve("quick"), SCHEDULE).startswith("still pending at the age of 10 min")
