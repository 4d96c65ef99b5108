"""What keeps going wrong with a file is no line of the log at each attempt: it is a problem, which names the file."""

from pathlib import Path

import pytest

from tests.support.drop_house import DropHouse, batch
from tests.support.sshd import Sshd
from worker.gateways.sftp.drop import Drop, SftpFailed
from worker.store.opening import open_store
from worker.store.state import drop as rounds


@pytest.fixture
def house(tmp_path: Path, server: Sshd) -> DropHouse:
    return DropHouse(tmp_path, server)


def told(house: DropHouse) -> list[tuple[str, object]]:
    return [(event, fields.get("state")) for event, fields in house.log.lines]


def test_a_file_that_stays_cut_is_told_when_it_is_found(house: DropHouse) -> None:
    house.put("a.x12", batch("A")[:-30])
    for _ in range(3):
        assert house.states() == [("a.x12", "incomplete")]
    assert told(house) == [("a batch file came in", "incomplete")]
    house.put("a.x12", batch("A")[:-20], age=50)
    assert house.states() == [("a.x12", "incomplete")]
    house.put("a.x12", batch("A"), age=5)
    assert house.states() == [("a.x12", "ingested")]
    assert told(house)[1:] == [("a batch file came in", "incomplete"), ("a batch file came in", "ingested")]


@pytest.mark.parametrize("at", ["fetch", "remove"])
def test_a_file_that_cannot_be_fetched_or_deleted_is_named_by_the_problem_alone(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise SftpFailed("permission", "no", "no")

    house.put("a.x12", batch("A"))
    monkeypatch.setattr(Drop, at, refuse)
    for _ in range(3):
        house.round(patient=True, after="delete")
    assert [event for event, _ in told(house) if event != "a batch file came in"] == []
    with open_store(house.path) as store:
        found = rounds.troubled(store)
    assert found is not None
    assert (found.files, [said.split(" ")[0] for said in found.said]) == (1, ["a.x12"])


def test_while_a_round_is_under_way_the_database_says_since_when(
    house: DropHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.put("a.x12", batch("A"))
    house.round()
    every, later = house.rules.every, house.clock.at + 10 * house.rules.every
    seen = []

    def listed(_drop: Drop) -> list[object]:
        with open_store(house.path) as store:
            seen.append(rounds.silence(store, every, 1, later))
        return []

    monkeypatch.setattr(Drop, "list", listed)
    monkeypatch.setattr(rounds, "LONG_ROUND_MS", 1)
    house.clock.at = later - 5
    house.round()
    assert [one is not None and one.under_way is not None for one in seen][:1] == [True]
    with open_store(house.path) as store:
        after = rounds.silence(store, every, 1, later + 10 * every)
    assert after is not None
    assert after.under_way is None
