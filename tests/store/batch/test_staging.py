"""While a file is staged, other processes can write and no view shows its sets; a crash leaves nothing."""

import gc
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.batch_files import NOW, batch, members, read, rows, start, watched
from tests.support.cdpoll_process import DEADLINE
from tests.support.engine import elsewhere
from tests.support.mortal import KILLED, Moment
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.core.errors import StorageFailed
from worker.core.x12.answer import Answer
from worker.core.x12.answer_json import answer_json
from worker.rounds.ingest import garbage_collection
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.rounds.ingest.file_report import FileReport
from worker.store.batch import batches, quarantine, staging
from worker.store.batch import rows as batch_rows
from worker.store.batch.lock import IngestLock
from worker.store.db.store import Store
from worker.store.opening import open_store


def test_transactions_are_small_and_the_file_appears_at_one_moment(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[int] = []
    # A polling process writes and reads between any two transactions, without waiting.
    with open_store(path, timeout=0.05, create=True) as poller:
        poll: Any = type(poller).write

        def seen() -> None:
            moments.append(len(members(path)))
            with poll(poller):
                poller.execute("INSERT INTO meta (key, value) VALUES (:n, '')", {"n": f"poll {len(moments)}"})

        sizes = watched(store, monkeypatch, seen)
        read(store, batch(*range(2000)))
    # Each answer is a row of results and one of answers, each set one of its own; and one is drawn for its number.
    assert max(sizes) <= 3 * staging.PAGE_ROWS + 10
    assert len(sizes) >= 2 + 2 * 2000 // staging.PAGE_ROWS
    assert moments == [0] * (len(sizes) - 1) + [2000]


def test_a_set_of_many_patients_is_spread_over_transactions(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = [
        segment
        for n in range(2000)
        for segment in (
            ("HL", str(n + 3), "2", "22", "0"),
            ("NM1", "IL", "1", "X", "Y", "", "", "", "MI", f"P{n:05d}"),
            ACTIVE,
        )
    ]
    head = subscriber()[:5]
    sizes = watched(store, monkeypatch, lambda: None)
    report = read(store, interchange(group(a_set([*head, *patients]))))
    assert (report.counts.transaction_sets, report.counts.subscribers, report.counts.unmatched) == (1, 2000, 2000)
    assert max(sizes) <= 3 * staging.PAGE_ROWS + 10
    assert len(set(members(path))) == 2000
    again = read(store, interchange(group(a_set([*head, *patients]), control="77")))
    assert (again.counts.known_sets, again.counts.unmatched) == (1, 0)
    assert len(members(path)) == 2000


# Of the second piece of the file, and of its end; the first COMMIT is that of the lease, the second that of the
# file's own row.
@pytest.mark.parametrize(
    "last",
    [
        Moment("INSERT INTO sets", 2),
        Moment("INSERT INTO answers", 2, "after"),
        pytest.param(Moment("COMMIT", 4, "within"), marks=pytest.mark.sqlite),
        Moment("COMMIT", 4, "after"),
        Moment("UPDATE files SET state = 'ingested'", where="after"),
    ],
    ids=lambda moment: "-".join(map(str, moment)),
)
def test_kill_9_in_the_middle_leaves_nothing_that_is_seen_and_the_next_reading_removes_it(
    tmp_path: Path, path: Path, last: Moment
) -> None:
    file = tmp_path / "big.x12"
    file.write_text(batch(*range(1500)))
    open_store(path, create=True).close()
    with start(path, file, last) as process:
        assert process.wait(DEADLINE) in KILLED
    staged, files = elsewhere(path, "SELECT (SELECT count(*) FROM sets), (SELECT count(*) FROM files)")[0]
    assert (0 < staged < 1500 or last.start.startswith("UPDATE"), files) == (True, 1)
    assert members(path) == []
    assert elsewhere(path, "SELECT count(*) FROM found_coverage") == [(0,)]
    assert elsewhere(path, "SELECT count(*) FROM kept_results") == [(0,)]
    with start(path, file) as process:
        assert process.communicate(timeout=DEADLINE)[0] == b"ingested 1500\n"
    assert members(path) == [f"M{n:05d}" for n in range(1500)]
    assert elsewhere(path, "SELECT count(*) FROM sets") == [(1500,)]
    assert elsewhere(path, "SELECT count(*) FROM files") == [(1,)]
    with open_store(path) as store:
        assert store.wrong() == []


def test_leftovers_are_removed_in_small_transactions(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = batches.FileRows.finish
    monkeypatch.setattr(batches.FileRows, "finish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        read(store, batch(*range(1200)))
    monkeypatch.setattr(batches.FileRows, "finish", finish)
    assert rows(path) > 3600
    sizes = watched(store, monkeypatch, lambda: None)
    with IngestLock(store, "file", NOW, wait=True):
        assert batches.remove_leftovers(store) == 1
    assert max(sizes) <= 2 * staging.PAGE_ROWS  # a result takes its answer with it
    assert rows(path) == 0
    assert elsewhere(path, "SELECT count(*) FROM files") == [(0,)]


def test_a_number_of_a_result_is_never_used_again(store: Store, path: Path) -> None:
    read(store, batch(1))
    ((first,),) = elsewhere(path, "SELECT max(seq) FROM results")
    with store.write():
        store.execute("DELETE FROM results")
    read(store, batch(2), name="second")
    assert elsewhere(path, "SELECT min(seq) > ? FROM results", first) == [(1,)]


@pytest.mark.sqlite
def test_a_full_disk_shows_nothing_of_the_file(store: Store, path: Path) -> None:
    from tests.support.cdpoll_process import small_files

    size = path.stat().st_size
    with small_files(size + 400_000), pytest.raises(StorageFailed):
        read_in_place(store, batch(*range(2000)))
    assert members(path) == []
    assert read(store, batch(*range(2000))).state == "ingested"
    assert len(members(path)) == 2000


def read_in_place(store: Store, text: str) -> FileReport:
    """As :func:`read`, from memory that counts as a file."""
    fd = os.memfd_create("batch")
    with os.fdopen(fd, "w+b", closefd=True) as file:
        view = memoryview(text.encode())
        while view:
            view = view[os.write(fd, view[:200_000]) :]
        file.seek(0)
        return ingest(store, BatchFile(file, "big", "path"), NOW)


def test_the_counts_are_those_of_the_module_that_keeps_them() -> None:
    assert set(quarantine._COUNTS.split(", ")) == set(batch_rows.Counts.__slots__)


def test_python_looks_for_cycles_seldom_while_a_file_is_read_and_then_as_before(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = gc.get_threshold()
    meanwhile: list[int] = []
    watched(store, monkeypatch, lambda: meanwhile.append(gc.get_threshold()[0]))
    read(store, batch(1))
    assert meanwhile == [garbage_collection.YOUNG_OBJECTS] * len(meanwhile) != []
    assert gc.get_threshold() == before
    monkeypatch.setattr(batches.FileRows, "begin", _fails)
    with pytest.raises(StorageFailed):
        read(store, batch(2))
    assert gc.get_threshold() == before


def _fails(*_: object, **__: object) -> None:
    raise StorageFailed("the disk is full", "free some space")


def test_a_file_that_breaks_our_own_code_waits_for_a_person_and_leaves_nothing(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(answer: Answer) -> bytes:
        if not answer.traces:
            raise ValueError
        return answer_json(answer)

    monkeypatch.setattr(staging, "answer_json", broken)
    untraced = a_set([segment for segment in subscriber(ACTIVE) if segment[0] != "TRN"])
    report = read(store, interchange(group(a_set(subscriber(ACTIVE)), untraced)))
    assert (report.state, report.reason is not None and "A fault in cdpoll itself" in report.reason) == (
        "quarantined",
        True,
    )
    assert elsewhere(path, "SELECT state, (SELECT count(*) FROM results) FROM files") == [("quarantined", 0)]


def test_large_answers_are_written_down_one_by_one_whatever_stands_beside_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set of thousands of patients of whom a few have nearly all of its bytes."""
    held: list[int] = []
    make = staging.Staging._make

    def watching(one: staging.Staging) -> None:
        held.append(sum(len(answer.benefits) for _, answer in one._heard))
        make(one)

    monkeypatch.setattr(staging.Staging, "_make", watching)
    patients = [
        segment
        for n in range(3, 2000)
        for segment in (("HL", str(n), "2", "22", "0"), *[ACTIVE] * (5_000 if n < 9 else 0))
    ]
    read(store, interchange(group(a_set([*subscriber()[:5], *patients]))))
    assert max(held) == 5_000
