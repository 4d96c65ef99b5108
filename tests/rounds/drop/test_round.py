"""One round over the drop, against a real OpenSSH server: settled files only, each once, also after interruptions."""

import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import MACHINE
from tests.support.drop_house import EVERY, SETTLE, DropHouse, batch
from tests.support.sshd import Sshd
from tests.support.x12_samples import a_set, group, interchange
from worker.core.errors import TryLater
from worker.gateways.sftp.drop import Drop
from worker.rounds.drop.round import RETRY_MS
from worker.store.batch import keeping
from worker.store.batch.lock import IngestLock
from worker.store.opening import open_store
from worker.store.state import drop as rounds
from worker.store.state import notices
from worker.store.views import status as look
from worker.store.views.problems import StatusRules


@pytest.fixture
def house(tmp_path: Path, server: Sshd) -> DropHouse:
    return DropHouse(tmp_path, server)


def test_a_file_is_fetched_at_the_second_look_only_and_then_never_again(house: DropHouse) -> None:
    house.put("a.x12", batch("A", "B"))
    first = house.round()
    assert (first.reports, first.unsettled) == ([], ["a.x12"])
    assert first.next_at == house.clock.at + SETTLE
    assert house.round(wait=SETTLE - 1).reports == []
    # The first look is in the database: this is another store, and another process might have taken it.
    (report,) = house.round(wait=1).reports
    assert (report.name, report.state, report.counts.transaction_sets) == ("a.x12", "ingested", 2)
    assert house.rows("SELECT name, source, state FROM files") == [("a.x12", "sftp", "ingested")]
    done = house.round(wait=EVERY)
    assert (done.reports, done.unsettled, done.next_at) == ([], [], house.clock.at + EVERY)
    assert (house.drop / "a.x12").exists()
    assert house.incoming() == []


def test_a_file_that_grows_between_two_looks_is_left_alone(house: DropHouse) -> None:
    text = batch("A")
    house.put("a.x12", text[:100])
    house.round()
    house.put("a.x12", text[:200])
    assert house.round(wait=SETTLE).reports == []
    house.put("a.x12", text, age=99)
    assert house.round(wait=SETTLE).reports == []
    assert [one.state for one in house.round(wait=SETTLE).reports] == ["ingested"]


def test_one_patient_round_waits_for_new_files(house: DropHouse) -> None:
    house.put("a.x12", batch("A"))
    assert house.states() == [("a.x12", "ingested")]


def test_what_is_not_included_is_left_alone_and_what_is_no_271_is_skipped(house: DropHouse) -> None:
    other = house.put("a.835", batch("A"))
    house.put("b.x12", interchange(group(a_set([("AK1", "HS", "7")], code="999"), code="FA")))
    house.put("c.x12", "{}")
    house.put("d.x12", batch("D"))
    house.put("d.x12_1", batch("D"))
    before = other.stat().st_atime_ns
    assert house.states(after="delete") == [
        ("b.x12", "skipped"),
        ("c.x12", "quarantined"),
        ("d.x12", "ingested"),
        ("d.x12_1", "known"),
    ]
    # Deleted is only what is stored; of the file in quarantine the bytes are kept here as well.
    assert sorted(path.name for path in house.drop.iterdir()) == ["a.835", "b.x12", "c.x12"]
    assert other.stat().st_atime_ns == before
    assert house.states() == []
    assert len(list((house.path.parent / keeping.QUARANTINE).iterdir())) == 1


def test_a_file_is_moved_once_it_is_stored(house: DropHouse) -> None:
    (house.drop / "done").mkdir(exist_ok=True)
    house.put("a.x12", batch("A"))
    house.put("cut.x12", batch("B")[:-30])
    assert house.states(after="move", move_to=str(house.drop / "done")) == [
        ("a.x12", "ingested"),
        ("cut.x12", "incomplete"),
    ]
    assert (house.drop / "done" / "a.x12").exists()
    assert not (house.drop / "a.x12").exists()
    assert (house.drop / "cut.x12").exists()


