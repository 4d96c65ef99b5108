"""SFTP servers of which the times tell nothing: another one at each listing, or none. What is there is read in all the
same, once, and what takes its place under the same name and size is found."""

from pathlib import Path

import pytest

from tests.support.bent_sftp import FAILURE, Bend, BentDrop, BentFile, attributes
from tests.support.drop_house import EVERY, SETTLE, DropRounds, problems
from tests.support.numbered_patients import numbered_batch
from worker.rounds.drop.one_file import LONGEST_RECHECK_MS, SHORTEST_RECHECK_MS
from worker.store.batch.remote import RESTLESS_LISTINGS
from worker.store.opening import open_store
from worker.store.views.waiting_files import waiting_files

DAY_MS = 86_400_000


class Restless(BentDrop):
    """Each file was changed just now, at whatever time one asks."""

    def names(self) -> list[tuple[bytes, bytes]]:
        for file in self.files.values():
            file.mtime += 1
        return super().names()


class Timeless(BentDrop):
    """Tells sizes, and no times."""

    def told(self, name: str, file: BentFile) -> bytes:
        return attributes(len(file.data), file.mode)


def read_in(rounds: DropRounds) -> list[str]:
    """What became of the files of the next round, `settle` after the last."""
    return [one.state for one in rounds.round(wait=SETTLE).reports]


def why(rounds: DropRounds) -> list[str]:
    with open_store(rounds.path) as store:
        return [one["why"] for one in waiting_files(store, rounds.clock.at, SETTLE)]


def members(rounds: DropRounds) -> int:
    return int(rounds.rows("SELECT count(DISTINCT member_id) FROM batch_answers")[0][0])


def settled(rounds: DropRounds) -> None:
    """Rounds until a file of a restless drop was fetched twice, and is read in."""
    for _ in range(RESTLESS_LISTINGS):
        assert read_in(rounds) == []
    assert why(rounds) == [
        "not settled: its time is another one at each listing; fetched if its size stays for 1 more listing"
    ]
    assert read_in(rounds) == ["incomplete"], "one reading alone proves nothing"
    assert read_in(rounds) == [], "the second one is after `every`"
    assert [one.state for one in rounds.round(wait=EVERY).reports] == ["ingested"]


