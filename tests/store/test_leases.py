"""A lease has one holder at a time, and expires when its holder does not renew it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hosts import another_host
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import leases
from worker.store.state.leases import Lease

MINUTE_MS = 60_000


@pytest.fixture
def store(used: Path) -> Iterator[Store]:
    with open_store(used) as opened:
        yield opened


def taken(store: Store, holder: str, now: int, name: str = leases.DROP) -> bool:
    with store.write():
        return leases.take(store, name, holder, now, MINUTE_MS)


def test_one_holds_it_until_it_expires(store: Store) -> None:
    assert taken(store, "a/1", now=0)
    assert not taken(store, "b/2", now=MINUTE_MS - 1)
    assert leases.holder_of(store, leases.DROP, MINUTE_MS - 1) == ("a", MINUTE_MS)
    assert leases.holder_of(store, leases.DROP, MINUTE_MS) is None
    assert taken(store, "b/2", now=MINUTE_MS)
    assert not taken(store, "a/1", now=MINUTE_MS + 1)


def test_its_holder_renews_it(store: Store) -> None:
    assert taken(store, "a/1", now=0)
    assert taken(store, "a/1", now=MINUTE_MS - 1)
    assert not taken(store, "b/2", now=MINUTE_MS)
    assert leases.holder_of(store, leases.DROP, MINUTE_MS) == ("a", 2 * MINUTE_MS - 1)


def test_each_work_has_its_own(store: Store) -> None:
    assert taken(store, "a/1", now=0)
    assert taken(store, "b/2", now=0, name="backfill")


def test_one_that_is_let_go_is_free_at_once(store: Store) -> None:
    taken(store, "a/1", now=0)
    with store.write():
        leases.let_go(store, leases.DROP, "b/2")
    assert not taken(store, "b/2", now=1)
    with store.write():
        leases.let_go(store, leases.DROP, "a/1")
    assert taken(store, "b/2", now=1)


def test_who_was_away_for_too_long_is_told_in_its_transaction(store: Store) -> None:
    taken(store, "a/1", now=0)
    # It has expired, but none has taken it: the work goes on.
    with store.write():
        leases.renew(store, leases.DROP, "a/1", 6 * MINUTE_MS)
    assert leases.holder_of(store, leases.DROP, 6 * MINUTE_MS - 1) == ("a", 6 * MINUTE_MS)
    taken(store, "b/2", now=6 * MINUTE_MS)
    with pytest.raises(leases.LeaseLost, match="another cdpoll of b does this work by now"), store.write():
        leases.renew(store, leases.DROP, "a/1", 9 * MINUTE_MS)
    with store.write():
        leases.let_go(store, leases.DROP, "b/2")
    with pytest.raises(leases.LeaseLost), store.write():
        leases.renew(store, leases.DROP, "a/1", 9 * MINUTE_MS)


# --- of a host


class SetClock:
    """A clock that a test sets."""

    at = 0

    def now(self) -> int:
        return self.at

    def monotonic(self) -> int:
        return self.at


@pytest.fixture
def other(used: Path, tmp_path: Path) -> Iterator[Store]:
    """The database as another host has it."""
    with another_host(used, tmp_path / "b", "b") as opened:
        yield opened


def test_all_processes_of_a_host_are_one_holder_and_another_host_is_another(used: Path, other: Store) -> None:
    mine = [leases.mine(open_store(used)) for _ in range(2)]
    assert mine[0] == mine[1]
    assert leases.mine(other) != mine[0]
    other.daemon = open_store(used).daemon  # two hosts with one name
    assert leases.mine(other) != mine[0]


def test_each_transaction_of_the_work_renews_it(store: Store, other: Store) -> None:
    store.clock = other.clock = clock = SetClock()
    held, wanted = Lease(store, leases.DROP, MINUTE_MS), Lease(other, leases.DROP, MINUTE_MS)
    assert held.take(0)
    for _ in range(5):
        clock.at += MINUTE_MS - 1
        with store.write():
            pass
        assert not wanted.take(clock.at)
    holder = wanted.holder(clock.at)
    assert holder is not None
    assert holder.daemon == store.daemon
    clock.at += MINUTE_MS
    assert wanted.take(clock.at)
    with pytest.raises(leases.LeaseLost), store.write():
        pytest.fail("a transaction began")
    held.let_go()  # what is the other's stays
    with store.write():
        assert not leases.take(store, leases.DROP, leases.mine(store), clock.at, 1)


def test_one_that_was_let_go_is_renewed_no_more(store: Store, other: Store) -> None:
    held = Lease(store, leases.DROP, MINUTE_MS)
    assert held.take(0)
    held.let_go()
    assert Lease(other, leases.DROP, MINUTE_MS).take(0)
    with store.write():
        pass


def test_one_that_cannot_be_let_go_expires(store: Store, other: Store) -> None:
    held = Lease(store, leases.DROP, MINUTE_MS)
    assert held.take(0)
    store.close()
    held.let_go()
    assert not Lease(other, leases.DROP, MINUTE_MS).take(MINUTE_MS - 1)
    assert Lease(other, leases.DROP, MINUTE_MS).take(MINUTE_MS)
