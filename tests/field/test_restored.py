"""An older copy of the database is put back. What lies beside it and is not known to it is read in again, not deleted.

The copies are made while nothing runs, as an operator's script does.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bent_sftp import Bend, BentDrop
from tests.support.cdpoll_process import House
from tests.support.drop_house import DropRounds
from tests.support.numbered_patients import numbered_batch
from worker.rounds.drop import one_file
from worker.store.batch import keeping

PGP = b"-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n"
CUT = numbered_batch(3)[:-40]


@pytest.fixture
def drop() -> BentDrop:
    return BentDrop()


@pytest.fixture
def rounds(tmp_path: Path, bend: Bend, drop: BentDrop) -> DropRounds:
    return DropRounds(tmp_path, bend(drop).settings())


def copied(rounds: DropRounds) -> Callable[[], None]:
    """Copy the database; what is returned puts the copy back."""
    rounds.round()
    copy = rounds.path.with_name("copy")
    assert not list(rounds.path.parent.glob("*-wal"))
    shutil.copy(rounds.path, copy)

    def restore() -> None:
        shutil.copy(copy, rounds.path)

    return restore


def kept(rounds: DropRounds) -> list[str]:
    return sorted(path.name for path in rounds.path.parent.glob(f"{keeping.QUARANTINE}/*"))


def known(rounds: DropRounds) -> list[tuple[str, str]]:
    return rounds.rows("SELECT state, sha256 FROM files ORDER BY seq")


def said_again(rounds: DropRounds) -> bool:
    return any(event == "a file that the database did not know was read in again" for event, _ in rounds.log.lines)


@pytest.mark.parametrize(("content", "state"), [(PGP, "quarantined"), (CUT, "incomplete")])
def test_a_file_kept_since_the_copy_is_known_again(
    rounds: DropRounds, drop: BentDrop, content: bytes, state: str
) -> None:
    restore = copied(rounds)
    drop.put("a.x12", content)
    assert rounds.states() == [("a.x12", state)]
    sha256 = hashlib.sha256(content).hexdigest()
    assert kept(rounds) == [sha256]
    drop.files.clear()  # the server gives nothing twice
    restore()
    assert known(rounds) == []
    rounds.log.lines.clear()
    rounds.round()
    assert kept(rounds) == [sha256]
    assert known(rounds) == [(state, sha256)]
    assert rounds.rows("SELECT name FROM files") == [(f"recovered {sha256[:12]}",)]
    assert said_again(rounds)
    assert rounds.rows("SELECT code FROM notices") == [("files_recovered",)]
    # Once is enough.
    rounds.log.lines.clear()
    rounds.round()
    assert (kept(rounds), known(rounds)) == ([sha256], [(state, sha256)])
    assert not said_again(rounds)


def test_a_kept_file_that_can_be_read_by_now_is_stored(rounds: DropRounds) -> None:
    rounds.round()
    folder = keeping.folder(rounds.path, keeping.QUARANTINE)
    whole = numbered_batch(3)
    (folder / hashlib.sha256(whole).hexdigest()).write_bytes(whole)
    (folder / ("0" * 64)).write_bytes(PGP)  # the disk changed a byte of it
    (folder / "notes.txt").write_bytes(b"a person's")
    rounds.round()
    assert sorted(state for state, _ in known(rounds)) == ["ingested", "quarantined"]
    assert rounds.rows("SELECT count(*) FROM batch_answers") == [(3,)]
    rounds.round()
    assert kept(rounds) == sorted([hashlib.sha256(PGP).hexdigest(), "notes.txt"])


@pytest.mark.parametrize("content", [numbered_batch(2), PGP, CUT])
def test_a_file_fetched_since_the_copy_is_read_in(
    rounds: DropRounds, drop: BentDrop, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    restore = copied(rounds)
    drop.put("a.x12", content)
    with monkeypatch.context() as dying:

        def died(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        dying.setattr(one_file, "read_in", died)
        with pytest.raises(KeyboardInterrupt):
            rounds.round(patient=True)
    assert len(rounds.incoming()) == 1
    drop.files.clear()
    restore()
    rounds.round()
    assert rounds.incoming() == []
    ((state, sha256),) = known(rounds)
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert kept(rounds) == ([] if state == "ingested" else [sha256])
    assert said_again(rounds)


@pytest.mark.parametrize(
    ("content", "states"),
    [(numbered_batch(2), ["ingested"]), (numbered_batch(2)[:-30], []), (b"", []), (PGP[:30], [])],
)
def test_of_what_has_a_temporary_name_only_halves_are_deleted(
    rounds: DropRounds, content: bytes, states: list[str]
) -> None:
    rounds.round()
    (rounds.path.parent / keeping.INCOMING / "0123456789abcdef.part").write_bytes(content)
    rounds.round()
    assert rounds.incoming() == []
    assert [state for state, _ in known(rounds)] == states


def test_what_the_database_no_longer_wants_is_deleted(rounds: DropRounds, drop: BentDrop) -> None:
    drop.put("a.x12", CUT)
    assert rounds.states() == [("a.x12", "incomplete")]
    assert len(kept(rounds)) == 1
    drop.put("a.x12", numbered_batch(3))
    assert rounds.states() == [("a.x12", "ingested")]
    rounds.round()
    assert kept(rounds) == []
    assert rounds.rows("SELECT count(*) FROM discarded") == [(0,)]
    assert rounds.rows("SELECT code FROM notices") == []


def test_a_command_that_reads_a_file_knows_them_again_as_well(tmp_path: Path) -> None:
    house = House(tmp_path)
    (tmp_path / "a.pgp").write_bytes(PGP)
    house.record("one")
    shutil.copy(house.database, tmp_path / "copy")
    house.ingest(tmp_path / "a.pgp", check=1)
    shutil.copy(tmp_path / "copy", house.database)
    (tmp_path / "b.x12").write_bytes(numbered_batch(1))
    done = house.cdpoll("ingest", "--json", str(tmp_path / "b.x12"), check=0)
    assert [one["name"] for one in done.json["files"]] == ["b.x12"]
    assert "a file that the database did not know was read in again" in done.err
    (waiting,) = house.cdpoll("quarantine", "list", "--json", check=0).json["files"]
    shown = house.cdpoll("quarantine", "show", waiting["number"], "--json", check=0).json
    assert Path(shown["kept_at"]).read_bytes() == PGP
    assert "files_recovered" in house.problems()
    house.cdpoll("quarantine", "drop", waiting["number"], check=0)
    house.ingest(tmp_path / "b.x12", check=0)
    assert house.cdpoll("quarantine", "list", "--json", check=0).json["files"] == []
