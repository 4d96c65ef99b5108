"""What polls leave behind: in one statement or one by one the same."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.database import DONE, NOW, SCHEDULE, conclude, concluded, record, task_of
from tests.support.engine import elsewhere, said_to
from tests.support.examples import examples
from tests.support.saving import PLAIN, add, everything, save, save_each, told, twins
from worker.core.lifecycle import LAST_POLLS, after
from worker.core.pacing.breaker import Breaker
from worker.core.schedule.learned import LearnedPlanner
from worker.core.schedule.state import ScheduleState
from worker.core.task import Task
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Concluded, Garbled, Pending, Reply, Unreachable
from worker.store.conclude import conclude as conclude_task
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import api
from worker.store.tasks import polling as tasks
from worker.store.views import report as story

DAY = 86_400_000


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path, create=True) as opened:
        yield opened


# --- one by one


def test_what_a_look_changed_is_there_with_its_history(store: Store) -> None:
    record(store, "a")
    states: list[Task] = []
    looks: list[Any] = [
        Unreachable("timeout"),
        Unreachable("timeout"),
        Pending(Document("pending", name="Default", started_at=NOW)),
        concluded(DONE),
    ]
    for n, reply in enumerate(looks):
        with store.write():
            old = task_of(store, 1)
            new = after(old, reply, NOW + n, SCHEDULE)
            if isinstance(reply, Concluded):
                assert conclude_task(store, new, reply.document, "poll", NOW + n) == "first"
            else:
                assert tasks.save(store, old, new, NOW + n)
        kept = task_of(store, 1)
        assert kept == new
        states.append(new)
    assert [s.failures for s in states] == [1, 2, 0, 0]
    told = story.show(store, "a")
    assert told is not None
    assert [h["event"] for h in told["history"]] == ["recorded", "failing", "recovered", "seen", "concluded"]
    assert (told["state"], told["outcome"], told["concluded_by"]) == ("concluded", "success", "poll")


def test_a_concluded_task_is_never_changed(store: Store, path: Path) -> None:
    record(store, "a")
    with store.write():
        old = task_of(store, 1)
    conclude(store, DONE)
    before = elsewhere(path, "SELECT * FROM tasks"), elsewhere(path, "SELECT * FROM history")
    late: list[Any] = [Pending(Document("pending", name="Other")), Unreachable("timeout")]
    for reply in late:
        with store.write():
            assert not tasks.save(store, old, after(old, reply, NOW * 2, SCHEDULE), NOW * 2)
    assert (elsewhere(path, "SELECT * FROM tasks"), elsewhere(path, "SELECT * FROM history")) == before
    for body, kept in ((DONE, "same"), ({**DONE, "status": "failure"}, "revision")):
        with store.write():
            assert conclude_task(store, old, concluded(body).document, "callback", NOW * 2) == kept
        assert elsewhere(path, "SELECT * FROM tasks") == before[0]


def test_a_late_result_concludes_an_abandoned_task(store: Store, path: Path) -> None:
    record(store, "a")
    with store.write():
        old = task_of(store, 1)
        tasks.save(store, old, old._replace(state="abandoned", due_at=None), NOW)
    assert elsewhere(path, "SELECT abandoned_at FROM tasks") == [(NOW,)]
    assert conclude(store, DONE) == "first"
    assert elsewhere(path, "SELECT state, outcome, abandoned_at FROM tasks") == [("concluded", "success", None)]


# --- all at once

WORDS = st.none() | st.sampled_from(["Default Discovery Task", "RTCOB only", "x"])
FAMILIES = st.lists(st.sampled_from(["Medicare", "RTCOB", "Coverage Insight", "Astrology"]), max_size=3)
INSTANTS = st.none() | st.integers(NOW - 100 * DAY, NOW + DAY)

seen = st.fixed_dictionaries(
    {
        "recorded_at": st.integers(NOW - 60 * DAY, NOW),
        "retried": st.booleans(),
        "name": WORDS,
        "started_at": INSTANTS,
        "reason": st.sampled_from(["first", "learned", "cadence", "hand", "retry", "again"]),
        "polls": st.integers(0, 40),
        "failures": st.sampled_from([0, 0, 0, 0, 2]),
        "correlation_id": WORDS,
        "trace_id": WORDS,
        "task_class": st.sampled_from(["unseen", "quick", "quick+rtcob", "insight"]),
        "pending_at": st.none() | st.integers(NOW - DAY, NOW),
        "delay_per_request_ms": st.none() | st.integers(1, 10**7),
    }
)
documents = st.builds(
    Document,
    status=st.just("pending"),
    name=WORDS,
    started_at=INSTANTS,
    correlation_id=WORDS,
    trace_id=WORDS,
    pending=FAMILIES.map(tuple),
)
pendings = st.builds(Pending, documents)
replies = st.one_of(pendings, pendings, pendings, st.sampled_from([Unreachable("timeout"), Garbled("html")]))


@examples(40)
@given(st.lists(st.tuples(seen, replies), min_size=1, max_size=4), st.integers(0, 30_000))
def test_all_at_once_is_the_same_as_one_by_one(looks: list[tuple[dict[str, Any], Reply]], later: int) -> None:
    with ExitStack() as stack:
        one, other, asked = twins(stack, [row for row, _ in looks])
        heard = [reply for _, reply in looks]
        save(one, asked, heard, NOW + later)
        save_each(other, asked, heard, NOW + later)
        assert everything(one) == everything(other)


@examples(25)
@given(
    st.lists(st.tuples(seen, pendings), min_size=1, max_size=6),
    st.integers(0, 30_000),
    st.floats(20_000, 10**7),
    st.integers(0, 5),
)
def test_the_learned_schedule_hears_and_plans_the_same(
    looks: list[tuple[dict[str, Any], Pending]], later: int, price: float, spared: int
) -> None:
    with ExitStack() as stack:
        rows = [row | {"failures": 0, "recorded_at": max(row["recorded_at"], NOW - 40 * DAY)} for row, _ in looks]
        one, other, asked = twins(stack, rows)
        heard = [reply for _, reply in looks]
        planner = LearnedPlanner(SCHEDULE, 20_000, {})
        for each in (one, other):
            with each.write():
                api.put(each, api.get(each)._replace(schedule=ScheduleState(price, spared)))
        decision = save(one, asked, heard, NOW + later, planner)
        state = save_each(other, asked, heard, NOW + later, planner)
        assert everything(one) == everything(other)
        assert decision.shared.schedule == state
        shown_so = [planner.observe(task_of(one, seq), reply, NOW) for seq, reply in zip(asked, heard, strict=True)]
        assert len(decision.intents.observations) == sum(seen is not None for seen in shown_so)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 150])
def test_any_number_of_looks_in_few_statements(count: int) -> None:
    with ExitStack() as stack:
        one, other, asked = twins(stack, [PLAIN | {"polls": n} for n in range(count)])
        heard: list[Reply] = [told(f"name {n}", NOW - 700_000 - n) for n in range(count)]
        with said_to(one) as said:
            save(one, asked, heard, NOW)
        assert sum("UPDATE tasks" in text for text in said) == -(-count // tasks.MOST_ROWS)
        assert sum("INSERT INTO history" in text for text in said) == -(-count // tasks.MOST_ROWS)
        save_each(other, asked, heard, NOW)
        assert everything(one) == everything(other)


def test_what_is_found_concluded_and_what_is_pending_are_saved_in_one_pass(store: Store, path: Path) -> None:
    asked = add(store, [PLAIN] * 4)
    heard: list[Reply] = [Pending(), concluded(DONE | {"id": "t2"}), Pending(), Unreachable("timeout")]
    save(store, asked, heard, NOW)
    assert elsewhere(path, "SELECT state, polls, failures, reason FROM tasks ORDER BY seq") == [
        ("pending", 5, 0, "cadence"),
        ("concluded", 5, 0, "cadence"),
        ("pending", 5, 0, "cadence"),
        ("pending", 5, 1, "backoff"),
    ]
    assert elsewhere(path, "SELECT task FROM results") == [(2,)]


def test_a_task_at_the_end_of_its_life_is_given_up(store: Store, path: Path) -> None:
    old = PLAIN | {"recorded_at": NOW - SCHEDULE.give_up_after - 86_400_000, "polls_outlived": LAST_POLLS - 1}
    asked = add(store, [PLAIN, old, PLAIN])
    save(store, asked, [Pending()] * 3, NOW)
    assert elsewhere(path, "SELECT state, abandoned_at FROM tasks ORDER BY seq") == [
        ("pending", None),
        ("abandoned", NOW),
        ("pending", None),
    ]


def test_a_pause_is_no_part_of_its_life(store: Store, path: Path) -> None:
    old = PLAIN | {"recorded_at": NOW - SCHEDULE.give_up_after - 86_400_000, "polls_outlived": LAST_POLLS - 1}
    asked = add(store, [old])
    with store.write():
        api.put(store, api.get(store)._replace(breaker=Breaker(paused_total=86_400_001)))
    save(store, asked, [Pending()], NOW)
    assert elsewhere(path, "SELECT state FROM tasks") == [("pending",)]
