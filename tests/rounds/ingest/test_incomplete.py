"""Files with holes or without a middle: nothing of them is stored, unless a person takes them as they are."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from tests.support.batch_files import NOW, batch, members, rows
from tests.support.engine import elsewhere
from tests.support.numbered_patients import set_starts
from worker.rounds.ingest.batch_file import BatchFile, ingest, ingest_dry_run
from worker.rounds.ingest.file_report import FileReport
from worker.store.batch import quarantine
from worker.store.db.store import Store

WHOLE = batch(1, 2, 3, 4).encode()
START, END = set_starts(WHOLE)[1] + 40, set_starts(WHOLE)[2] + 40
HOLED = WHOLE[:START] + bytes(END - START) + WHOLE[END:]
SPLICED = WHOLE[:START] + WHOLE[END:]


def read(store: Store, content: bytes, name: str = "a.x12", *, as_is: bool = False, dry: bool = False) -> FileReport:
    file = store.path.parent.parent / "given"
    file.write_bytes(content)
    with file.open("rb") as opened:
        work = ingest_dry_run if dry else ingest
        return work(store, BatchFile(opened, name, "path", as_is=as_is), NOW)


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.x12", content)
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        HOLED,
        SPLICED,
        bytes(400),
        bytes(400) + WHOLE[400:],
        b"\xef\xbb\xbf" + bytes(400) + WHOLE[400:],
        WHOLE[:1] + bytes(400) + WHOLE[401:],
        WHOLE[:30] + bytes(40) + WHOLE[70:],
        bytes(100_000) + WHOLE,
        zipped(bytes(400) + WHOLE[400:]),
        zipped(HOLED),
        gzip.compress(SPLICED),
    ],
)
def test_nothing_is_stored_before_it_is_whole(store: Store, path: Path, content: bytes) -> None:
    report = read(store, content)
    assert (report.state, report.was_incomplete, rows(path)) == ("incomplete", True, 0), report.reason
    assert report.reason
    assert read(store, WHOLE).state == "ingested"
    assert members(path) == ["M00001", "M00002", "M00003", "M00004"]


@pytest.mark.parametrize(
    ("content", "taken", "held"),
    [
        (HOLED, ["M00001", "M00004"], 1),
        (SPLICED, ["M00001", "M00004"], 1),
        (WHOLE[: set_starts(WHOLE)[2] + 40], ["M00001", "M00002"], 1),
        (WHOLE[: WHOLE.index(b"GE*")], ["M00001", "M00002", "M00003", "M00004"], 0),
    ],
)
def test_a_person_takes_it_as_it_is_and_the_whole_one_comes_in_later(
    store: Store, path: Path, content: bytes, taken: list[str], held: int
) -> None:
    reason = read(store, content).reason
    dry = read(store, content, as_is=True, dry=True)
    assert (dry.state, rows(path)) == ("ingested", 0)
    report = read(store, content, name="by hand", as_is=True)
    assert (report.state, report.as_is, report.reason) == ("ingested", True, reason)
    assert report.counts.quarantined_sets == held
    assert members(path) == taken
    # The history has it, and nothing waits for the file any more.
    assert elsewhere(path, "SELECT name, state, as_is, was_incomplete, reason FROM files") == [
        ("by hand", "ingested", 1, 1, reason)
    ]
    assert [one["as_is"] for page in quarantine.files(store) for one in page] == [True]
    again = read(store, content)
    assert (again.state, again.as_is, again.was_incomplete) == ("known", True, True)
    assert read(store, WHOLE).state == "ingested"
    assert members(path) == ["M00001", "M00002", "M00003", "M00004"]


def test_of_a_packed_file_too(store: Store, path: Path) -> None:
    packed = gzip.compress(batch(*range(900)).encode(), 1)
    assert read(store, packed[:-4000]).state == "incomplete"
    report = read(store, packed[:-4000], as_is=True)
    assert (report.state, report.as_is) == ("ingested", True)
    assert 0 < len(members(path)) < 900


@pytest.mark.parametrize("content", [b"", bytes(500), WHOLE[:50]])
def test_where_there_is_nothing_to_take_it_stays_incomplete(store: Store, path: Path, content: bytes) -> None:
    assert (read(store, content, as_is=True).state, rows(path)) == ("incomplete", 0)


def test_a_whole_file_is_not_marked(store: Store, path: Path) -> None:
    report = read(store, WHOLE, as_is=True)
    assert (report.state, report.as_is, report.reason) == ("ingested", False, None)
    assert elsewhere(path, "SELECT as_is, was_incomplete FROM files") == [(0, 0)]
