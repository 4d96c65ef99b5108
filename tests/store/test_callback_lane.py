"""Whether callbacks arrive, as the row says it."""

from tests.support.database import NOW
from worker.store.db.store import Store
from worker.store.state import callback_lane
from worker.store.state.callback_lane import CallbackLane


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
