"""What is looked for by a correlation id: which refs what is found is given, and which not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import NOW
from worker.core.intake.intake import Expected, Intake, Lookup, Recording
from worker.core.lookups import (
    FIRST_SEARCH_MS,
    LONGEST_WAIT_MS,
    ONE_REQUEST_MS,
    ONE_REQUEST_TASKS,
    REQUEST_AFTER_MS,
    REQUEST_BEFORE_MS,
    FoundTask,
    Sought,
    next_search,
)
from worker.core.lookups import refs_to_give as give
from worker.core.schedule.cadence import Schedule
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.tasks.recording import Recorded, record_all

MINUTE = 60_000
DAY = 86_400_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "cdpoll.db", create=True) as opened:
        yield opened


def keep(store: Store, *given: Recording | Lookup | Expected, now: int = NOW) -> Recorded:
    intake = Intake(
        tuple(one for one in given if isinstance(one, Recording)),
        lookups=tuple(one for one in given if isinstance(one, Lookup)),
        expected=tuple(one for one in given if isinstance(one, Expected)),
    )
    return record_all(store, intake, origin="https://api.example", now=now, schedule=Schedule())


def refs(store: Store) -> dict[str, list[str]]:
    rows = store.read("SELECT id, ref FROM tasks LEFT JOIN refs ON refs.task = tasks.seq ORDER BY id, ref")
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["id"], []).extend([row["ref"]] if row["ref"] else [])
    return found


def state(store: Store) -> list[tuple[str, str, str | None]]:
    rows = store.read("SELECT ref, state, last_error FROM lookups ORDER BY seq")
    return [(row["ref"], row["state"], row["last_error"]) for row in rows]


def test_a_task_that_comes_later_is_given_the_ref_and_what_is_known_of_the_request(store: Store) -> None:
    done = keep(store, Lookup("c", "account 7", "T1", "O1", "M1", "1970-01-02", "clinic"))
    assert (done.lookups, done.new) == (["c"], [])
    keep(store, Recording("a", "callback", correlation_id="c"), now=NOW + MINUTE)
    assert refs(store) == {"a": ["account 7"]}
    assert state(store) == [("account 7", "found", None)]
    row = store.one("SELECT trace_number, originator_id, member_id, birth_date, subtenant FROM tasks")
    assert row is not None
    assert tuple(row) == ("T1", "O1", "M1", "1970-01-02", "clinic")


def test_a_task_that_is_there_already_is_found_at_once(store: Store) -> None:
    keep(store, Recording("a", "link", correlation_id="c"), Recording("b", "link", correlation_id="other"))
    keep(store, Lookup("c", "R"), now=NOW + MINUTE)
    assert refs(store) == {"a": ["R"], "b": []}
    assert state(store) == [("R", "found", None)]


def test_a_lookup_is_kept_once_and_an_expired_one_is_searched_again(store: Store) -> None:
    keep(store, Lookup("c", "R"))
    keep(store, Lookup("c", "R"), now=NOW + MINUTE)
    (row,) = store.read("SELECT recorded_at, due_at FROM lookups")
    assert tuple(row) == (NOW, NOW + FIRST_SEARCH_MS)
    with store.write():
        store.execute("UPDATE lookups SET state = 'expired', due_at = NULL, ended_at = :now", {"now": NOW})
    keep(store, Lookup("c", "R"), now=NOW + 2 * MINUTE)
    (row,) = store.read("SELECT state, recorded_at, due_at FROM lookups")
    assert tuple(row) == ("searching", NOW + 2 * MINUTE, NOW + 2 * MINUTE + FIRST_SEARCH_MS)


def test_a_correlation_id_that_was_used_twice_gives_no_ref_to_anything(store: Store) -> None:
    keep(store, Lookup("c", "patient one"))
    keep(store, Lookup("c", "patient two"), now=NOW + MINUTE)
    keep(store, Recording("a", "backfill", correlation_id="c"), now=NOW + 2 * MINUTE)
    assert refs(store) == {"a": []}
    assert state(store) == [("patient one", "found", "doubtful_ref"), ("patient two", "found", "doubtful_ref")]


def test_a_task_of_another_ref_is_not_given_this_one(store: Store) -> None:
    keep(store, Recording("a", "link", ref="patient one", correlation_id="c"))
    keep(store, Lookup("c", "patient two", member_id="M2"), now=NOW + MINUTE)
    assert refs(store) == {"a": ["patient one"]}
    assert state(store) == [("patient two", "found", "doubtful_ref")]
    assert store.one("SELECT member_id FROM tasks WHERE member_id IS NOT NULL") is None


@pytest.mark.parametrize(
    ("lookups", "tasks", "given"),
    [
        (["R"], [(0, ())], {"R"}),
        ([""], [(0, ())], set()),
        (["R", "S"], [(0, ())], None),
        (["R", ""], [(0, ())], {"R"}),
        (["R"], [(0, ("R",))], {"R"}),
        (["R"], [(0, ("S",))], None),
        (["R"], [(0, ()), (0, ("S",))], None),
        ([""], [(0, ("S",))], set()),
        (["R"], [(0, ()), (ONE_REQUEST_MS, ())], {"R"}),
        (["R"], [(0, ()), (ONE_REQUEST_MS + 1, ())], None),
        (["R"], [(None, ()), (ONE_REQUEST_MS, ())], {"R"}),
        (["R"], [(None, ()), (ONE_REQUEST_MS + 1, ())], None),
        (["R"], [(0, ())] * ONE_REQUEST_TASKS, {"R"}),
        (["R"], [(0, ())] * (ONE_REQUEST_TASKS + 1), None),
        (["R"], [(REQUEST_AFTER_MS, ())], {"R"}),
        (["R"], [(REQUEST_AFTER_MS + 1, ())], None),
        (["R"], [(-REQUEST_BEFORE_MS, ())], {"R"}),
        (["R"], [(-REQUEST_BEFORE_MS - 1, ())], None),
    ],
)
def test_when_a_ref_is_sure(
    lookups: list[str], tasks: list[tuple[int | None, tuple[str, ...]]], given: set[str] | None
) -> None:
    sought = [Sought(ref, 0) for ref in lookups]
    assert give(sought, [FoundTask(at, 0, frozenset(own)) for at, own in tasks]) == given


def test_a_task_that_was_recorded_long_before_is_of_another_request(store: Store) -> None:
    keep(store, Recording("a", "link", correlation_id="c"))
    keep(store, Lookup("c", "R"), now=NOW + 8 * DAY)
    assert (refs(store), state(store)) == ({"a": []}, [("R", "found", "doubtful_ref")])


def test_what_an_expired_lookup_waited_for_is_not_what_began_a_month_later(store: Store) -> None:
    keep(store, Lookup("c", "R"))
    with store.write():
        store.execute("UPDATE lookups SET state = 'expired', due_at = NULL, ended_at = :now", {"now": NOW})
    later = NOW + 30 * DAY
    keep(store, Recording("a", "backfill", correlation_id="c", sent_at=later), now=later)
    assert (refs(store), state(store)) == ({"a": []}, [("R", "found", "doubtful_ref")])


@pytest.mark.parametrize("lookup_first", [True, False])
@pytest.mark.parametrize(
    ("sought", "task"),
    [
        ({"member_id": "M1"}, {"member_id": "M2"}),
        ({"birth_date": "1970-01-02"}, {"birth_date": "20010203"}),
        ({"trace_number": "T1"}, {"trace_number": "T2"}),
    ],
)
def test_a_task_of_another_patient_is_given_neither_the_ref_nor_anything_else(
    store: Store, sought: dict[str, Any], task: dict[str, Any], lookup_first: bool
) -> None:
    lookup = replace(Lookup("c", "R", originator_id="O1"), **sought)
    recording = replace(Recording("a", "jsonl", correlation_id="c"), **task)
    keep(store, lookup if lookup_first else recording)
    keep(store, recording if lookup_first else lookup)
    assert (refs(store), state(store)) == ({"a": []}, [("R", "found", "doubtful_ref")])
    assert store.one("SELECT originator_id FROM tasks WHERE originator_id IS NOT NULL") is None


def test_what_is_written_in_another_way_is_the_same(store: Store) -> None:
    keep(store, Lookup("c", "R", member_id="w-12", birth_date="1970-01-02"))
    keep(store, Recording("a", "jsonl", correlation_id="c", member_id="W12", birth_date="19700102"))
    assert refs(store) == {"a": ["R"]}


def test_a_lookup_without_a_ref_tells_nothing_of_a_task_that_has_one(store: Store) -> None:
    """Else the answer of a batch to the request would be joined to the task of another, and go out under its ref."""
    keep(store, Recording("a", "link", ref="patient one", correlation_id="c"))
    keep(store, Lookup("c", None, "T1", "O1", "M1"), now=NOW + MINUTE)
    assert store.one("SELECT seq FROM tasks WHERE trace_number IS NOT NULL OR member_id IS NOT NULL") is None
    assert state(store) == [("", "found", None)]


def test_refs_that_come_at_the_same_moment_are_as_doubtful(store: Store) -> None:
    """Lines of one file, and files that are read together, are recorded at one moment."""
    keep(store, Lookup("c", "patient one"), Lookup("c", "patient two"))
    keep(store, Recording("a", "callback", correlation_id="c"))
    assert refs(store) == {"a": []}


def test_searches_come_ever_less_often() -> None:
    waits = [next_search(n, NOW) - NOW for n in (0, 1, 2, 10, 1000)]
    assert waits == [MINUTE, 2 * MINUTE, 4 * MINUTE, LONGEST_WAIT_MS, LONGEST_WAIT_MS]


def test_what_is_expected_is_kept_once_and_completed(store: Store) -> None:
    keep(store, Expected("T1", "R", member_id="M1"))
    done = keep(store, Expected("T1", "R", member_id="M2", birth_date="1970-01-02", subtenant="clinic"))
    keep(store, Expected("T1", "S"), Expected("T1", "R", "O1"))
    assert done.expected == 1
    rows = store.read("SELECT ref, originator_id, member_id, birth_date, subtenant FROM expected ORDER BY seq")
    assert [tuple(row) for row in rows] == [
        ("R", "O1", "M1", "1970-01-02", "clinic"),
        ("S", "", None, None, None),
    ]