def test_a_zip_of_which_something_was_passed_over_stays_where_it_is(house: DropHouse) -> None:
    for name, files in (("a.x12", {"one": batch("A")}), ("b.x12", {"one": batch("B"), "readme.txt": "Hello."})):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for member, content in files.items():
                archive.writestr(member, content)
        house.put(name, packed.getvalue())
    house.put("b.x12_1", (house.drop / "b.x12").read_bytes())
    states = house.states(after="delete")
    assert states == [("a.x12", "ingested"), ("b.x12", "ingested"), ("b.x12_1", "known")]
    assert sorted(path.name for path in house.drop.iterdir() if path.is_file()) == ["b.x12", "b.x12_1"]


def test_what_could_not_be_moved_is_moved_by_a_later_round(house: DropHouse) -> None:
    house.put("a.x12", batch("A"))
    outcome = house.round(patient=True, after="move", move_to=str(house.drop / "nowhere"))
    assert [one.state for one in outcome.reports] == ["ingested"]
    assert outcome.failure is not None
    assert outcome.failure.code == "move_to_missing"
    assert outcome.next_at == house.clock.at + RETRY_MS
    assert (house.drop / "a.x12").exists()
    with open_store(house.path, create=True) as store:
        assert [code for code, _ in notices.listed(store)] == ["sftp_move_to_missing"]
    (house.drop / "nowhere").mkdir()
    assert house.states(after="move", move_to=str(house.drop / "nowhere")) == []
    assert (house.drop / "nowhere" / "a.x12").exists()
    (house.drop / "nowhere" / "a.x12").unlink()
    (house.drop / "nowhere").rmdir()


def test_an_incomplete_file_is_fetched_again_ever_more_seldom_and_at_once_when_it_changes(house: DropHouse) -> None:
    text = batch("A")
    house.put("a.x12", text[:-30])
    house.round()
    assert [one.state for one in house.round(wait=SETTLE).reports] == ["incomplete"]
    assert house.round(wait=EVERY - 1).reports == []
    assert [one.state for one in house.round(wait=1).reports] == ["incomplete"]
    assert house.round(wait=EVERY).reports == []
    assert [one.state for one in house.round(wait=EVERY).reports] == ["incomplete"]
    with open_store(house.path, create=True) as store:
        day_later = look.status(store, house.clock.at + 86_400_000, StatusRules(), MACHINE)
        assert day_later["files"]["incomplete"] == 1
        assert "incomplete_files" in {one["code"] for one in day_later["problems"]}
    house.put("a.x12", text, age=5)
    assert house.round().reports == []
    assert [one.state for one in house.round(wait=SETTLE).reports] == ["ingested"]
    assert house.rows("SELECT state FROM files") == [("ingested",)]


