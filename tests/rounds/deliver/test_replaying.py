"""What was delivered is sent again, in short transactions."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.database import DONE, NOW, conclude
from tests.support.scripted_way import RULES, Delivering, results
from worker.rounds.deliver import replaying
from worker.rounds.deliver.replaying import replay
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import acts

AT = NOW + 120_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cdpoll.db", create=True) as opened:
        yield opened


def test_what_was_delivered_under_these_numbers_is_sent_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "STEP_ROWS", 2)
    results(store, [f"t{n}" for n in range(1, 9)])
    by = Delivering(store, now=AT)
    by.until_idle()
    assert replay(store, RULES, (2, 7), AT, "ann") == 6
    by.until_idle()
    assert by.way.numbers == [*range(1, 9), *range(2, 8)]
    said = [(one["act"], one["object"]) for one in acts.listed(store, 10)]
    assert said == [("replayed deliveries", f"mirth {numbers}") for numbers in ("6-7", "4-5", "2-3")]


def test_what_a_way_has_not_looked_at_is_left_to_it(store: Store) -> None:
    results(store, ["a", "b"])
    assert replay(store, RULES, (1, 10**9), AT, "ann") == 0
    by = Delivering(store, now=AT)
    by.until_idle()
    results(store, ["c"])
    assert replay(store, RULES, (2, 10**9), AT, "ann") == 1
    by.until_idle()
    assert by.way.numbers == [1, 2, 2, 3]


def test_what_was_replaced_and_what_is_not_for_the_way_is_left_out(store: Store) -> None:
    results(store, ["a", "b"])
    by = Delivering(store, now=AT)
    by.until_idle()
    conclude(store, {**DONE, "endDateTime": "2026-01-01T00:00:00Z"}, 1)
    by.until_idle()
    assert replay(store, RULES, (1, 3), AT, "ann") == 2
    by.until_idle()
    assert by.way.numbers == [1, 2, 3, 2, 3]
    assert replay(store, replace(RULES, outcomes=frozenset({"batch"})), (1, 3), AT, "ann") == 0