def test_a_time_that_changes_at_each_listing_holds_no_file_back(tmp_path: Path, bend: Bend) -> None:
    drop = Restless({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    settled(rounds)
    # It is not fetched again each time, and the rounds are as far apart as usual.
    end = rounds.round(wait=EVERY)
    assert (end.reports, end.next_at, members(rounds)) == ([], rounds.clock.at + EVERY, 3)
    assert (drop.files["a.x12"].opens, why(rounds), problems(rounds)) == (2, [], {})


@pytest.mark.parametrize("after", ["leave", "delete"])
def test_it_stays_on_the_server_for_nothing_proves_it_whole(tmp_path: Path, bend: Bend, after: str) -> None:
    drop = Restless({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    for _ in range(RESTLESS_LISTINGS + 3):
        rounds.round(wait=EVERY, after=after)
    assert (list(drop.files), members(rounds)) == (["a.x12"], 3)


def test_one_that_is_written_meanwhile_is_not_taken_by_half(tmp_path: Path, bend: Bend) -> None:
    whole = numbered_batch(3)
    drop = Restless({"a.x12": whole[:-200] + b" " * 200})  # the room for it was made first
    rounds = DropRounds(tmp_path, bend(drop).settings())
    for _ in range(RESTLESS_LISTINGS + 1):
        read_in(rounds)
    drop.files["a.x12"].data = whole
    assert [one.state for one in rounds.round(wait=EVERY).reports] == ["incomplete"]
    assert members(rounds) == 0
    assert [one.state for one in rounds.round(wait=2 * EVERY).reports] == ["ingested"]
    assert members(rounds) == 3


def test_another_size_begins_anew(tmp_path: Path, bend: Bend) -> None:
    drop = Restless({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    for _ in range(RESTLESS_LISTINGS):
        read_in(rounds)
    drop.files["a.x12"].data = numbered_batch(4)
    assert read_in(rounds) == []
    settled_after = [read_in(rounds) for _ in range(RESTLESS_LISTINGS)]
    assert settled_after == [[]] * (RESTLESS_LISTINGS - 1) + [["incomplete"]]


@pytest.mark.parametrize("kind", [Restless, Timeless])
def test_another_file_of_its_name_and_size_is_found_within_a_day(
    tmp_path: Path, bend: Bend, kind: type[BentDrop]
) -> None:
    drop = kind({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    for _ in range(RESTLESS_LISTINGS + 3):
        rounds.round(wait=EVERY)
    assert members(rounds) == 3
    opens = drop.files["a.x12"].opens
    drop.files["a.x12"].data = numbered_batch(3, 5)
    rounds.round(wait=SHORTEST_RECHECK_MS // 2)
    assert drop.files["a.x12"].opens == opens, "not with each round"
    for _ in range(3):
        rounds.round(wait=SHORTEST_RECHECK_MS)
    assert members(rounds) == 6
    assert problems(rounds) == {}


def test_the_readings_come_ever_more_rarely_and_are_not_told(tmp_path: Path, bend: Bend) -> None:
    drop = Timeless({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states() == [("a.x12", "ingested")]
    said = len(rounds.log.lines)
    # Each time when the file is here for twice as long as the last time, and at least once in 30 days.
    due = [1, 3, 7, 15, 31, 61, 91]
    read_again, opens, at = [], 1, 0
    for day in sorted({0, *due, *(day - 1 for day in due), 100}):
        assert rounds.round(wait=(day - at) * DAY_MS).reports == []
        if drop.files["a.x12"].opens > opens:
            read_again.append(day)
        opens, at = drop.files["a.x12"].opens, day
    assert read_again == due
    assert LONGEST_RECHECK_MS == 30 * DAY_MS
    assert len(rounds.log.lines) == said


@pytest.mark.parametrize("archive", [None, "/archive"])
def test_a_file_is_not_read_again_where_that_may_cost_it(tmp_path: Path, bend: Bend, archive: str | None) -> None:
    class Once(Timeless):
        def opened(self, name: str, file: BentFile) -> int | None:
            return FAILURE if file.opens else None

    drop = Once({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states(archive=archive) == [("a.x12", "ingested")]
    for _ in range(5):
        rounds.round(wait=DAY_MS, archive=archive)
    asked = [kind for kind, name in drop.asked if (kind, name) == ("open", "a.x12")]
    # With an archive the server moves what is opened. Without one, what it refuses is no trouble: the file is here.
    assert len(asked) == (1 if archive else 6)
    assert problems(rounds) == {}


def test_a_connection_that_breaks_puts_the_reading_off_for_a_day(tmp_path: Path, bend: Bend) -> None:
    class Cut(Timeless):
        cuts = False

        def opened(self, name: str, file: BentFile) -> int | None:
            if self.cuts:
                raise EOFError
            return None

    drop = Cut({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states() == [("a.x12", "ingested")]
    drop.cuts = True
    rounds.round(wait=20 * DAY_MS)
    assert problems(rounds) == {}
    drop.cuts = False
    drop.files["a.x12"].data = numbered_batch(3, 5)
    rounds.round(wait=DAY_MS)
    assert members(rounds) == 6


def test_a_kill_while_a_file_is_read_once_more_makes_no_file_lost(
    tmp_path: Path, bend: Bend, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop = Timeless({"a.x12": numbered_batch(3)})
    rounds = DropRounds(tmp_path, bend(drop).settings())
    assert rounds.states() == [("a.x12", "ingested")]

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr("worker.gateways.sftp.drop.Drop.fetch", killed)
        with pytest.raises(SystemExit):
            rounds.round(wait=2 * DAY_MS)
    drop.files.clear()
    rounds.round(wait=EVERY)
    assert rounds.rows("SELECT * FROM remote_files") == []
    assert problems(rounds) == {}
