"""What is kept whole lies on the disk of one host, and its row is for all."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.frozen_clock import NOW
from worker.core.errors import TryLater
from worker.core.x12.batch import TAKE_ALL
from worker.place import DatabasePlace
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.rounds.ingest.found_again import unknown_kept
from worker.rounds.ingest.retrying import retry_file
from worker.store.batch import keeping, quarantine
from worker.store.batch.lock import IngestLock
from worker.store.db.store import Store
from worker.store.opening import open_store


@pytest.fixture
def hosts(tmp_path: Path, place: DatabasePlace) -> Iterator[tuple[Store, Store]]:
    with open_host(tmp_path / "a", place) as a, open_host(tmp_path / "b", place) as b:
        yield a, b


def open_host(folder: Path, place: DatabasePlace) -> Store:
    assert place.server is not None
    folder.mkdir()
    return open_store(DatabasePlace(folder / "db", server=place.server._replace(daemon=folder.name)))


def quarantined(store: Store, folder: Path) -> int:
    """The number of a file that holds no X12, and its bytes are kept on this host."""
    given = folder / "given"
    given.write_text("no interchange at all")
    with given.open("rb") as file:
        report = ingest(store, BatchFile(file, "one.x12", "path"), NOW)
    assert report.state == "quarantined"
    assert report.number is not None
    return report.number


def kept(store: Store) -> list[str]:
    return sorted(path.name for path in keeping.folder(store.path, keeping.QUARANTINE).iterdir())


def test_another_host_says_where_the_bytes_are(hosts: tuple[Store, Store], tmp_path: Path) -> None:
    a, b = hosts
    number = quarantined(a, tmp_path)
    found = quarantine.one_file(b, number)
    assert found is not None
    assert found["daemon"] == "a"
    assert retry_file(b, number, NOW, TAKE_ALL) == "is on the host of a: run the same command there"


def test_bytes_of_a_file_that_another_host_has_dropped_go_and_come_back_nowhere(
    hosts: tuple[Store, Store], tmp_path: Path
) -> None:
    a, b = hosts
    number = quarantined(a, tmp_path)
    assert len(kept(a)) == 1
    assert unknown_kept(b, NOW, wait=False) == []
    assert quarantine.drop_file(b, number, NOW, "someone")
    assert unknown_kept(b, NOW, wait=False) == []
    assert len(kept(a)) == 1
    assert unknown_kept(a, NOW, wait=False) == []
    assert kept(a) == []


def test_one_host_reads_at_a_time(hosts: tuple[Store, Store]) -> None:
    a, b = hosts
    with IngestLock(a, "file", NOW, wait=False):
        with pytest.raises(TryLater, match="another cdpoll of a is reading a batch file"):
            ingest(b, BatchFile(io.BytesIO(b""), "x", "path"), NOW, wait=False)
        with IngestLock(b, "round", NOW, wait=False):
            pass
    with IngestLock(b, "file", NOW, wait=False):
        pass
