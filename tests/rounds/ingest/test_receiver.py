"""`[sftp] receiver`: a set that is meant for another is held."""

import io
from pathlib import Path
from typing import Any

import pytest

from tests.support.batch_files import NOW
from tests.support.cdpoll_process import House
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.core.x12.batch import HoldRules
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.rounds.ingest.file_report import FileReport
from worker.rounds.ingest.retrying import retry_set
from worker.store.db.store import Store

OURS = ("CLINIC", "C-1")


def a_file(isa08: str, gs03: str) -> str:
    one = group(a_set(subscriber(ACTIVE, member="A"), control="0001"))
    one[0] = (*one[0][:3], gs03, *one[0][4:])
    return interchange(one, isa={8: isa08})


def read(store: Store, text: str, receivers: tuple[str, ...] = OURS) -> FileReport:
    path = store.path.parent / "given"
    path.write_text(text)
    with path.open("rb") as file:
        return ingest(store, BatchFile(file, "given.x12", "path", rules=HoldRules(receivers=receivers)), NOW)


@pytest.mark.parametrize(
    ("isa08", "gs03", "held"),
    [
        ("CLINIC", "CLINIC", None),
        ("CLINIC", "C-1", None),
        ("clinic", "c-1", None),
        ("OTHER", "CLINIC", "ISA"),
        ("CLINIC", "OTHER", "GS"),
        ("CLINICS", "CLINIC", "ISA"),
    ],
)
def test_a_set_for_another_is_held(store: Store, isa08: str, gs03: str, held: str | None) -> None:
    report = read(store, a_file(isa08, gs03))
    assert (report.state, report.counts.quarantined_sets) == ("ingested", int(held is not None))
    shown = store.read("SELECT count(*) AS n FROM batch_answers")[0]["n"]
    assert shown == (0 if held else 1)
    if held:
        assert [(one.code, one.segment) for one in report.warnings if one.code == "other_receiver"] == [
            ("other_receiver", held)
        ]


def test_without_the_key_all_are_taken(store: Store) -> None:
    assert read(store, a_file("OTHER", "OTHER"), ()).counts.quarantined_sets == 0


def test_it_comes_out_of_quarantine_once_the_configuration_names_it(store: Store) -> None:
    read(store, a_file("OTHER", "OTHER"))
    (row,) = store.read("SELECT seq FROM sets WHERE state = 'quarantined'")
    refused = retry_set(store, row["seq"], NOW, HoldRules(receivers=OURS))
    assert refused is not None
    assert "another receiver" in refused
    assert retry_set(store, row["seq"], NOW, HoldRules(receivers=(*OURS, "OTHER"))) is None
    assert store.read("SELECT member_id FROM batch_answers")[0]["member_id"] == "A"


def test_files_given_by_path_are_held_too(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"host": "h.example", "username": "me", "password": "x", "include": "*"}
    house = House(tmp_path, **{f"sftp_{key}": value for key, value in keys.items()}, sftp_receiver="CLINIC")
    given = tmp_path / "a.x12"
    given.write_bytes(io.BytesIO(a_file("OTHER", "OTHER").encode()).getvalue())
    (report,) = house.ingest(given, check=1)
    assert report["quarantined_sets"] == 1
