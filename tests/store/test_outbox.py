"""A reader who follows the numbers of the outbox misses nothing and sees nothing twice."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.support.batch_files import batch, read
from tests.support.database import DONE, conclude, record, seq_of
from tests.support.engine import elsewhere
from tests.support.polled_bodies import says
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.core.instant import from_iso
from worker.core.x12 import issues
from worker.rounds.ingest import retrying
from worker.rounds.ingest.retrying import retry_set
from worker.store import outbox
from worker.store.batch import staging
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.outbox import Published

OTHER = {**DONE, "endDateTime": "2026-01-01T00:00:00Z"}


class Follower:
    """A reader who remembers the last number, and takes up to ``most`` at a time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.seen: list[Published] = []

    def follow(self, store: Store) -> bool:
        """One page; whether there was anything new."""
        page = outbox.after(store, self.seen[-1].number if self.seen else 0, self.most)
        self.seen += page
        return bool(page)


def follow_all(store: Store) -> list[tuple[int, str | None, str]]:
    """(number, ref, reason) of everything, in pages of two."""
    found: list[Published] = []
    while page := outbox.after(store, found[-1].number if found else 0, 2):
        found += page
    return [(one.number, one.ref, one.reason) for one in found]


def members(store: Store) -> list[str]:
    """The patients of batches, in the order of their numbers."""
    found = []
    for one in outbox.after(store, 0, 10_000):
        found += store.read("SELECT member_id FROM answers WHERE result = :result", {"result": one.result})
    return [row["member_id"] for row in found]


def test_each_ref_of_a_result_has_a_number_and_a_result_without_refs_has_one(store: Store) -> None:
    record(store, "a", ref="account 7")
    record(store, "a", ref="account 8")
    record(store, "b")
    assert follow_all(store) == []
    conclude(store, DONE, 1)
    conclude(store, DONE, seq_of(store, "b"))
    assert follow_all(store) == [(1, "account 7", "result"), (2, "account 8", "result"), (3, None, "result")]


def test_a_revision_has_numbers_of_its_own_and_an_equal_or_fuller_body_has_none(store: Store) -> None:
    record(store, "a", ref="account 7")
    said = [conclude(store, body) for body in (DONE, DONE, {**DONE, "realTime": {"id": "rt"}}, OTHER)]
    assert said == ["first", "same", "fuller", "revision"]
    assert follow_all(store) == [(1, "account 7", "result"), (2, "account 7", "revision")]


def test_a_late_ref_has_a_number_for_each_result_that_is_visible(store: Store) -> None:
    record(store, "a", ref="early")
    record(store, "a", ref="second")
    assert follow_all(store) == []
    for body in (DONE, OTHER):
        conclude(store, body)
    record(store, "a", ref="late")
    record(store, "a", ref="late")
    record(store, "a", ref="early")
    found = outbox.after(store, 4, 10)
    assert [(one.number, one.ref, one.reason) for one in found] == [(5, "late", "ref"), (6, "late", "ref")]
    assert [one.result for one in found] == [row["seq"] for row in store.read("SELECT seq FROM results ORDER BY seq")]


def test_a_late_ref_of_a_task_that_batches_told_of_counts_too(store: Store) -> None:
    record(store, "a", trace_number="OURS-1", originator_id="9000000001")
    assert read(store, interchange(group(a_set()))).counts.matched == 1
    record(store, "a", ref="late")
    assert follow_all(store) == [(1, None, "file"), (2, "late", "ref")]


def test_a_file_has_one_row_and_a_number_for_each_answer_in_the_order_of_the_file(store: Store, path: Path) -> None:
    read(store, batch(3, 1, 2))
    assert elsewhere(path, "SELECT first, last, result, ref, reason, file, ordinal FROM outbox") == [
        (1, 3, None, None, "file", 1, 1)
    ]
    assert follow_all(store) == [(1, None, "file"), (2, None, "file"), (3, None, "file")]
    assert members(store) == ["M00003", "M00001", "M00002"]


def test_sets_that_are_known_have_no_number_again(store: Store) -> None:
    read(store, batch(1, 2))
    read(store, batch(2, 3, 1, 4), name="second")
    read(store, batch(4, 1, control="000000009"), name="third")
    assert members(store) == ["M00001", "M00002", "M00003", "M00004"]
    assert [number for number, *_ in follow_all(store)] == [1, 2, 3, 4]


def test_what_is_held_back_as_a_test_has_no_number(store: Store, path: Path) -> None:
    held = interchange(group(a_set(subscriber(ACTIVE, member="TEST"))), usage="T")
    real = interchange(group(a_set(subscriber(ACTIVE, member="REAL"))), control="000000002")
    report = read(store, held + real, hold_test=True)
    assert (report.counts.test_answers, report.counts.unmatched) == (1, 1)
    assert members(store) == ["REAL"]
    read(store, interchange(group(a_set(subscriber(ACTIVE, member="TEST2"))), usage="T"), name="held", hold_test=True)
    assert members(store) == ["REAL"]
    assert elsewhere(path, "SELECT count(*) FROM outbox") == [(1,)]


