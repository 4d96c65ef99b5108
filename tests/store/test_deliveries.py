"""The rows of the ways out: no number is passed over, none is lost, and each task's letters keep their order."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.database import DONE, NOW, conclude, record
from tests.support.engine import elsewhere
from worker.core.way import Failed, WayState
from worker.store import deliveries, outbox
from worker.store import deliveries_by_hand as by_hand
from worker.store.db.store import Store
from worker.store.deliveries import Fresh, Settlement
from worker.store.state import acts

LATER = NOW + 60_000
WAY = "mirth"


def concluded(store: Store, *ids: str) -> list[Fresh]:
    """These tasks with a result each, as letters."""
    first = len(store.read("SELECT seq FROM tasks")) + 1
    record(store, *ids)
    for seq, task_id in enumerate(ids, first):
        conclude(store, {**DONE, "id": task_id}, seq)
    return [Fresh(one.number, one.result, first + n) for n, one in enumerate(outbox.after(store, first - 1, 1_000))]


def taken(store: Store, fresh: list[Fresh]) -> None:
    deliveries.begin(store, WAY, "all", NOW)
    deliveries.take(store, WAY, (0, max(one.number for one in fresh)), fresh, NOW)


def due(store: Store, now: int = NOW, most: int = 100, behind: int = 0) -> list[int]:
    return [one.number for one in deliveries.due(store, WAY, now, most, behind)]


def noted(store: Store) -> list[tuple[str, str]]:
    return [(one["act"], one["object"]) for one in acts.listed(store, 10)]


def failed(number: int, at: int = NOW, next_at: int = LATER) -> Failed:
    return Failed(number, "failed", 1, next_at, "http_500", "the receiver failed", at)


def settle(store: Store, *, delivered: list[int] | None = None, rows: list[Failed] | None = None, **more: Any) -> int:
    done = Settlement(WayState(last_at=NOW), delivered or [], rows or [], [], None)
    return deliveries.settle(store, WAY, done._replace(**more))


@pytest.mark.parametrize(("start", "position"), [("all", 0), ("new", 2)])
def test_a_way_begins_with_all_there_is_or_with_what_is_new(store: Store, start: str, position: int) -> None:
    concluded(store, "a", "b")
    deliveries.begin(store, WAY, start, NOW)  # type: ignore[arg-type]
    place = deliveries.position(store, WAY)
    assert place is not None
    assert (place.number, place.way) == (position, WayState())


def test_a_way_that_is_used_again_goes_on_where_it_was(store: Store) -> None:
    taken(store, concluded(store, "a", "b"))
    deliveries.begin(store, WAY, "all", NOW)
    place = deliveries.position(store, WAY)
    assert place is not None
    assert place.number == 2


def test_the_position_moves_with_the_rows_and_only_from_where_it_was(store: Store) -> None:
    fresh = concluded(store, "a", "b")
    taken(store, fresh)
    deliveries.take(store, WAY, (0, 1), [fresh[0]._replace(number=1)], LATER)
    assert due(store) == [1, 2]
    place = deliveries.position(store, WAY)
    assert place is not None
    assert place.number == 2


def test_no_row_is_made_for_a_result_that_was_removed(store: Store) -> None:
    fresh = concluded(store, "a")
    taken(store, [*fresh, Fresh(2, 4711, None)])
    assert due(store) == [1]


def test_of_a_task_nothing_is_sent_before_what_has_failed_and_the_dead_hold_nothing_up(store: Store) -> None:
    fresh = concluded(store, "a", "b")
    taken(store, [*fresh, fresh[0]._replace(number=3)])
    settle(store, rows=[failed(1)])
    assert due(store) == [2]
    assert due(store, LATER) == [1, 2, 3]
    settle(store, rows=[failed(1)._replace(state="dead", attempts=2)])
    assert due(store) == [2, 3]


def test_answers_that_belong_to_no_task_hold_each_other_not_up(store: Store) -> None:
    fresh = concluded(store, "a", "b")
    taken(store, [one._replace(task=None) for one in fresh])
    settle(store, rows=[failed(1)])
    assert due(store) == [2]


def test_what_is_due_comes_in_order_in_pages(store: Store) -> None:
    taken(store, concluded(store, "a", "b", "c"))
    assert due(store, most=2) == [1, 2]
    assert due(store, most=2, behind=2) == [3]


def test_a_clock_that_was_set_back_keeps_no_letter_waiting(store: Store) -> None:
    taken(store, concluded(store, "a", "b"))
    settle(store, rows=[failed(1)])
    assert due(store, NOW - 86_400_000) == [1, 2]


def test_what_was_delivered_has_no_row_and_is_counted(store: Store, path: Path) -> None:
    taken(store, concluded(store, "a", "b", "c"))
    settle(store, delivered=[1, 3])
    assert due(store) == [2]
    assert elsewhere(path, "SELECT delivered, last_at FROM ways") == [(2, NOW)]


def test_after_an_outage_the_letters_that_were_tried_in_it_are_due(store: Store) -> None:
    taken(store, concluded(store, "a", "b", "c"))
    settle(store, rows=[failed(1, NOW - 10), failed(2, NOW)])
    settle(store, delivered=[3], revived_after=NOW - 5)
    assert due(store) == [2], "the first has failed before, by itself"


def test_the_way_keeps_its_last_delivery_when_it_fails(store: Store, path: Path) -> None:
    taken(store, concluded(store, "a", "b"))
    settle(store, delivered=[1])
    settle(store, rows=[failed(2)], way=WayState(3, LATER, None, "timeout"))
    assert elsewhere(path, "SELECT failures, rests_until, reason, last_at FROM ways") == [(3, LATER, "timeout", NOW)]


def test_a_removed_result_takes_its_deliveries_along(store: Store) -> None:
    taken(store, concluded(store, "a", "b"))
    with store.write():
        store.execute("DELETE FROM tasks WHERE seq = 1")
    assert due(store) == [2]


def test_a_retry_gives_a_fresh_schedule_and_starts_a_way_that_was_stopped(store: Store, path: Path) -> None:
    taken(store, concluded(store, "a", "b"))
    dead = failed(1)._replace(state="dead")
    settle(store, rows=[dead, failed(2)], way=WayState(4, LATER, NOW, "http_410"))
    chosen = by_hand.keys(store, states=("failed", "dead"))
    assert by_hand.retry(store, chosen, [], NOW, "ann") == (chosen, [WAY])
    assert [(one.number, one.attempts) for one in deliveries.due(store, WAY, NOW, 10)] == [(1, 0), (2, 0)]
    assert elsewhere(path, "SELECT failures, rests_until, stopped_at, reason FROM ways") == [(0, None, None, None)]
    assert noted(store) == [("retried deliveries", "mirth 1-2"), ("restarted a way", "mirth")]


def test_a_way_without_a_letter_can_be_started_again(store: Store, path: Path) -> None:
    deliveries.begin(store, WAY, "all", NOW)
    with store.write():
        deliveries.put(store, WAY, WayState(1, LATER, NOW, "http_410"))
    assert by_hand.retry(store, [], [WAY], NOW, "ann") == ([], [WAY])
    assert elsewhere(path, "SELECT rests_until, stopped_at FROM ways") == [(None, None)]
    assert noted(store) == [("restarted a way", "mirth")]
    assert by_hand.retry(store, [], [WAY], NOW, "ann") == ([], []), "it has not failed and is not stopped"


def test_deliveries_are_chosen_by_way_number_state_and_subtenant(store: Store) -> None:
    taken(store, concluded(store, "a", "b", "c"))
    record(store, "b", subtenant="north")
    settle(store, rows=[failed(1)._replace(state="dead")])
    assert [key.number for key in by_hand.keys(store, states=("dead",))] == [1]
    assert [key.number for key in by_hand.keys(store, numbers=[2, 9])] == [2]
    assert by_hand.keys(store, way="another") == []
    assert by_hand.keys(store, subtenant="north") == [(WAY, 2)]
    assert by_hand.keys(store, subtenant="south") == []


def test_what_is_skipped_is_never_sent_and_noted(store: Store) -> None:
    taken(store, concluded(store, *"abcdefg"))
    settle(store, delivered=[3])
    chosen = [*by_hand.keys(store), by_hand.Key(WAY, 3)]
    assert by_hand.skip(store, chosen, NOW, "ann") == chosen[:-1]
    assert due(store) == []
    assert noted(store) == [("skipped deliveries", "mirth 1-2, 4-7")]
    assert by_hand.skip(store, chosen, NOW, "ann") == []
    assert len(noted(store)) == 1, "nothing was done"


@pytest.mark.sqlite
def test_what_is_due_is_found_in_the_order_of_the_numbers_without_a_sort(store: Store, plans: list[str]) -> None:
    """A hundred thousand letters that were ordered anew are not sorted for each hundred of them."""
    taken(store, concluded(store, "a"))
    plans.clear()
    due(store)
    assert not [line for line in plans if "TEMP B-TREE" in line]
    assert [line for line in plans if "deliveries_task (way=? AND task=?)" in line], "a thousand dead are not searched"


LATER_BODY = {**DONE, "endDateTime": "2026-01-01T00:00:00Z"}


def left(store: Store, *, dead: list[int], delivered: list[int]) -> tuple[int, list[int]]:
    """All is taken, and some given up. How many of these the delivered ones replace, and which are left."""
    letters = [Fresh(one.number, one.result, _task(store, one.result)) for one in outbox.after(store, 0, 100)]
    taken(store, letters)
    settle(store, rows=[failed(number)._replace(state="dead") for number in dead])
    replaced = settle(store, delivered=delivered)
    return replaced, [key.number for key in by_hand.keys(store, states=("dead",))]


def _task(store: Store, result: int) -> int | None:
    row = store.one("SELECT task FROM results WHERE seq = :seq", {"seq": result})
    assert row is not None
    task: int | None = row["task"]
    return task


def test_a_delivered_letter_takes_the_dead_ones_along_that_it_replaces(store: Store) -> None:
    concluded(store, "a", "b")
    conclude(store, LATER_BODY, 1)
    assert left(store, dead=[1, 2], delivered=[3]) == (1, [2])


def test_a_dead_letter_of_another_ref_stays(store: Store) -> None:
    for ref in ("x", "y"):
        record(store, "a", ref=ref)
    conclude(store, DONE)
    conclude(store, LATER_BODY)
    assert left(store, dead=[1, 2, 4], delivered=[3]) == (1, [2, 4])


def test_a_dead_letter_that_is_newer_stays(store: Store) -> None:
    concluded(store, "a")
    conclude(store, LATER_BODY)
    assert left(store, dead=[2], delivered=[1]) == (0, [2])


@pytest.mark.parametrize("source", ["poll", "batch"])
def test_what_is_read_later_in_the_same_result_replaces_its_dead_letter(store: Store, source: str) -> None:
    (letter,) = concluded(store, "a")
    with store.write():
        store.execute("UPDATE results SET source = :source", {"source": source})
        outbox.publish_read(store, [letter.result], NOW)
    assert left(store, dead=[1], delivered=[2]) == (1, [])


def test_an_answer_of_a_batch_and_a_polled_result_never_replace_each_other(store: Store) -> None:
    concluded(store, "a")
    conclude(store, LATER_BODY)
    with store.write():
        store.execute("UPDATE results SET source = 'batch' WHERE revision = 1")
    assert left(store, dead=[1], delivered=[2]) == (0, [1])


@pytest.mark.sqlite
def test_what_is_replaced_is_found_by_its_task(store: Store, plans: list[str]) -> None:
    """Of a hundred thousand dead letters, those of the tasks that were delivered."""
    taken(store, concluded(store, "a"))
    plans.clear()
    settle(store, delivered=[1])
    assert [line for line in plans if line.startswith("SEARCH old") and "deliveries_task (way=? AND task=?)" in line]
    assert not [line for line in plans if line.startswith("SCAN")]
    assert not [line for line in plans if "state=?" in line]
