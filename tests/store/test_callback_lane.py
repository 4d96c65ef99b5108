"""Whether callbacks arrive, as the row says it."""

import pytest

from tests.support.database import NOW, record
from worker.core.callback_lane import CallbackLane
from worker.store.db.store import Store
from worker.store.state import callback_lane
from worker.store.tasks import verifying


def heard(store: Store, now: int, *, fresh: bool) -> CallbackLane:
    with store.write():
        callback_lane.heard(store, fresh=fresh, now=now)
    return callback_lane.get(store)


def test_a_fresh_callback_heals_and_a_replayed_one_does_not(store: Store) -> None:
    assert callback_lane.get(store) == CallbackLane()
    with store.write():
        store.execute("UPDATE callback_lane SET on_since = :now, down_since = :now", {"now": NOW})
    assert heard(store, NOW + 1, fresh=False) == CallbackLane(NOW, NOW + 1, None, NOW)
    assert heard(store, NOW + 2, fresh=True) == CallbackLane(NOW, NOW + 2, NOW + 2, None)


def test_of_two_the_later_one_counts(store: Store) -> None:
    heard(store, NOW + 5, fresh=True)
    assert heard(store, NOW, fresh=True) == CallbackLane(None, NOW + 5, NOW + 5, None)


@pytest.mark.sqlite
def test_looks_are_answered_by_indexes_of_few_rows(store: Store, plans: list[str]) -> None:
    record(store, "a")
    plans.clear()
    callback_lane.any_waiting(store)
    callback_lane.waiting(store)
    callback_lane.missing(store, CallbackLane(on_since=NOW), 5, NOW, 3)
    verifying.due(store, 0, NOW, 5)
    verifying.next_due(store, {1})
    assert [line.split("tasks USING ")[-1] for line in plans] == [
        "INDEX tasks_waiting (due_at>?)",
        "INDEX tasks_waiting (due_at>?)",
        "INDEX tasks_awaited (awaited_from>? AND awaited_from<?)",
        "INDEX tasks_verify (verify_at>? AND verify_at<?)",
        "INDEX tasks_verify (verify_at>?)",
    ]
