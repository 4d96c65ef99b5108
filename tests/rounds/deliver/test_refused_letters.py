"""Letters that a receiver refuses, or does not answer, hold up no others and keep their schedule."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.database import DONE, NOW, conclude, record
from tests.support.scripted_way import DOWN, REFUSED, SCHEDULE_MS, Delivering, ScriptedWay, answering, results
from worker.core.delivery import Letter, Sent
from worker.rounds.deliver.round import STEP_LETTERS
from worker.store import deliveries_by_hand as by_hand
from worker.store.db.store import Store
from worker.store.opening import open_store

AT = NOW + 120_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cdpoll.db", create=True) as opened:
        yield opened


def test_three_refused_letters_keep_their_schedule_while_others_go_through(store: Store) -> None:
    results(store, [f"t{n}" for n in range(1, 10)])
    by = Delivering(store, ScriptedWay(answering(dict.fromkeys((1, 2, 3), REFUSED))), AT)
    by.until_idle()
    assert by.way.tried == [1, 2, 3], "that may be the receiver's trouble"
    by.now += 1_000
    by.until_idle()
    assert by.way.numbers == [4, 5, 6, 7, 8, 9]
    kept = [(n, "failed", 2, 300_000) for n in (1, 2, 3)]
    assert by.rows() == kept, "tried once more, as the receiver is well"
    for name in ("later", "still later"):
        results(store, [name])
        by.until_idle()
    assert by.rows() == kept


def test_a_way_that_rests_tries_what_was_not_tried_yet(store: Store) -> None:
    """Also where a schedule is shorter than the rest: else the letters at its head are all that is tried."""
    results(store, [f"t{n}" for n in range(1, 9)])
    by = Delivering(store, ScriptedWay(answering(dict.fromkeys((1, 2, 3, 4), REFUSED))), AT)
    by.rules = replace(by.rules, schedule_ms=(100,) * 9)
    by.begin()
    for wait in (1_000, 2_000):
        by.until_idle()
        by.now += wait
    by.until_idle()
    assert by.way.tried[:5] == [1, 2, 3, 4, 5]
    assert by.way.numbers == [5, 6, 7, 8]


def test_a_way_that_rests_looks_for_what_is_new(store: Store) -> None:
    results(store, ["a", "b", "c"])
    by = Delivering(store, ScriptedWay(lambda _: REFUSED), AT)
    by.until_idle()
    results(store, ["d"])
    by.now += 10_000
    by.until_idle()
    assert by.way.tried == [1, 2, 3, 4]


def test_a_way_that_rests_sends_nothing_ahead_of_what_has_failed_of_its_task(store: Store) -> None:
    record(store, "a", ref="x")
    record(store, "a", ref="y")
    conclude(store, DONE)
    by = Delivering(store, ScriptedWay(lambda _: DOWN), AT)
    by.until_idle()
    by.now += 5_000
    by.until_idle()
    assert by.way.tried == [1, 1]


def test_what_a_person_sends_again_in_vain_holds_up_nothing(store: Store) -> None:
    many = STEP_LETTERS + 5
    results(store, [f"t{n}" for n in range(1, many + 1)])
    by = Delivering(store, ScriptedWay(lambda _: REFUSED), AT)
    by.rules = replace(by.rules, schedule_ms=())
    by.begin()
    while len(by.rows()) < many or by.rows()[-1][1] != "dead":
        by.until_idle()
        by.now += 60_000
    by_hand.retry(store, by_hand.keys(store), ["mirth"], by.now, "ann")
    results(store, ["new"])
    by.way.answer = lambda letter: REFUSED if letter.number <= many else answering({})(letter)
    by.until_idle()
    assert by.way.numbers == [many + 1]


def test_a_run_that_ends_by_itself_goes_back_to_what_has_failed_after_its_probe(store: Store) -> None:
    results(store, ["a", "b", "c"])
    by = Delivering(store, ScriptedWay(lambda _: DOWN), AT, once=True)
    by.until_idle()
    by.way.answer = answering({})
    by.now += 10_000
    by.begin()
    by.until_idle()
    assert by.way.tried == [1, 2, 1, 3]


def test_a_schedule_begun_anew_during_the_last_attempt_counts(store: Store) -> None:
    results(store, ["a"])
    by = Delivering(store, ScriptedWay(lambda _: REFUSED), AT)

    def retried(_: Letter) -> Sent:
        by.way.answer = lambda _: REFUSED
        assert by_hand.retry(store, by_hand.keys(store), [], by.now, "ann").done
        return REFUSED

    for wait in (*SCHEDULE_MS, 0):
        by.until_idle()
        by.now += wait
    assert by.rows() == [(1, "dead", 3, 0)]
    by_hand.retry(store, by_hand.keys(store), [], by.now, "ann")
    for wait in SCHEDULE_MS:
        by.until_idle()
        by.now += wait
    by.way.answer = retried
    by.until_idle()
    assert by.rows() == [(1, "failed", 1, SCHEDULE_MS[0])], "tried again at once, by the fresh schedule"
