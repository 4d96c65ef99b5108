"""A lease has one holder at a time, and expires when its holder does not renew it."""

from pathlib import Path

import pytest

from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import leases

MINUTE_MS = 60_000


@pytest.fixture
def store(used: Path) -> Store:
    return open_store(used)


def taken(store: Store, holder: str, now: int, name: leases.Work = "drop") -> bool:
    with store.write():
        return leases.take(store, name, holder, now, MINUTE_MS)


def test_one_holds_it_until_it_expires(store: Store) -> None:
    assert taken(store, "a/1", now=0)
    assert not taken(store, "b/2", now=MINUTE_MS - 1)
    assert leases.holder_of(store, "drop", MINUTE_MS - 1) == ("a", MINUTE_MS)
    assert leases.holder_of(store, "drop", MINUTE_MS) is None
    assert taken(store, "b/2", now=MINUTE_MS)
    assert not taken(store, "a/1", now=MINUTE_MS + 1)


def test_its_holder_renews_it(store: Store) -> None:
    assert taken(store, "a/1", now=0)
    assert taken(store, "a/1", now=MINUTE_MS - 1)
    assert not taken(store, "b/2", now=MINUTE_MS)
    assert leases.holder_of(store, "drop", MINUTE_MS) == ("a", 2 * MINUTE_MS - 1)


def test_each_work_has_its_own(store: Store) -> None:
    assert taken(store, "a/1", now=0)
    assert taken(store, "b/2", now=0, name="backfill")


def test_one_that_is_let_go_is_free_at_once(store: Store) -> None:
    taken(store, "a/1", now=0)
    with store.write():
        leases.let_go(store, "drop", "b/2")
    assert not taken(store, "b/2", now=1)
    with store.write():
        leases.let_go(store, "drop", "a/1")
    assert taken(store, "b/2", now=1)


def test_who_was_away_for_too_long_is_told_in_its_transaction(store: Store) -> None:
    taken(store, "a/1", now=0)
    with store.write():
        leases.hold(store, "drop", "a/1")
    # It has expired, but none has taken it: the work goes on.
    assert leases.holder_of(store, "drop", 5 * MINUTE_MS) is None
    with store.write():
        leases.hold(store, "drop", "a/1")
    taken(store, "b/2", now=5 * MINUTE_MS)
    with pytest.raises(leases.LeaseLost, match="another cdpoll b does this work now"), store.write():
        leases.hold(store, "drop", "a/1")
    with store.write():
        leases.let_go(store, "drop", "b/2")
    with pytest.raises(leases.LeaseLost), store.write():
        leases.hold(store, "drop", "a/1")


def test_a_process_has_one_name_and_a_restarted_one_another(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = leases.mine(store)
    assert before == leases.mine(store)
    monkeypatch.setattr(leases, "_TOKEN", "another")
    assert leases.mine(store) != before
    assert taken(store, before, now=0)
    assert not taken(store, leases.mine(store), now=1)
    lease = leases.holder_of(store, "drop", 1)
    assert lease is not None
    assert lease.daemon == store.daemon
