"""Which results a way gets, and where it begins."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.database import NOW, conclude, record
from tests.support.engine import elsewhere
from tests.support.scripted_way import Delivering, results
from worker.store.db.store import Store
from worker.store.opening import open_store

AT = NOW + 120_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cdpoll.db", create=True) as opened:
        yield opened


def test_a_way_gets_the_outcomes_and_the_subtenants_that_it_asks_for(store: Store) -> None:
    results(store, ["a", "b"])
    record(store, "c")
    conclude(store, {"id": "c", "status": "failure"}, 3)
    with store.write():
        store.execute("UPDATE tasks SET subtenant = CASE WHEN id = 'b' THEN 'south' ELSE 'north' END")
    by = Delivering(store, now=AT)
    by.rules = replace(by.rules, subtenants=frozenset({"north"}), outcomes=frozenset({"success"}))
    by.begin()
    by.until_idle()
    assert by.way.numbers == [1]
    assert by.place.number == 3
    assert [by.rules.of(one).subtenants for one in ("north", "south")] == [frozenset({"north"}), frozenset()]
    assert replace(by.rules, subtenants=None).of("south").subtenants == frozenset({"south"})


def test_a_way_that_begins_with_what_is_new_passes_over_what_is_there(store: Store) -> None:
    results(store, ["a"])
    by = Delivering(store, now=AT)
    by.rules = replace(by.rules, start="new")
    by.begin()
    by.until_idle()
    results(store, ["b"])
    by.until_idle()
    assert by.way.numbers == [2]


def test_numbers_that_are_not_for_a_way_cost_no_row(store: Store, tmp_path: Path) -> None:
    results(store, [f"t{n}" for n in range(1, 8)])
    by = Delivering(store, now=AT)
    by.rules = replace(by.rules, outcomes=frozenset({"batch"}))
    by.begin()
    by.until_idle()
    assert elsewhere(tmp_path / "cdpoll.db", "SELECT position, delivered FROM ways") == [(7, 0)]
    assert by.way.tried == []
