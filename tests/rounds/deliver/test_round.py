"""Steps of one way: everything goes out at least once and in order, whatever its receiver does."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.database import DONE, NOW, conclude, record
from tests.support.scripted_way import BUSY, DOWN, REFUSED, Delivering, ScriptedWay, answering, body_of, results
from worker.core.delivery import Delivered, Letter, LetterRefused, ReceiverDown, ReceiverGone, Sent
from worker.core.errors import StorageFailed
from worker.store import deliveries
from worker.store import deliveries_by_hand as by_hand
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.views import exported
from worker.store.views.entries import Entry

AT = NOW + 120_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cdpoll.db", create=True) as opened:
        yield opened


def test_each_result_goes_out_once_with_its_ref_in_order(store: Store) -> None:
    results(store, ["a", "b"], ref="account 7")
    results(store, ["c"])
    by = Delivering(store, now=AT)
    by.until_idle()
    assert [(one.number, one.id, one.ref, one.outcome) for one in by.way.sent] == [
        (1, "a", "account 7", "success"),
        (2, "b", "account 7", "success"),
        (3, "c", None, "success"),
    ]
    assert by.rows() == []
    assert {path["name"] for path in body_of(by.way.sent[0])["paths"]} == {"Medicare", "HMO"}
    by.until_idle()
    assert by.way.numbers == [1, 2, 3]


def test_a_thin_letter_tells_no_more_than_which_result_it_is(store: Store) -> None:
    results(store, ["a"], ref="account 7")
    by = Delivering(store, now=AT)
    by.until_idle()
    thin = by.way.sent[0].thin
    assert b'"summary"' in thin
    assert b"Medicare" not in thin
    assert len(thin) < 2_000


def test_what_came_meanwhile_goes_out_with_the_next_step(store: Store) -> None:
    by = Delivering(store, now=AT)
    by.until_idle()
    results(store, ["a"])
    by.until_idle()
    assert by.way.numbers == [1]


def test_texts_are_read_before_a_result_goes_out(store: Store) -> None:
    results(store, ["a"])
    with store.write():
        store.execute("UPDATE results SET derived = NULL")
    by = Delivering(store, now=AT)
    by.until_idle()
    assert by.way.numbers == [1]
    assert store.read("SELECT seq FROM results WHERE derived IS NULL") == []


def test_a_letter_that_is_refused_is_tried_by_the_schedule_and_holds_up_no_other_task(store: Store) -> None:
    results(store, ["a", "b", "c"])
    by = Delivering(store, ScriptedWay(answering({2: REFUSED})), AT)
    by.until_idle()
    assert by.way.numbers == [1, 3]
    assert by.rows() == [(2, "failed", 1, 5_000)]
    by.now += 5_000
    by.until_idle()
    assert by.rows() == [(2, "failed", 2, 300_000)]
    by.way.answer = answering({})
    by.now += 300_000
    by.until_idle()
    assert by.rows() == []


def test_at_the_end_of_its_schedule_a_letter_is_dead_and_named_in_the_log(store: Store) -> None:
    results(store, ["a"])
    by = Delivering(store, ScriptedWay(answering({1: REFUSED})), AT)
    for wait in (0, 5_000, 300_000, 10**9):
        by.now += wait
        by.until_idle()
    assert [row[:3] for row in by.rows()] == [(1, "dead", 3)]
    assert by.way.tried == [1, 1, 1]
    told = "a letter was given up; `cdpoll deliveries retry` sends it again"
    assert (told, {"way": "mirth", "seq": 1, "error": "http_500", "attempts": 3}) in by.log.lines


def test_of_one_task_nothing_overtakes_what_has_failed(store: Store) -> None:
    record(store, "a")
    record(store, "a", ref="x")
    record(store, "a", ref="y")
    conclude(store, DONE)
    results(store, ["b"])
    by = Delivering(store, ScriptedWay(answering({1: REFUSED})), AT)
    by.until_idle()
    assert by.way.numbers == [3]
    assert [row[:2] for row in by.rows()] == [(1, "failed"), (2, "waiting")]
    by.way.answer = answering({})
    by.now += 5_000
    by.until_idle()
    assert by.way.numbers == [3, 1, 2]


def test_a_later_body_goes_out_in_place_of_a_dead_letter(store: Store) -> None:
    results(store, ["a"])
    by = Delivering(store, ScriptedWay(answering({1: REFUSED})), AT)
    by.rules = replace(by.rules, schedule_ms=())
    by.begin()
    by.until_idle()
    assert [row[:2] for row in by.rows()] == [(1, "dead")]
    conclude(store, {**DONE, "endDateTime": "2026-01-01T00:00:00Z"}, 1)
    by.way.answer = answering({2: REFUSED})
    by.until_idle()
    assert [row[:2] for row in by.rows()] == [(1, "dead"), (2, "dead")], "the receiver has neither"
    conclude(store, {**DONE, "endDateTime": "2026-01-02T00:00:00Z"}, 1)
    by.until_idle()
    assert (by.way.numbers, by.rows()) == ([3], []), "a person has nothing to do"
    told = ("newer letters were delivered in place of letters that were given up", {"way": "mirth", "letters": 2})
    assert told in by.log.lines


def test_a_dead_letter_that_was_replaced_is_not_sent_by_a_retry(store: Store) -> None:
    results(store, ["a"])
    by = Delivering(store, ScriptedWay(answering({1: REFUSED})), AT)
    by.rules = replace(by.rules, schedule_ms=(), outcomes=frozenset({"success"}))
    by.begin()
    by.until_idle()
    conclude(store, {"id": "a", "status": "failure"}, 1)
    by.way.answer = answering({})
    by.until_idle()
    assert [row[:2] for row in by.rows()] == [(1, "dead")], "the later body is not for this way"
    by_hand.retry(store, by_hand.keys(store), [], by.now, "ann")
    by.until_idle()
    assert (by.way.numbers, by.rows()) == ([], []), "what it told is not true any more"


def test_a_receiver_that_is_down_is_asked_less_and_less_and_few_letters_are_tried(store: Store) -> None:
    results(store, [f"t{n}" for n in range(1, 60)])
    by = Delivering(store, ScriptedWay(lambda _: DOWN), AT)
    by.until_idle()
    for wait in (1_000, 2_000, 4_000):
        by.until_idle()
        by.now += wait
    by.until_idle()
    assert by.way.tried == [1, 2, 3, 4], "the first is due again after 5 s, and tells nothing new"
    by.way.answer = answering({})
    by.now += 300_000
    by.until_idle()
    assert sorted(by.way.numbers) == list(range(1, 60))
    assert by.rows() == []


def test_a_receiver_that_refuses_everything_is_left_alone_too(store: Store) -> None:
    results(store, [f"t{n}" for n in range(1, 30)])
    by = Delivering(store, ScriptedWay(lambda _: REFUSED), AT)
    by.until_idle()
    assert by.way.tried == [1, 2, 3]
    assert by.round.down


def test_a_letter_that_makes_its_receiver_hang_holds_the_others_up_for_one_attempt_at_a_time(store: Store) -> None:
    results(store, ["a", "b", "c"])
    by = Delivering(store, ScriptedWay(answering({1: DOWN})), AT)
    by.until_idle()
    assert by.way.tried == [1]
    by.now += 1_000
    by.until_idle()
    assert by.way.tried == [1, 2, 3], "it keeps its schedule"
    assert by.rows() == [(1, "failed", 1, 4_000)]


def test_too_many_requests_cost_the_letter_nothing(store: Store) -> None:
    results(store, ["a"])
    by = Delivering(store, ScriptedWay(lambda _: BUSY), AT)
    by.until_idle()
    assert by.rows() == [(1, "waiting", 0, 0)]
    assert by.place.way.rests_until == AT + 30_000
    by.now += 29_999
    by.until_idle()
    assert by.way.tried == [1]
    by.now += 1
    by.until_idle()
    assert by.way.tried == [1, 1]


def test_a_receiver_that_is_gone_stops_its_way_until_a_person_starts_it(store: Store) -> None:
    results(store, ["a", "b"])
    by = Delivering(store, ScriptedWay(lambda _: ReceiverGone("http_410", "it wants no more")), AT)
    by.until_idle()
    by.now += 10**9
    by.begin()
    by.until_idle()
    assert by.way.tried == [1]
    by.way.answer = answering({})
    by_hand.retry(store, [], ["mirth"], by.now, "ann")
    by.until_idle()
    assert by.way.numbers == [1, 2]


def test_a_new_process_tests_a_receiver_that_rests_at_once(store: Store) -> None:
    results(store, ["a", "b"])
    by = Delivering(store, ScriptedWay(lambda _: BUSY), AT)
    by.until_idle()
    by.begin()
    by.until_idle()
    assert by.way.tried == [1, 1]
    by.until_idle()
    assert by.way.tried == [1, 1]


def test_a_fault_of_a_way_is_the_letters_own_trouble_and_its_text_is_told_nowhere(store: Store) -> None:
    def faulty(letter: Letter) -> Sent:
        if letter.number == 1:
            raise ValueError("Jane Doe")
        return Delivered()

    results(store, ["a", "b"])
    by = Delivering(store, ScriptedWay(faulty), AT)
    by.until_idle()
    assert by.way.numbers == [2]
    row = store.one("SELECT error, detail FROM deliveries")
    assert row is not None
    assert row["error"] == "internal"
    assert "ValueError at test_round.py:" in row["detail"]
    assert "Jane" not in row["detail"] + str(by.log.lines)


def test_a_letter_that_cannot_be_made_holds_up_no_other(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = exported.objects

    def faulty(store: Store, entries: list[Entry]) -> dict[int, exported.Json]:
        if any(one.seq == 2 for one in entries):
            raise KeyError("Jane Doe")
        return objects(store, entries)

    monkeypatch.setattr(exported, "objects", faulty)
    results(store, ["a", "b", "c"])
    by = Delivering(store, now=AT)
    by.until_idle()
    assert by.way.numbers == [1, 3]
    assert [row[:2] for row in by.rows()] == [(2, "failed")]


def test_what_cannot_be_written_is_not_sent_again_until_it_can(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk: each attempt would send the same letters again."""
    results(store, ["a", "b"])
    by = Delivering(store, now=AT)
    settle = deliveries.settle

    def full(*_: object) -> None:
        raise StorageFailed("the disk is full")

    monkeypatch.setattr(deliveries, "settle", full)
    for _ in range(3):
        with pytest.raises(StorageFailed):
            by.until_idle()
    assert by.way.numbers == [1, 2]
    monkeypatch.setattr(deliveries, "settle", settle)
    by.until_idle()
    assert (by.way.numbers, by.rows()) == ([1, 2], [])


