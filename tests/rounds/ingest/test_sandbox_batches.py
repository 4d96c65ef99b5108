"""The sandbox's batches: what polling found comes again in a file, and is told to be the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.batch import QUIRKS, write_batch
from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin
from worker.clock import Clock
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.rounds.ingest.file_report import FileReport
from worker.store.db.store import Store
from worker.store.opening import open_store


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Clock(), speed=1000) as running:
        yield running


def read(store: Store, path: Path) -> FileReport:
    with path.open("rb") as file:
        return ingest(store, BatchFile(file, path.name, "path"), 1_800_000_000_000)


def test_what_was_polled_before_is_joined_by_its_text(tmp_path: Path, sandbox: Sandbox) -> None:
    house = House(tmp_path, sandbox)
    polled, other = begin(sandbox, 3, "SBX-NOW-FOUND"), begin(sandbox, 3, "SBX-NOW-FOUND", first=10)
    house.record(*polled, "--ref", "account 7")
    house.cdpoll("run", "--until-idle", check=0)
    sets = write_batch(sandbox, tmp_path / "batch.x12")
    with open_store(house.database) as store:
        report = read(store, tmp_path / "batch.x12")
    assert (report.state, report.warnings) == ("ingested", ())
    assert report.counts.transaction_sets == sets
    joined = house.rows("SELECT DISTINCT id, refs FROM batch_answers WHERE match = 'matched'")
    assert set(joined) == {(task, "account 7") for task in polled}
    # The others were never recorded: no answer about them is joined to a task.
    assert house.value("SELECT count(*) FROM batch_answers WHERE match = 'unmatched'") >= len(other)
    assert house.value("SELECT count(*) FROM results WHERE source <> 'batch'") == len(polled)


@pytest.mark.parametrize("quirk", QUIRKS)
def test_a_quirk_changes_no_answer(tmp_path: Path, sandbox: Sandbox, quirk: str) -> None:
    begin(sandbox, 40, "SBX-NOW-FOUND")
    plain, odd = tmp_path / "plain.x12", tmp_path / "odd.x12"
    sets = write_batch(sandbox, plain)
    assert write_batch(sandbox, odd, quirks=[quirk]) >= sets
    assert plain.read_bytes() != odd.read_bytes()
    with open_store(tmp_path / "cdpoll.db", create=True) as store:
        report = read(store, odd)
        rows = store.read("SELECT coverage, member_id, payer FROM batch_answers ORDER BY answer")
    with open_store(tmp_path / "other.db", create=True) as store:
        read(store, plain)
        expected = store.read("SELECT coverage, member_id, payer FROM batch_answers ORDER BY answer")
    assert (report.state, report.counts.quarantined_sets) == ("ingested", 0)
    assert [tuple(row) for row in rows][: len(expected)] == [tuple(row) for row in expected]
    assert report.counts.interchanges >= 1


def test_an_unknown_quirk_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="isa_103"):
        write_batch(sandbox, tmp_path / "x", quirks=["nonsense"])