def test_a_drop_that_takes_a_file_away_once_it_was_read(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put("a.x12", batch("A"))
    house.put("b.x12", batch("B")[:-30])
    fetch = Drop.fetch

    def archiving(self: Drop, file: Any, *args: Any) -> Any:
        fetched = fetch(self, file, *args)
        (house.drop / os.fsdecode(file.name)).unlink()
        return fetched

    monkeypatch.setattr(Drop, "fetch", archiving)
    assert house.states(after="delete") == [("a.x12", "ingested"), ("b.x12", "incomplete")]
    assert house.states(after="delete") == []
    # The only bytes of the cut file that there are stay here until it comes whole, or a person drops it.
    assert len(list((house.path.parent / keeping.QUARANTINE).iterdir())) == 1
    house.put("b.x12", batch("B"))
    assert house.states() == [("b.x12", "ingested")]
    assert house.states() == []
    assert list((house.path.parent / keeping.QUARANTINE).iterdir()) == []


@pytest.mark.parametrize("moment", ["fetched, not noted", "noted, not read in", "read in, not noted"])
def test_a_crash_after_the_fetch_loses_nothing_and_doubles_nothing(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    from worker.rounds.drop import one_file as module
    from worker.rounds.ingest.batch_file import ingest

    house.put("a.x12", batch("A"))
    with monkeypatch.context() as patch:
        fetch = Drop.fetch

        def fetched_and_gone(self: Drop, file: Any, *args: Any) -> Any:
            done = fetch(self, file, *args)
            (house.drop / "a.x12").unlink()
            if moment == "fetched, not noted":
                raise KeyboardInterrupt
            return done

        def read_in(*args: Any, **kwargs: Any) -> Any:
            if moment == "read in, not noted":
                ingest(*args, **kwargs)
            raise KeyboardInterrupt

        patch.setattr(Drop, "fetch", fetched_and_gone)
        patch.setattr(module, "ingest", read_in)
        with pytest.raises(KeyboardInterrupt):
            house.round(patient=True)
    assert len(house.incoming()) == 1
    expected = "known" if moment == "read in, not noted" else "ingested"
    assert house.states() == [("a.x12", expected)]
    assert house.incoming() == []
    assert house.rows("SELECT member_id FROM batch_answers") == [("A",)]
    assert house.states() == []


def test_bytes_that_nobody_knows_the_name_of_are_read_in_all_the_same(house: DropHouse) -> None:
    open_store(house.path, create=True).close()
    folder = keeping.folder(house.path, keeping.INCOMING)
    (folder / "f00d").write_text(batch("A"))
    (folder / "half.part").write_text("ISA")
    assert house.states() == [("recovered f00d", "ingested")]
    assert house.incoming() == []


def test_one_round_at_a_time(house: DropHouse) -> None:
    open_store(house.path, create=True).close()
    with IngestLock(open_store(house.path), "round", 1, wait=False), pytest.raises(TryLater) as caught:
        house.round()
    assert caught.value.exit_code == 75
    assert caught.value.message == "another cdpoll is in a round over the drop"
    assert "a daemon runs, it reads the drop by itself" in caught.value.hint


def test_a_reading_under_way_is_not_waited_for_by_the_daemon_and_what_was_fetched_is_kept(house: DropHouse) -> None:
    house.put("a.x12", batch("A"))
    house.round()
    with IngestLock(open_store(house.path), "file", 1, wait=False), pytest.raises(TryLater):
        house.round(wait=SETTLE)
    assert [one.state for one in house.round().reports] == ["ingested"]


def test_a_server_that_cannot_be_reached_is_a_problem_until_it_can(house: DropHouse, server: Sshd) -> None:
    house.put("a.x12", batch("A"))
    closed = replace(house.rules.drop, server=replace(house.rules.drop.server, port=1))
    outcome = house.round(drop=closed)
    assert outcome.failure is not None
    assert outcome.next_at == house.clock.at + RETRY_MS
    with open_store(house.path, create=True) as store:
        assert [code for code, _ in notices.listed(store)] == [f"sftp_{outcome.failure.code}"]
    house.round(drop=closed)
    assert house.log.lines == [], "the daemon logs it as any other problem"
    assert house.states() == [("a.x12", "ingested")]
    with open_store(house.path, create=True) as store:
        assert notices.listed(store) == []


def test_a_drop_that_is_not_there_is_a_problem_until_it_is_made(house: DropHouse) -> None:
    later = house.drop / "later"
    settings = replace(house.rules.drop, folder=str(later))
    outcome = house.round(drop=settings)
    assert (outcome.failure and outcome.failure.code, outcome.next_at) == ("drop_missing", house.clock.at + RETRY_MS)
    with open_store(house.path, create=True) as store:
        ((code, detail),) = notices.listed(store)
    assert code == "sftp_drop_missing"
    assert f"has no folder {later}: check drop under [sftp]" in detail
    later.mkdir()
    (later / "a.x12").write_text(batch("A"))
    assert house.states(drop=settings) == [("a.x12", "ingested")]
    with open_store(house.path, create=True) as store:
        assert notices.listed(store) == []
    (later / "a.x12").unlink()
    later.rmdir()


def test_a_file_whose_name_is_no_text(house: DropHouse) -> None:
    name = b"odd\xff.x12"
    with open(os.fsencode(house.drop) + b"/" + name, "wb") as file:  # noqa: PTH123
        file.write(batch("A").encode())
    assert [state for _, state in house.states(after="delete")] == ["ingested"]
    assert not os.path.exists(os.fsencode(house.drop) + b"/" + name)  # noqa: PTH110
    assert len(house.rows("SELECT name FROM files")) == 1


def test_nothing_is_begun_once_the_process_is_told_to_stop(house: DropHouse) -> None:
    house.put("a.x12", batch("A"))
    house.round()
    house.stop.set()
    outcome = house.round(wait=SETTLE)
    assert outcome.reports == []
    with open_store(house.path, create=True) as store:
        assert notices.listed(store) == []


# --- another drop, another time


def test_a_name_in_another_drop_is_another_file(house: DropHouse) -> None:
    other = house.drop / "other"
    other.mkdir(exist_ok=True)
    house.put("a.x12", batch("A"))
    assert house.states() == [("a.x12", "ingested")]
    (other / "a.x12").write_text(batch("B"))
    os.utime(other / "a.x12", (1_700_000_000 - 100, 1_700_000_000 - 100))
    elsewhere = replace(house.rules.drop, folder=str(other))
    assert house.states(drop=elsewhere) == [("a.x12", "ingested")]
    assert house.rows("SELECT member_id FROM batch_answers ORDER BY 1") == [("A",), ("B",)]


def test_what_was_fetched_from_another_drop_is_read_in_and_nothing_deleted_for_it_here(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from worker.rounds.drop import one_file as module

    other = house.drop / "other"
    other.mkdir(exist_ok=True)
    house.put("a.x12", batch("A"))
    with monkeypatch.context() as patch:
        patch.setattr(module, "ingest", lambda *_args, **_kwargs: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            house.round(patient=True, after="delete")
    assert len(house.incoming()) == 1
    twin = other / "a.x12"
    twin.write_text("B" * len(batch("A")))
    os.utime(twin, (1_700_000_000 - 100, 1_700_000_000 - 100))
    elsewhere = replace(house.rules.drop, folder=str(other))
    outcome = house.round(drop=elsewhere, after="delete")
    assert [(one.name, one.state) for one in outcome.reports] == [("a.x12", "ingested")]
    assert twin.exists()
    assert (house.drop / "a.x12").exists()
    assert house.states(drop=elsewhere, after="delete") == [("a.x12", "quarantined")]


def test_a_clock_set_back_keeps_no_file_waiting(house: DropHouse) -> None:
    day = 86_400_000
    house.put("a.x12", batch("A"))
    house.put("cut.x12", batch("B")[:-30])
    house.round()
    house.clock.jump(-10 * day)
    house.round()
    done = house.round(wait=SETTLE)
    assert [(one.name, one.state) for one in done.reports] == [("a.x12", "ingested"), ("cut.x12", "incomplete")]
    # The next look at the cut one is not put off until the old time comes again.
    assert done.next_at <= house.clock.at + EVERY
    house.clock.jump(-10 * day)
    assert house.round().reports == []
    assert [one.name for one in house.round(wait=SETTLE).reports] == ["cut.x12"]


def test_a_file_that_never_settles_is_named_after_hours_and_not_once_it_settles(house: DropHouse) -> None:
    def named() -> rounds.Troubled | None:
        with open_store(house.path, create=True) as store:
            return rounds.troubled(store)

    for n in range(8):
        house.put("a.x12", "ISA" + "x" * n)
        house.round(wait=3_600_000)
        assert (named() is None) is (n < 7), n
    assert named() == (1, ["a.x12 is not fetched: its size or time has kept changing for hours"], 0)
    house.put("a.x12", batch("A"))
    assert house.states() == [("a.x12", "ingested")]
    assert named() is None
