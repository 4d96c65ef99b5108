"""Coverage that becomes visible after its result had a number gets a later one, under which alone it is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.batch_files import read
from tests.support.database import NOW, concluded, pending, record, task_of
from tests.support.engine import elsewhere
from tests.support.polled_bodies import ANOTHER_PAYER, INACTIVE, a_body, a_path, says
from tests.support.x12_samples import ACTIVE, a_set, group, interchange
from worker.core.lifecycle import after as life_after
from worker.core.schedule.cadence import Schedule
from worker.core.x12 import embedded
from worker.rounds.ingest.deriving import derive_missing
from worker.store import outbox
from worker.store.conclude import conclude
from worker.store.db.store import Store
from worker.store.views import found

LATER = NOW + 10_000
TRACED: dict[str, Any] = {"trace_number": "OURS-1", "originator_id": "9000000001"}


def keep(store: Store, body: dict[str, Any], now: int = NOW) -> str:
    """Conclude the first task by a body whose 271s are still to be read."""
    document = concluded(body).document
    with store.write():
        polled = life_after(task_of(store, 1), concluded(body), now, Schedule())
        return conclude(store, polled, document, "poll", now)


def numbers(store: Store) -> list[tuple[int, str | None, str]]:
    return [(one.number, one.ref, one.reason) for one in outbox.after(store, 0, 1_000)]


def told(store: Store, **narrowed: Any) -> list[tuple[Any, ...]]:
    pages: Iterator[list[dict[str, Any]]] = found.found_pages(store, **narrowed)
    return [(line["seq"], line["ref"], line["payer"]) for page in pages for line in page]


def an_older_reader(store: Store, *statements: str) -> None:
    with store.write():
        for statement in ("UPDATE results SET derived = 1", *statements):
            store.execute(statement)


def test_coverage_that_is_read_after_its_result_was_published_has_later_numbers(store: Store) -> None:
    record(store, "a", ref="one")
    record(store, "a", ref="two")
    keep(store, a_body(successful=[a_path(says())]))
    assert numbers(store) == [(1, "one", "result"), (2, "two", "result")]
    assert derive_missing(store, LATER) == 1
    assert numbers(store)[2:] == [(3, "one", "read"), (4, "two", "read")]
    lines = [(3, "one", "PLAN OF PLENTY"), (4, "two", "PLAN OF PLENTY")]
    assert told(store) == told(store, task=1) == told(store, since_ms=NOW) == told(store, since_ms=LATER) == lines
    assert told(store, since_ms=LATER + 1) == []
    assert [one.number for one in outbox.of_results(store, [1])] == [3, 4]


def test_a_result_without_new_coverage_has_no_later_number(store: Store) -> None:
    record(store, "a")
    keep(store, a_body(unsuccessful=[a_path(says(INACTIVE), "ineligible")], status="failure"))
    derive_missing(store, LATER)
    assert numbers(store) == [(1, None, "result")]


def test_coverage_in_the_real_time_answer_of_a_fuller_body_has_a_later_number(store: Store) -> None:
    record(store, "a", ref="one")
    body = a_body(unsuccessful=[a_path(says(INACTIVE), "ineligible")], status="failure")
    keep(store, body)
    derive_missing(store, NOW)
    check = {"id": "rt", "transaction": {"status": "eligible", "x12-271": says(*ANOTHER_PAYER)}}
    assert keep(store, {**body, "realTime": check}) == "fuller"
    derive_missing(store, LATER)
    assert numbers(store) == [(1, "one", "result"), (2, "one", "read")]
    assert {seq for seq, *_ in told(store)} == {2}


def test_a_fuller_body_that_tells_the_same_has_none(store: Store) -> None:
    record(store, "a")
    body = a_body(successful=[a_path(says())])
    keep(store, body)
    derive_missing(store, NOW)
    assert keep(store, {**body, "realTime": {"id": "rt"}}) == "fuller"
    derive_missing(store, LATER)
    assert [reason for *_, reason in numbers(store)] == ["result", "read"]


@pytest.mark.parametrize(
    ("before", "more"),
    [
        ("coverage = 'inactive'", True),
        ("other_payers = ''", True),
        ("member_id = 'MI'", True),
        ("last_name = 'ANOTHER'", True),
        ("plan = 'TIN', begins = '2026-01-01', ends = '', warnings = 'hl_gap'", False),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_a_newer_reader_gives_a_number_to_what_was_not_told_before(
    store: Store, before: str, more: bool, batch: bool
) -> None:
    record(store, "a", ref="one", **TRACED)
    text = says(ACTIVE, *ANOTHER_PAYER[1:])
    if batch:
        read(store, text)
        record(store, "a", ref="late")
    else:
        keep(store, a_body(successful=[a_path(text)]))
        derive_missing(store, NOW)
    was = numbers(store)
    an_older_reader(store, f"UPDATE answers SET {before}")
    derive_missing(store, LATER)
    again = numbers(store)[len(was) :]
    refs = ([None, "late"] if batch else ["one"]) if more else []
    assert [(ref, reason) for _, ref, reason in again] == [(ref, "read") for ref in refs]
    # One line for each coverage and ref, under the last number.
    expected = {"one": was[0][0], "late": was[-1][0]} if batch else {"one": was[-1][0]}
    if more:
        expected = {"one": again[0][0], "late": again[-1][0]} if batch else {"one": again[0][0]}
    assert sorted({(ref, seq) for seq, ref, _ in told(store)}) == sorted(expected.items())
    assert len(told(store)) == 2 * len(expected)
    assert sorted(told(store, task=1), key=str) == sorted(told(store), key=str)


def test_what_is_provisional_or_held_back_as_a_test_has_no_number(store: Store, path: Path) -> None:
    record(store, "a")
    pending(store, a_body(successful=[a_path(says())]))
    read(store, interchange(group(a_set()), usage="T"), hold_test=True)
    assert elsewhere(path, "SELECT match FROM answers WHERE from_set IS NOT NULL") == [("test",)]
    an_older_reader(store, "UPDATE answers SET coverage = 'inactive'")
    while derive_missing(store, LATER):
        pass
    assert elsewhere(path, "SELECT DISTINCT coverage FROM answers") == [("active",)]
    assert elsewhere(path, "SELECT DISTINCT derived FROM results") == [(embedded.READER_VERSION,)]
    assert numbers(store) == []


def test_all_numbers_stand_in_published(store: Store, path: Path) -> None:
    record(store, "a")
    keep(store, a_body(successful=[a_path(says())]))
    derive_missing(store, LATER)
    assert elsewhere(path, "SELECT number, result, reason FROM published ORDER BY number") == [
        (1, 1, "result"),
        (2, 1, "read"),
    ]
