"""What polls leave behind where somebody else changed the task while it was asked about: both stand."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.database import DONE, NOW, SCHEDULE, conclude, concluded, task_of
from tests.support.engine import elsewhere
from tests.support.saving import LEASED_UNTIL, PLAIN, add, everything, save, save_each, told, twins
from worker.core.lifecycle import after
from worker.core.schedule.learned import LearnedPlanner
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Garbled, Pending, Reply
from worker.store.db.store import Store
from worker.store.tasks import by_hand
from worker.store.tasks import polling as tasks


def retried(store: Store, seqs: Sequence[int]) -> None:
    by_hand.retry(store, [f"t{seq}" for seq in seqs], NOW + 10, "ann")


def retried_as_the_lease_ran_out(store: Store, seqs: Sequence[int]) -> None:
    by_hand.retry(store, [f"t{seq}" for seq in seqs], LEASED_UNTIL, "ann")


def abandoned(store: Store, seqs: Sequence[int]) -> None:
    by_hand.abandon(store, [f"t{seq}" for seq in seqs], NOW + 10, "ann")


def asked_for(store: Store, seqs: Sequence[int]) -> None:
    by_hand.due_now(store, [f"t{seq}" for seq in seqs], NOW + 10, "ann")


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
]

# Another process has asked since, or does now.
OVERTAKERS = [claimed_by_another, saved_by_another, failed_for_another]


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


@pytest.mark.parametrize("overtake", OVERTAKERS, ids=lambda overtake: overtake.__name__)
def test_where_another_has_asked_since_its_reply_counts(overtake: Callable[[Store, Sequence[int]], None]) -> None:
    touched = (1, 5, 64, 65, 70)
    with ExitStack() as stack:
        one, other, asked = twins(stack, [PLAIN] * 70)
        heard: list[Reply] = [told(f"name {n}", NOW - 700_000 - n) for n in range(70)]
        for each in (one, other):
            overtake(each, touched)
        save(one, asked, heard, NOW + 900)
        rest = [seq for seq in asked if seq not in touched]
        save(other, rest, [heard[seq - 1] for seq in rest], NOW + 900)
        assert everything(one) == everything(other)


@pytest.mark.parametrize("meddle", [*MEDDLERS, *OVERTAKERS], ids=lambda meddle: meddle.__name__)
def test_every_poll_teaches_once_at_most_and_those_of_untouched_rows_do(
    meddle: Callable[[Store, Sequence[int]], None], store: Store
) -> None:
    asked = add(store, [PLAIN] * 70)
    meddle(store, (1, 5, 64, 65, 70))
    planner = LearnedPlanner(SCHEDULE, 20_000, {})
    decision = save(store, asked, [Pending()] * 70, NOW + 900, planner)
    assert 65 <= len(decision.intents.observations) <= 70
    assert planner.since() == {}, "nothing is learned before it is stored"


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
