"""Files and folders of an SFTP server that change, are slow or large, or cannot be moved."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bent_sftp import DENIED, FAILURE, Bend, BentDrop, BentFile, Told, attributes
from tests.support.drop_house import EVERY, DropRounds, problems
from tests.support.numbered_patients import numbered_batch
from worker.gateways.sftp.drop import STEP_MS
from worker.store.batch import keeping


def patients(rounds: DropRounds) -> int:
    return int(rounds.rows("SELECT count(DISTINCT member_id) FROM batch_answers")[0][0])


class Rewritten(BentDrop):
    """Another file comes in place of the first while that is read, as large as it."""

    times = 1

    def read(self, name: str, file: BentFile, offset: int, length: int) -> Told:
        data = super().read(name, file, offset, length)
        if self.times:
            self.times -= 1
            file.data, file.mtime = numbered_batch(3, 10), file.mtime + 60
        return data


def test_a_file_that_was_rewritten_while_it_was_read_is_read_again(tmp_path: Path, bend: Bend) -> None:
    drop = Rewritten({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    (report,) = rounds.round(patient=True).reports
    assert (report.state, report.reason) == ("incomplete", "The file changed while it was being read.")
    assert (patients(rounds), problems(rounds)) == (0, {})
    # Its bytes are kept: the server may give them once.
    assert len(list((rounds.path.parent / keeping.QUARANTINE).iterdir())) == 1
    assert rounds.states() == [("a.x12", "ingested")]
    assert rounds.rows("SELECT min(member_id) FROM batch_answers") == [("M0010",)]
    assert problems(rounds) == {}


def test_a_server_that_changes_the_time_when_a_file_is_read(tmp_path: Path, bend: Bend) -> None:
    class Touching(BentDrop):
        def closed(self, name: str, file: BentFile) -> int | None:
            file.mtime += 60
            return None

    drop = Touching({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states() == [("a.x12", "incomplete")]
    # The same bytes at two readings are one file.
    assert rounds.states() == [("a.x12", "ingested")]
    assert (patients(rounds), drop.files["a.x12"].opens) == (3, 2)


def test_a_listing_is_waited_for_while_the_server_is_not_silent(tmp_path: Path, bend: Bend) -> None:
    class SlowFolder(BentDrop):
        names_per_packet = 10
        advance: Callable[[int], None] = lambda _: None

        def before_names(self) -> None:
            self.advance(STEP_MS - 1000)

    drop = SlowFolder({"a.x12": numbered_batch(3)} | {f"old{n:03}.999": b"x" for n in range(300)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    drop.advance = rounds.clock.advance
    assert rounds.states() == [("a.x12", "ingested")]


def test_a_folder_in_one_packet_of_megabytes(tmp_path: Path, bend: Bend) -> None:
    class Wide(BentDrop):
        names_per_packet = None

        def names(self) -> list[tuple[bytes, bytes]]:
            told = attributes(1, mtime=1)
            return [(b"%064d.999" % n, told) for n in range(30_000)] + super().names()

    drop = Wide({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states() == [("a.x12", "ingested")]


def test_names_that_are_none_or_longer_than_one_can_be(tmp_path: Path, bend: Bend) -> None:
    odd = [b"x" * 250_000 + b".x12", b"../a.x12", b"/out/a.x12", b"a\0b.x12", b"", b"..", b"."]

    class Odd(BentDrop):
        def names(self) -> list[tuple[bytes, bytes]]:
            return [(name, attributes(1, mtime=1)) for name in odd] + 2 * super().names()

    drop = Odd({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings("*", "..", ".*"))
    assert rounds.states(after="delete") == [("a.x12", "ingested")]
    assert rounds.rows("SELECT count(*) FROM remote_files") == [(0,)]
    assert {name for kind, name in drop.asked if kind in ("open", "remove", "lstat")} == {"a.x12"}


# --- moving and deleting


@pytest.mark.parametrize("status", [DENIED, FAILURE])
@pytest.mark.parametrize("after", ["delete", "move"])
def test_a_file_that_cannot_be_moved_or_deleted_is_named(tmp_path: Path, bend: Bend, status: int, after: str) -> None:
    class Keeping(BentDrop):
        refused = True

        def removed(self, name: str) -> int:
            return status if self.refused and name == "a.x12" else super().removed(name)

        def renamed(self, old: str, new: str) -> int:
            return status if self.refused and old == "a.x12" else super().renamed(old, new)

    drop = Keeping({"a.x12": numbered_batch(2), "b.x12": numbered_batch(2, 10)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    outcome = rounds.round(patient=True, after=after, move_to="/out")
    assert len(outcome.reports) == 2
    assert [name for name, _ in outcome.failed] == ["a.x12"]
    assert "a.x12 is not moved or deleted: the server" in problems(rounds)["sftp_files"]
    assert list(problems(rounds)) == ["sftp_files"]
    assert "b.x12" not in drop.files
    # It is tried ever more seldom.
    drop.asked.clear()
    rounds.round(after=after, move_to="/out")
    assert not {"remove", "rename"} & {kind for kind, _ in drop.asked}
    drop.refused = False
    rounds.round(after=after, move_to="/out", wait=EVERY)
    assert "a.x12" not in drop.files
    assert problems(rounds) == {}