def test_a_set_accepted_out_of_quarantine_has_its_numbers_then(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a later cdpoll did without the SE; two sets of the same file, and a task between them."""
    broken = [a_set(subscriber(ACTIVE, member=f"LOST{n}"), control=f"000{n}")[:-1] for n in (2, 3)]
    read(store, interchange(group(a_set(), *broken)))
    assert members(store) == ["M0001"]
    monkeypatch.setattr(retrying, "PAGE_ROWS", 2)
    monkeypatch.setattr(issues, "HELD", issues.HELD - {"se_missing"})
    for seq in (3, 2):
        assert retry_set(store, seq, 1) is None
        record(store, f"t{seq}")
        conclude(store, DONE, 4 - seq)
    assert [(number, reason) for number, _, reason in follow_all(store)] == [
        (1, "file"),
        (2, "set"),
        (3, "result"),
        (4, "set"),
        (5, "result"),
    ]
    assert members(store) == ["M0001", "LOST3", "LOST2"]
    agree(store)


def agree(store: Store) -> list[Published]:
    """Everything that is published, which the view and the function say alike; each visible result is there."""
    rows = store.read("SELECT number, result, ref, reason, visible_at FROM published ORDER BY number")
    found = [Published(r["number"], r["result"], r["ref"], r["reason"], from_iso(r["visible_at"])) for r in rows]
    assert outbox.after(store, 0, len(found) + 1) == found == outbox.of_results(store, {one.result for one in found})
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    kept = {row["seq"] for row in store.read("SELECT seq FROM kept_results")}
    assert {one.result for one in found} == kept
    return found


def test_readers_between_any_two_transactions_miss_nothing(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While two files are staged, tasks are concluded and refs come late; two readers look after each transaction."""
    readers = [Follower(1), Follower(100)]
    monkeypatch.setattr(staging, "PAGE_ROWS", 4)
    with open_store(path, create=True) as poller, open_store(path) as reading:
        steps = iter(range(1, 1000))

        def meanwhile() -> None:
            n = next(steps)
            record(poller, f"t{n}", ref=f"ref {n}")
            conclude(poller, DONE, seq_of(poller, f"t{n}"))
            if n % 3 == 0:
                record(poller, f"t{n - 1}", ref=f"late {n}")
                conclude(poller, OTHER, seq_of(poller, f"t{n - 2}"))
            for reader in readers:
                reader.follow(reading)

        after_each_write(store, monkeypatch, meanwhile)
        read(store, batch(*range(20)))
        read(store, batch(*range(10, 40)), name="second")
    found = agree(store)
    assert {one.reason for one in found} == {"result", "revision", "ref", "file"}
    for reader in readers:
        while reader.follow(store):
            pass
        assert reader.seen == found


def after_each_write(store: Store, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], None]) -> None:
    """Call ``meanwhile`` after each transaction of this store."""

    written = store.write

    @contextmanager
    def write(**_how: bool) -> Iterator[None]:
        with written():
            yield
        meanwhile()

    monkeypatch.setattr(store, "write", write)


def test_readers_beside_writers_in_threads_miss_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "PAGE_ROWS", 8)
    open_store(path, create=True).close()
    working = threading.Event()
    working.set()
    readers = [Follower(1), Follower(50)]

    def stage(store: Store) -> None:
        for n in range(3):
            read(store, batch(*range(n * 40, n * 40 + 60)), name=f"file {n}")

    def poll(store: Store) -> None:
        for n in range(1, 41):
            record(store, f"t{n}", ref=f"ref {n}")
            conclude(store, DONE, seq_of(store, f"t{n}"))
            conclude(store, OTHER, seq_of(store, f"t{n}"))

    def refer(store: Store) -> None:
        for n in range(1, 41):
            record(store, f"t{n}", ref=f"late {n}")

    def follow(store: Store, reader: Follower) -> None:
        while working.is_set() or reader.follow(store):
            reader.follow(store)

    with ThreadPoolExecutor(5) as threads:
        following = [threads.submit(alone, path, partial(follow, reader=reader)) for reader in readers]
        try:
            for writing in [threads.submit(alone, path, work) for work in (stage, poll, refer)]:
                writing.result()
        finally:
            working.clear()
        for reading in following:
            reading.result()
    with open_store(path, create=True) as store:
        found = agree(store)
    assert len(found) > 140 + 80
    assert [reader.seen for reader in readers] == [found, found]


def test_numbers_of_what_was_removed_are_missing_and_the_rest_is_found(store: Store) -> None:
    read(store, batch(*range(5)))
    record(store, "a")
    conclude(store, DONE)
    with store.write():
        store.execute("DELETE FROM results WHERE seq <= 4 OR source <> 'batch'")
    assert [one.number for one in outbox.after(store, 0, 2)] == [5]
    assert outbox.after(store, 5, 2) == []
    record(store, "b")
    conclude(store, DONE, 2)
    assert [one.number for one in outbox.after(store, 5, 2)] == [7]


def alone(path: Path, work: Callable[[Store], object]) -> None:
    """In a thread, with a connection of its own."""
    with open_store(path, create=True) as store:
        work(store)


@pytest.mark.sqlite
def test_a_database_of_an_earlier_release_gets_a_number_for_each_ref(tmp_path: Path) -> None:
    path = tmp_path / "cdpoll.db"
    with open_store(path, create=True) as store:
        for ref in ("one", "two", "three"):
            record(store, "a", ref=ref, trace_number="OURS-1", originator_id="9000000001", member_id="M0001")
        read(store, says() + says(member="M0002", control="0002"))
        record(store, "a", ref="late")
        with store.write():
            store.execute("DELETE FROM outbox WHERE ref IN ('two', 'three')")
        store.set_version(22)
    with open_store(path, migrate=lambda: None) as store:
        added = [(one.number, one.ref) for one in outbox.after(store, 2, 9)]
    assert added == [(5, "late"), (6, "three"), (7, "two")]
