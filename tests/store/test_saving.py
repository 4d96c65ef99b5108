"""What looks leave behind: in one statement or one by one the same, and never over what somebody else did."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.database import DONE, NOW, ORIGIN, SCHEDULE, conclude, concluded, elsewhere, record, task_of
from worker.core.lifecycle import after, shown
from worker.core.pacing.breaker import Breaker
from worker.core.pacing.decide import Decision, Moment, Own, Planner, Policy, decide
from worker.core.pacing.judge import Finished
from worker.core.pacing.limiter import RateLimit
from worker.core.schedule.fixed import FixedPlanner
from worker.core.schedule.learned import LearnedPlanner
from worker.core.schedule.state import ScheduleState
from worker.core.task import Task
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Concluded, Garbled, Pending, Reply, Unreachable
from worker.rounds.poll import reading, writing
from worker.store.conclude import conclude as conclude_task
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import api
from worker.store.tasks import by_hand
from worker.store.tasks import polling as tasks
from worker.store.views import tasks as story

LEASED_UNTIL = NOW + 35_000
DAY = 86_400_000
FIXED = FixedPlanner(SCHEDULE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdpoll.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as opened:
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


def told(name: str, started_at: int) -> Pending:
    return Pending(Document("pending", name=name, started_at=started_at))


def add(store: Store, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Tasks t1, t2 …, claimed; their rows."""
    for seq, row in enumerate(rows, 1):
        about = {key: value for key, value in row.items() if key != "retried"}
        about |= {"seq": seq, "id": f"t{seq}", "origin": ORIGIN, "state": "pending", "source": "id", "due_at": NOW}
        about["life_from"] = NOW - 5_000 if row.get("retried") else row["recorded_at"]
        about["paused_base"] = 0
        about |= {"last_error": "timeout"} if row.get("failures") else {}
        columns = ", ".join(about)
        with store.write():
            store.execute(f"INSERT INTO tasks ({columns}) VALUES ({', '.join(':' + key for key in about)})", about)
            tasks.lease(store, [seq], LEASED_UNTIL)
    return list(range(1, len(rows) + 1))


def save(store: Store, asked: Sequence[int], heard: Sequence[Reply], now: int, planner: Planner = FIXED) -> Decision:
    """What was heard, saved as a pass saves it."""
    policy, own = Policy(SCHEDULE, RateLimit(1, 5), LEASED_UNTIL - NOW, planner), Own(since=now, kept_at=now)
    finished = [Finished(seq, reply, NOW) for seq, reply in zip(asked, heard, strict=True)]
    with store.write():
        shared = api.get(store)
        found = reading.collected(store, finished, (), own, shared.breaker.paused_until_now(now))
        decision = decide(policy, own, shared, found, (), Moment(now, now, 0))
        writing.write(store, decision.intents, now, LEASED_UNTIL)
        api.put(store, decision.shared)
    return decision


def save_each(
    store: Store, asked: Sequence[int], heard: Sequence[Reply], now: int, planner: Planner = FIXED
) -> ScheduleState:
    """The slow way: each from its row, by the state machine, in a statement of its own."""
    with store.write():
        shared = api.get(store)
        state = shared.schedule
        for seq, reply in zip(asked, heard, strict=True):
            old = task_of(store, seq, shared.breaker.paused_until_now(now))
            seen = planner.observe(old, reply, now)
            state = state if seen is None else planner.settle(old, seen, state, now)
            plan = None
            if isinstance(reply, Pending) and old.state == "pending":
                plan, state = planner.plan(shown(old, reply.document, now), state, now)
            new = after(old, reply, now, SCHEDULE, plan)
            if isinstance(reply, Concluded):
                conclude_task(store, new, reply.document, "poll", now)
            else:
                tasks.save(store, old, new, now)
    return state


def everything(store: Store) -> list[list[tuple[Any, ...]]]:
    """Rows, and the history line for line, task by task."""
    tables = ("SELECT * FROM tasks ORDER BY seq", "SELECT task, at, event, detail FROM history ORDER BY task, seq")
    return [[tuple(row) for row in store.read(sql)] for sql in tables]


