"""A drop that moves files away once they were opened: what is gone before it came whole is found there, or told of.

OpenSSH moves no file by itself: between two rounds the test moves the files that an archiving server would move.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.drop_house import EVERY, DropHouse, batch
from tests.support.faulty_proxy import FaultyProxy
from tests.support.sshd import Sshd
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.gateways.sftp.drop import Drop
from worker.rounds.drop.work import DropOutcome
from worker.store.batch import remote
from worker.store.opening import open_store
from worker.store.state import notices

LONG = interchange(
    group(*(a_set(subscriber(ACTIVE, ("MSG", str(n % 10) * 20_000)), control=f"{n}") for n in range(20)))
)


@pytest.fixture
def house(tmp_path: Path, server: Sshd) -> DropHouse:
    found = DropHouse(tmp_path, server)
    archive = server.drop / "archive"
    archive.mkdir(exist_ok=True)
    found.rules = replace(found.rules, archive=str(archive))
    return found


def interrupted(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch, name: str, text: str, *, moved_to: str | None
) -> Path:
    """A file that is opened, and whose fetch does not come to an end; the server has moved it away by then."""
    path = house.put(name, text)

    def cut(self: Drop, file: Any, *args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Drop, "fetch", cut)
        with pytest.raises(KeyboardInterrupt):
            house.round(patient=True)
    target = house.drop / "archive" / (moved_to or "elsewhere.txt")
    path.rename(target)
    return target


def problems(house: DropHouse) -> dict[str, str]:
    with open_store(house.path) as store:
        return dict(notices.listed(store))


def states(outcome: DropOutcome) -> list[tuple[str, str]]:
    return [(one.name, one.state) for one in outcome.reports]


@pytest.mark.parametrize("name", ["a.x12", "a.x12_1", "a_1.x12", "a_12.x12"])
def test_what_was_opened_before_a_crash_is_found_in_the_archive(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to=name)
    assert house.states(after="delete") == [("a.x12", "ingested")]
    assert house.rows("SELECT member_id FROM batch_answers") == [("A",)]
    assert (house.drop / "archive" / name).exists()
    assert house.states(after="delete") == []
    assert house.rows("SELECT count(*) FROM remote_files") == [(0,)]
    assert problems(house) == {}


def test_what_was_cut_in_the_middle_is_found_in_the_archive(house: DropHouse, server: Sshd) -> None:
    with FaultyProxy(server.port, "cut", "down", 100_000) as proxy:
        drop = replace(house.rules.drop, server=server.server(proxy.port))
        path = house.put("a.x12", LONG)
        outcome = house.round(patient=True, drop=drop)
        assert [(name, failure.code) for name, failure in outcome.failed] == [("a.x12", "cut")]
        assert outcome.reports == []
        path.rename(house.drop / "archive" / "a.x12")
        proxy._fault = "none"
        assert states(house.round(patient=True, drop=drop)) == [("a.x12", "ingested")]
    assert house.rows("SELECT transaction_sets FROM files") == [(20,)]


def test_of_several_that_may_be_it_the_one_of_its_time_is_taken(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = house.drop / "archive"
    # Yesterday's file of that name has the same size and lies there already; others are none of our business.
    (archive / "a.x12").write_text(batch("B"))
    (archive / "a.x12_2").write_text(batch("A") + "\n")
    (archive / "aa.x12").write_text(batch("C"))
    (archive / "a.x12_1_1").write_text(batch("D"))
    opened: list[bytes] = []
    fetch = Drop.fetch

    def watched(self: Drop, file: Any, *args: Any, **kwargs: Any) -> Any:
        opened.append(file.name)
        return fetch(self, file, *args, **kwargs)

    interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to="a.x12_1")
    monkeypatch.setattr(Drop, "fetch", watched)
    assert house.states() == [("a.x12", "ingested")]
    assert opened == [b"a.x12_1"]


def test_where_the_server_changes_the_time_what_is_known_is_not_taken_for_it(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert house.put("a.x12", batch("B")).exists()
    assert house.states() == [("a.x12", "ingested")]
    (house.drop / "a.x12").rename(house.drop / "archive" / "a.x12")
    house.round()
    moved = interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to="a.x12_1")
    os.utime(moved, (1_600_000_000, 1_600_000_000))
    assert house.states() == [("a.x12", "known"), ("a.x12", "ingested")]
    assert house.rows("SELECT member_id FROM batch_answers ORDER BY 1") == [("A",), ("B",)]


def test_what_is_not_in_the_archive_is_told_once_and_looked_for_on(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to=None)
    outcome = house.round(patient=True)
    assert (outcome.reports, outcome.lost, outcome.failure) == ([], ["a.x12"], None)
    assert "a.x12; they are looked for in" in problems(house)["files_lost"]
    for _ in range(3):
        assert house.round(wait=EVERY).lost == ["a.x12"]
    assert [event for event, _ in house.log.lines].count("files are gone from the drop before they came whole") == 1
    moved.rename(moved.with_name("a.x12"))
    assert states(house.round(wait=EVERY)) == [("a.x12", "ingested")]
    assert problems(house) == {}


def test_after_a_week_it_is_no_longer_looked_for(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to=None)
    assert house.round().lost == ["a.x12"]
    assert house.round(wait=remote.SEARCHED_MS).lost == ["a.x12"]
    assert house.round(wait=1).lost == []
    assert "files_lost" in problems(house)


def test_a_file_that_comes_back_is_no_longer_gone(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to=None)
    assert house.round().lost == ["a.x12"]
    moved.rename(house.drop / "a.x12")
    assert house.states() == [("a.x12", "ingested")]


def members(house: DropHouse) -> list[str]:
    return [name for (name,) in house.rows("SELECT member_id FROM batch_answers ORDER BY 1")]


def test_another_file_of_its_name_does_not_hide_what_was_moved_away_meanwhile(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to="a.x12")
    house.put("a.x12", batch("LATER"))
    assert house.states(after="delete") == [("a.x12", "ingested"), ("a.x12", "ingested")]
    assert members(house) == ["A", "LATER"]
    assert not (house.drop / "a.x12").exists()
    assert (house.drop / "archive" / "a.x12").exists()
    assert problems(house) == {}


def test_nor_what_was_not_in_the_archive_when_it_was_looked_for_first(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to=None)
    assert house.round().lost == ["a.x12"]
    moved.rename(moved.with_name("a.x12_1"))
    house.put("a.x12", batch("LATER"))
    assert house.states() == [("a.x12", "ingested"), ("a.x12", "ingested")]
    assert members(house) == ["A", "LATER"]


def test_what_is_hidden_and_not_found_is_told_and_no_longer_looked_for(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to=None)
    assert house.round().lost == ["a.x12"]
    house.put("a.x12", batch("LATER"))
    assert house.states() == [("a.x12", "ingested")]
    assert "a.x12; another file of its name has come; look in the server's archive" in problems(house)["files_lost"]
    assert house.round().lost == []
    assert "files_lost" in problems(house)


def test_a_file_that_was_begun_and_has_changed_is_only_that(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to=None)
    moved.unlink()
    house.put("a.x12", batch("LATER"))
    assert house.states() == [("a.x12", "ingested")]
    assert (members(house), problems(house)) == (["LATER"], {})


def test_an_archive_that_is_not_there_does_not_keep_the_file_that_hides_another(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to=None)
    assert house.round().lost == ["a.x12"]
    house.put("a.x12", batch("LATER"))
    outcome = house.round(patient=True, archive=str(house.drop / "nowhere"))
    assert states(outcome) == [("a.x12", "ingested")]
    assert set(problems(house)) == {"files_lost", "sftp_archive_missing"}


def test_without_an_archive_it_is_told_and_forgotten(house: DropHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to="a.x12")
    outcome = house.round(archive=None)
    assert (outcome.reports, outcome.lost) == ([], ["a.x12"])
    assert "a.x12; look in the server's archive, and ingest them by hand" in problems(house)["files_lost"]
    assert house.round(archive=None).lost == []
    assert "files_lost" in problems(house)


def test_what_was_never_opened_is_nobodys_loss(house: DropHouse) -> None:
    path = house.put("a.x12", batch("A"))
    house.round()
    path.unlink()
    assert house.round().lost == []
    assert problems(house) == {}


def test_an_archive_that_is_not_there_is_a_mistake_of_the_configuration_and_told_of(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to="a.x12")
    house.put("b.x12", batch("B"))
    wrong = str(house.drop / "nowhere")
    outcome = house.round(patient=True, archive=wrong)
    assert states(outcome) == [("b.x12", "ingested")]
    assert outcome.failure is not None
    assert (outcome.failure.code, outcome.failure.as_error().exit_code) == ("archive_missing", 78)
    assert set(problems(house)) == {"files_lost", "sftp_archive_missing"}
    assert house.states() == [("a.x12", "ingested")]
    assert problems(house) == {}


def test_a_cut_while_it_is_fetched_from_the_archive_costs_nothing(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(house, monkeypatch, "a.x12", batch("A"), moved_to="a.x12")
    fetch = Drop.fetch

    def stopped(self: Drop, *args: Any, **kwargs: Any) -> Any:
        fetch(self, *args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Drop, "fetch", stopped)
        with pytest.raises(KeyboardInterrupt):
            house.round()
    assert [state for _, state in house.states()] == ["ingested", "known"]
    assert house.rows("SELECT member_id FROM batch_answers") == [("A",)]
    assert problems(house) == {}
