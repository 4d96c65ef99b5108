"""Days without trouble: the peers of the other modules answer well unless they are bent."""

from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.bent_sftp import Bend, BentDrop
from tests.support.cdpoll_process import House
from tests.support.drop_house import DropRounds
from tests.support.numbered_patients import held, numbered_batch, set_starts, wrong_pairs
from tests.support.scripted_vendor import ScriptedVendor, found, waits


def test_tasks_that_are_answered_are_concluded(tmp_path: Path, scripted: ScriptedVendor) -> None:
    scripted.say = lambda asked, peer: waits(asked, peer) if len(scripted.polls) <= 2 else found(asked, peer)
    house = House(tmp_path, **scripted.keys())
    house.record("id-1", "id-2")
    house.cdpoll("run", "--until-idle", check=0)
    assert house.status()["tasks"]["concluded"] == 2
    assert house.problems() == {}


def test_a_batch_is_fetched_and_read(tmp_path: Path, bend: Bend) -> None:
    drop = BentDrop({"a271.x12": numbered_batch(3)})
    house = House(tmp_path, **bend(drop).keys())
    (report,) = house.ingest(check=0)
    assert (report["state"], report["transaction_sets"]) == ("ingested", 3)
    assert not held(report)
    assert house.problems() == {}
    assert [house.value(f"SELECT count(*) FROM {view}") for view in ("batch_answers", "found_coverage")] == [3, 3]
    assert wrong_pairs(house) == []
    assert drop.files["a271.x12"].opens == 1


def test_a_plan_shown_with_another_patient_would_be_seen(tmp_path: Path) -> None:
    whole = numbered_batch(2)
    assert len(set_starts(whole)) == 2
    house = House(tmp_path)
    (tmp_path / "crossed.x12").write_bytes(whole.replace(b"PLAN0000", b"PLAN0001"))
    house.ingest(tmp_path / "crossed.x12", check=0)
    assert wrong_pairs(house) == [(view, ["0000"], ["0001"]) for view in ("batch_answers", "found_coverage")]


def test_a_file_that_was_taken_away_is_known(tmp_path: Path, bend: Bend) -> None:
    drop = BentDrop({"a271.x12": numbered_batch(3), "b271.x12": numbered_batch(1, 10)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states(after="delete") == [("a271.x12", "ingested"), ("b271.x12", "ingested")]
    assert drop.files == {}


@pytest.mark.parametrize(("host", "concluded"), [("127.0.0.1", 1), ("api.example.org", 0)])
def test_a_vendor_with_a_certificate(tmp_path: Path, host: str, concluded: int) -> None:
    ours = Authority(tmp_path)
    vendor = ScriptedVendor(ours.certificate("of-the-vendor", host).server())
    vendor.say = found
    with vendor.server:
        house = House(tmp_path, **vendor.keys(api_ca_file=str(ours.file)))
        house.record("id-1")
        house.rows("UPDATE tasks SET due_at = 1")
        house.cdpoll("run", "--once", check=0 if concluded else 69)
    assert house.status()["tasks"]["concluded"] == concluded