def twins(stack: ExitStack, rows: Sequence[dict[str, Any]]) -> tuple[Store, Store, list[int]]:
    """Two databases with the same claimed tasks."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    with open_store(folder / "one.db", "truncate") as first:
        first.conn.execute("PRAGMA synchronous = OFF")
        asked = add(first, rows)
    shutil.copy(folder / "one.db", folder / "other.db")
    one, other = (stack.enter_context(open_store(folder / name, "truncate")) for name in ("one.db", "other.db"))
    return one, other, asked


@settings(max_examples=40)
@given(st.lists(st.tuples(seen, replies), min_size=1, max_size=4), st.integers(0, 30_000))
def test_all_at_once_is_the_same_as_one_by_one(looks: list[tuple[dict[str, Any], Reply]], later: int) -> None:
    with ExitStack() as stack:
        one, other, asked = twins(stack, [row for row, _ in looks])
        heard = [reply for _, reply in looks]
        save(one, asked, heard, NOW + later)
        save_each(other, asked, heard, NOW + later)
        assert everything(one) == everything(other)


@settings(max_examples=25)
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


PLAIN: dict[str, Any] = {"recorded_at": NOW - 600_000, "reason": "cadence", "polls": 4, "pending_at": NOW - 90_000}


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 150])
def test_any_number_of_looks_in_few_statements(count: int) -> None:
    with ExitStack() as stack:
        one, other, asked = twins(stack, [PLAIN | {"polls": n} for n in range(count)])
        heard: list[Reply] = [told(f"name {n}", NOW - 700_000 - n) for n in range(count)]
        said: list[str] = []
        one.conn.set_trace_callback(said.append)
        save(one, asked, heard, NOW)
        one.conn.set_trace_callback(None)
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
    old = PLAIN | {"recorded_at": NOW - SCHEDULE.give_up_after}
    asked = add(store, [PLAIN, old, PLAIN])
    save(store, asked, [Pending()] * 3, NOW)
    assert elsewhere(path, "SELECT state, abandoned_at FROM tasks ORDER BY seq") == [
        ("pending", None),
        ("abandoned", NOW),
        ("pending", None),
    ]


def test_a_pause_is_no_part_of_its_life(store: Store, path: Path) -> None:
    asked = add(store, [PLAIN | {"recorded_at": NOW - SCHEDULE.give_up_after}])
    with store.write():
        api.put(store, api.get(store)._replace(breaker=Breaker(paused_total=1)))
    save(store, asked, [Pending()], NOW)
    assert elsewhere(path, "SELECT state FROM tasks") == [("pending",)]


# --- what somebody else did meanwhile


def retried(store: Store, seqs: Sequence[int]) -> None:
    by_hand.retry(store, [f"t{seq}" for seq in seqs], NOW + 10)


def retried_as_the_lease_ran_out(store: Store, seqs: Sequence[int]) -> None:
    by_hand.retry(store, [f"t{seq}" for seq in seqs], LEASED_UNTIL)


def abandoned(store: Store, seqs: Sequence[int]) -> None:
    by_hand.abandon(store, [f"t{seq}" for seq in seqs], NOW + 10)


def asked_for(store: Store, seqs: Sequence[int]) -> None:
    by_hand.due_now(store, [f"t{seq}" for seq in seqs], NOW + 10)


def set_back(store: Store, seqs: Sequence[int]) -> None:
    with store.write():
        tasks.shift(store, -3_600_000)


def set_forward(store: Store, seqs: Sequence[int]) -> None:
    with store.write():
        tasks.shift(store, 3_600_000)


def concluded_meanwhile(store: Store, seqs: Sequence[int]) -> None:
    for seq in seqs:
        conclude(store, DONE | {"id": f"t{seq}"}, seq, NOW + 10)


def given_up(store: Store, seqs: Sequence[int]) -> None:
    abandoned(store, seqs)
    retried(store, seqs)


def purged(store: Store, seqs: Sequence[int]) -> None:
    with store.write():
        for seq in seqs:
            store.execute("DELETE FROM tasks WHERE seq = :seq", {"seq": seq})


def claimed_by_another(store: Store, seqs: Sequence[int]) -> None:
    with store.write():
        tasks.lease(store, seqs, LEASED_UNTIL + 77)


def saved_by_another(store: Store, seqs: Sequence[int]) -> None:
    """In the same millisecond as ours."""
    with store.write():
        for seq in seqs:
            old = task_of(store, seq)
            tasks.save(
                store, old, after(old, Pending(Document("pending", name="theirs")), NOW + 900, SCHEDULE), NOW + 900
            )


def failed_for_another(store: Store, seqs: Sequence[int]) -> None:
    with store.write():
        for seq in seqs:
            old = task_of(store, seq)
            tasks.save(store, old, after(old, Garbled("html"), NOW + 20, SCHEDULE), NOW + 20)


MEDDLERS = [
    retried,
    retried_as_the_lease_ran_out,
    abandoned,
    asked_for,
    set_back,
    set_forward,
    concluded_meanwhile,
    given_up,
    purged,
    claimed_by_another,
    saved_by_another,
    failed_for_another,
]


@pytest.mark.parametrize("meddle", MEDDLERS, ids=lambda meddle: meddle.__name__)
def test_what_somebody_else_did_stands_and_the_look_is_added_to_it(
    meddle: Callable[[Store, Sequence[int]], None],
) -> None:
    """Of 70 rows, in two statements, some in each are changed while they are asked about."""
    touched = (1, 5, 64, 65, 70)
    with ExitStack() as stack:
        one, other, asked = twins(stack, [PLAIN] * 70)
        heard: list[Reply] = [told(f"name {n}", NOW - 700_000 - n) for n in range(70)]
        meddle(one, touched)
        meddle(other, touched)
        gone = {row["seq"] for row in one.read("SELECT seq FROM tasks")} ^ set(range(1, 71))
        save(one, asked, heard, NOW + 900)
        left = [(seq, reply) for seq, reply in zip(asked, heard, strict=True) if seq not in gone]
        save_each(other, [seq for seq, _ in left], [reply for _, reply in left], NOW + 900)
        assert everything(one) == everything(other)
        by_seq = {row["seq"]: row for row in one.read("SELECT * FROM tasks")}
        assert all(by_seq[seq]["polls"] == PLAIN["polls"] + 1 for seq in range(2, 5))


@pytest.mark.parametrize("meddle", MEDDLERS, ids=lambda meddle: meddle.__name__)
def test_every_poll_teaches_once_at_most_and_those_of_untouched_rows_do(
    meddle: Callable[[Store, Sequence[int]], None], store: Store
) -> None:
    asked = add(store, [PLAIN] * 70)
    meddle(store, (1, 5, 64, 65, 70))
    planner = LearnedPlanner(SCHEDULE, 20_000, {})
    decision = save(store, asked, [Pending()] * 70, NOW + 900, planner)
    assert 65 <= len(decision.intents.observations) <= 70
    assert planner.changed() == {}, "nothing is learned before it is stored"


def test_what_somebody_else_did_by_hand(store: Store, path: Path) -> None:
    asked = add(store, [PLAIN] * 4)
    retried(store, [1])
    abandoned(store, [2])
    asked_for(store, [3])
    concluded_meanwhile(store, [4])
    save(store, asked, [Pending()] * 4, NOW + 900)
    rows = elsewhere(path, "SELECT state, polls, reason, life_from, due_at > ? FROM tasks ORDER BY seq", NOW + 5_000)
    assert rows[0] == ("pending", 5, "cadence", NOW + 10, 1)
    assert rows[1][:2] == ("abandoned", 4)
    assert rows[2] == ("pending", 5, "cadence", PLAIN["recorded_at"], 1)
    assert rows[3][:2] == ("concluded", 5)
    assert elsewhere(path, "SELECT task, event FROM history ORDER BY seq") == [
        (1, "retried"),
        (2, "abandoned"),
        (4, "concluded"),
    ]


def test_a_result_that_comes_after_a_person_gave_up_still_concludes(store: Store, path: Path) -> None:
    asked = add(store, [PLAIN])
    abandoned(store, [1])
    save(store, asked, [concluded(DONE | {"id": "t1"})], NOW + 900)
    assert elsewhere(path, "SELECT state, outcome FROM tasks") == [("concluded", "success")]