def test_a_process_that_is_told_to_end_writes_what_it_has_sent(store: Store) -> None:
    def last(letter: Letter) -> Sent:
        by.stopped = letter.number == 2
        return Delivered()

    results(store, ["a", "b", "c"])
    by = Delivering(store, ScriptedWay(last), AT)
    by.round.run(by.now)
    by.round.run(by.now)
    assert by.way.numbers == [1, 2]
    assert [row[:2] for row in by.rows()] == [(3, "waiting")]


def test_a_slow_way_writes_what_it_has_sent_every_second(store: Store) -> None:
    def slow(_: Letter) -> Sent:
        by.passed += 700
        return Delivered()

    results(store, ["a", "b", "c", "d"])
    by = Delivering(store, ScriptedWay(slow), AT)
    by.round.run(by.now)
    by.round.run(by.now)
    assert by.way.numbers == [1, 2]
    assert [row[0] for row in by.rows()] == [3, 4]
    assert by.place.way.last_at == AT + 1_400


def test_what_a_folder_could_not_make_sure_is_sent_again(store: Store) -> None:
    class Folder(ScriptedWay):
        flushed: ReceiverDown | None = ReceiverDown("full", "no space is left")

        def flush(self) -> ReceiverDown | None:
            return self.flushed

    results(store, ["a", "b"])
    way = Folder()
    by = Delivering(store, way, AT)
    by.until_idle()
    assert [row[:2] for row in by.rows()] == [(1, "failed"), (2, "waiting")]
    assert by.place.way.reason == "full: no space is left"
    way.flushed = None
    by.now += 5_000
    by.until_idle()
    assert by.rows() == []
    assert {*way.numbers} == {1, 2}


def test_a_removed_result_is_passed_over(store: Store) -> None:
    results(store, ["a", "b"])
    by = Delivering(store, ScriptedWay(lambda _: BUSY), AT)
    by.until_idle()
    with store.write():
        store.execute("UPDATE results SET body = :nothing WHERE seq = 1", {"nothing": b""})
    by.way.answer = answering({})
    by.now += 30_000
    by.until_idle()
    assert (by.way.numbers, by.rows()) == ([2], [])


def test_a_run_that_ends_by_itself_tries_each_letter_once(store: Store) -> None:
    results(store, ["a", "b", "c"])
    by = Delivering(store, ScriptedWay(answering({1: REFUSED, 3: LetterRefused("http_400", "no")})), AT, once=True)
    by.until_idle()
    by.now += 5_000
    by.until_idle()
    assert by.way.tried == [1, 2, 3]
    assert by.round.idle
    assert not by.round.down
