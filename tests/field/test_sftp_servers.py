"""SFTP servers that answer otherwise than OpenSSH does: mailboxes that give a file once, sizes that are not so, single
files that may not or cannot be read. What can be fetched is fetched, and the rest is named."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.bent_sftp import DENIED, FAILURE, NO_FILE, UNSUPPORTED, Bend, BentDrop, BentFile, Told, attributes
from tests.support.drop_house import DropRounds, problems
from tests.support.numbered_patients import numbered_batch
from worker.files import DurableFile
from worker.gateways.sftp.drop import STEP_MS


def patients(rounds: DropRounds) -> int:
    return int(rounds.rows("SELECT count(DISTINCT member_id) FROM batch_answers")[0][0])


class Spent(BentDrop):
    """A mailbox: what was opened is spent, and between OPEN and CLOSE it takes READ alone."""

    refusal, gone = FAILURE, True

    def opened(self, name: str, file: BentFile) -> int | None:
        return FAILURE if file.opens else None

    def fstat(self, name: str, file: BentFile) -> Told:
        return self.refusal

    def closed(self, name: str, file: BentFile) -> int | None:
        if self.gone:
            self.files.pop(name, None)
        return FAILURE


@pytest.mark.parametrize(("refusal", "gone"), [(FAILURE, True), (FAILURE, False), (NO_FILE, True)])
def test_a_mailbox_that_gives_a_file_once(tmp_path: Path, bend: Bend, refusal: int, gone: bool) -> None:
    drop = Spent({"a271.x12": numbered_batch(3)})
    drop.refusal, drop.gone = refusal, gone
    file = drop.files["a271.x12"]
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states() == [("a271.x12", "ingested")]
    assert rounds.states() == []
    assert (patients(rounds), file.opens, problems(rounds)) == (3, 1, {})
    assert "fstat" not in {kind for kind, _ in drop.asked}
    opened = [kind for kind, name in drop.asked if name == "a271.x12"]
    between = opened[opened.index("open") + 1 : opened.index("close")]
    assert set(between) == {"read"}


def telling(change: Callable[[int], int | None]) -> dict[str, Any]:
    return {"told": lambda _, name, file: attributes(change(len(file.data)), mtime=file.mtime)}


LIES: dict[str, dict[str, Any]] = {
    "FSTAT tells 0": {"fstat": lambda *_: attributes(0, 0o100666, 0)},
    "40 too much": telling(lambda size: size + 40),
    "a gigabyte too much": telling(lambda size: size + 2**30),
    "40 too little": telling(lambda size: size - 40),
    "0": telling(lambda size: 0),
    "none": telling(lambda size: None),
    "2^63": telling(lambda size: 2**63),
    "2^64 - 1": telling(lambda size: 2**64 - 1),
    "nothing at all": {"told": lambda *_: attributes(None, None, None)},
    "nothing in the listing": {"listed": lambda *_: attributes(None, None, None)},
    "another one in the listing": {"listed": lambda *_: attributes(77, mtime=2**32 - 1)},
    "LSTAT unknown": {"lstat": lambda *_: UNSUPPORTED},
    "LSTAT unknown, and nothing in the listing": {
        "lstat": lambda *_: UNSUPPORTED,
        "listed": lambda *_: attributes(None, None, None),
    },
    "no question answered": {"lstat": lambda *_: FAILURE, "stat": lambda *_: FAILURE},
    "LSTAT: no such file": {"lstat": lambda *_: NO_FILE},
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("after", ["leave", "delete"])
def test_a_size_that_is_not_so_stops_no_fetch(tmp_path: Path, bend: Bend, lie: str, after: str) -> None:
    drop = type("Lying", (BentDrop,), LIES[lie])({"a271.x12": numbered_batch(3)})
    file = drop.files["a271.x12"]
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states(after=after) == [("a271.x12", "ingested")]
    assert rounds.states(after=after) == []
    assert (patients(rounds), file.opens, problems(rounds)) == (3, 1, {})
    # Where LSTAT says that there is no file, nothing is known of what would be deleted.
    assert bool(drop.files) == (after == "leave" or lie == "LSTAT: no such file")


def test_what_is_no_file_is_left_alone_where_only_asking_tells(tmp_path: Path, bend: Bend) -> None:
    class Bare(BentDrop):
        def names(self) -> list[tuple[bytes, bytes]]:
            return [(name.encode(), attributes(None, None, None)) for name in self.files]

    drop = Bare({"a.x12": numbered_batch(1), "folder.x12": b"", "link.x12": numbered_batch(1, 5)})
    drop.files["folder.x12"].mode = 0o40755
    drop.files["link.x12"].mode = 0o120777
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states() == [("a.x12", "ingested")]
    assert {name for kind, name in drop.asked if kind == "open"} == {"a.x12"}
    assert problems(rounds)["sftp_files"].startswith("link.x12 is not fetched: it is a link, and cdpoll follows none")


# --- one file's trouble


class Trouble(BentDrop):
    """Of three files, the one in the middle is in trouble."""

    kind = "hangs"
    advance: Callable[[int], None] = lambda _: None

    def lstat(self, name: str, file: BentFile) -> Told:
        if self.kind == "LSTAT hangs" and name.startswith("b"):
            self._unanswered()
        return (
            attributes(2**50, mtime=1)
            if self.kind == "too large" and name.startswith("b")
            else super().lstat(name, file)
        )

    def opened(self, name: str, file: BentFile) -> int | None:
        if not name.startswith("b"):
            return None
        if self.kind == "OPEN hangs":
            self._unanswered()
        if self.kind == "hangs up":
            raise EOFError
        return {"denied": DENIED, "refused": FAILURE, "not there": NO_FILE}.get(self.kind)

    def read(self, name: str, file: BentFile, offset: int, length: int) -> Told:
        if name.startswith("b"):
            if self.kind == "READ hangs":
                self._unanswered()
            if self.kind == "READ refused":
                return DENIED
        return super().read(name, file, offset, length)

    def closed(self, name: str, file: BentFile) -> int | None:
        if self.kind == "CLOSE hangs" and name.startswith("b"):
            self._unanswered()
        return None

    def _unanswered(self) -> None:
        self.advance(STEP_MS)
        self.over.wait(60)
        raise EOFError


class Named(NamedTuple):
    """What is said of the file, and over how many connections a round goes."""

    reason: str
    connections: int


TROUBLES = {
    "denied": Named("the server does not allow it", 1),
    "refused": Named("the server refuses it", 1),
    "too large": Named("our disk has no room for it", 1),
    "READ refused": Named("the server does not allow it", 1),
    "OPEN hangs": Named("the server stays silent", 2),
    "READ hangs": Named("the server stays silent", 2),
    "hangs up": Named("the server ends the connection", 2),
}


def troubled(tmp_path: Path, bend: Bend, kind: str) -> tuple[Trouble, DropRounds]:
    files = {f"{name}.x12": numbered_batch(2, first) for first, name in enumerate(("a", "b271", "c"))}
    drop = Trouble({name: numbered_batch(2, 10 * first) for first, name in enumerate(files)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    drop.kind, drop.advance = kind, rounds.clock.advance
    return drop, rounds


@pytest.mark.parametrize("kind", TROUBLES)
def test_one_file_in_trouble_is_named_and_the_others_come_in(tmp_path: Path, bend: Bend, kind: str) -> None:
    drop, rounds = troubled(tmp_path, bend, kind)
    reason, connections = TROUBLES[kind]
    outcome = rounds.round(patient=True)
    assert [(one.name, one.state) for one in outcome.reports] == [("a.x12", "ingested"), ("c.x12", "ingested")]
    assert outcome.failure is None
    assert drop.connections == connections
    assert problems(rounds) == {"sftp_files": f"b271.x12 is not fetched: {reason}; cdpoll tries again"}
    assert rounds.incoming() == []
    # The daemon tries it again ever more seldom; once it is read nothing is told any more.
    drop.kind = ""
    assert rounds.states() == [("b271.x12", "ingested")]
    assert problems(rounds) == {}


def test_a_file_without_room_is_not_opened(tmp_path: Path, bend: Bend) -> None:
    drop, rounds = troubled(tmp_path, bend, "too large")
    rounds.round(patient=True)
    assert drop.files["b271.x12"].opens == 0


def test_a_disk_that_fills_while_a_file_comes(tmp_path: Path, bend: Bend, monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.gateways.sftp import landing

    drop = BentDrop({"a.x12": numbered_batch(2), "b.x12": numbered_batch(2, 10)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    left = [errno.ENOSPC]

    class Full(DurableFile):
        def write(self, data: bytes) -> None:
            if left:
                raise OSError(left.pop(), "")
            super().write(data)

    monkeypatch.setattr(landing, "DurableFile", Full)
    assert rounds.states() == [("b.x12", "ingested")]
    assert problems(rounds) == {"sftp_files": "a.x12 is not fetched: our disk has no room for it; cdpoll tries again"}
    assert rounds.states() == [("a.x12", "ingested")]


def test_a_file_without_an_end_is_given_up(tmp_path: Path, bend: Bend, monkeypatch: pytest.MonkeyPatch) -> None:
    from worker.gateways.sftp import landing

    class Endless(BentDrop):
        def read(self, name: str, file: BentFile, offset: int, length: int) -> Told:
            return bytes(length) if name == "a.x12" else super().read(name, file, offset, length)

    monkeypatch.setattr(landing, "_LARGEST_SURPLUS_BYTES", 1_000_000)
    drop = Endless({"a.x12": b"ISA", "b.x12": numbered_batch(2)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states() == [("b.x12", "ingested")]
    assert "a.x12 is not fetched: it is far larger than the server says" in problems(rounds)["sftp_files"]
    assert rounds.incoming() == []


@pytest.mark.parametrize("kind", ["LSTAT hangs", "CLOSE hangs"])
def test_a_question_that_is_not_answered_costs_the_connection_and_no_file(
    tmp_path: Path, bend: Bend, kind: str
) -> None:
    drop, rounds = troubled(tmp_path, bend, kind)
    names = ["a.x12", "b271.x12", "c.x12"]
    assert rounds.states() == [(name, "ingested") for name in names]
    assert (drop.connections, problems(rounds)) == (2, {})
    assert [drop.files[name].opens for name in names] == [1, 1, 1]


def test_of_many_files_that_hang_each_round_tries_some_and_the_good_ones_first_afterwards(
    tmp_path: Path, bend: Bend
) -> None:
    drop = Trouble({f"b{n:02}.x12": numbered_batch(1, n) for n in range(10)} | {"z.x12": numbered_batch(1, 50)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    drop.kind, drop.advance = "OPEN hangs", rounds.clock.advance
    first = rounds.round(patient=True)
    assert first.failure is not None
    assert (len(first.failed), first.failure.code) == (8, "cut")
    second = rounds.round(patient=True)
    assert [one.name for one in second.reports] == ["z.x12"]
