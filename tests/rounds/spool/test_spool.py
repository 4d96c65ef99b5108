"""What is left in the spool is recorded once, and goes to done, or to bad with the reason."""

import json
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.spool_house import EVERY_MS, KEEP_MS, SpoolHouse, new_ids
from tests.support.x12_samples import ACTIVE, a_file, a_set, subscriber
from worker.core.errors import StorageFailed
from worker.gateways.spool.folder import LANE_TEXT, SpoolFolder
from worker.rounds.spool import round as rounds
from worker.rounds.spool.content import content_of
from worker.rounds.spool.rules import ABANDONED_MS, PATIENCE_MS, SETTLE_MS
from worker.store.tasks import recording

A, B = (f"{n}716e3e8-87ee-11ee-b9d1-0242ac12000{n}" for n in (1, 2))


def batch(member: str) -> str:
    return a_file(a_set(subscriber(ACTIVE, member=member)))


def test_what_is_left_is_recorded_with_its_refs_and_moved_to_done(house: SpoolHouse) -> None:
    house.leave("ids.txt", f"{A}\n")
    house.leave("lines.jsonl", json.dumps({"id": B, "ref": "R-1"}) + "\n")
    house.settle()
    assert sorted(house.ids()) == [A, B]
    assert house.rows("SELECT ref FROM refs") == [("R-1",)]
    assert house.listed("done") == ["ids.txt", "lines.jsonl"]
    assert house.listed("in") == house.listed("taken") == house.listed("bad") == []
    house.look(EVERY_MS)
    assert (house.seen.taken, house.seen.waiting, house.seen.bad) == (2, 0, 0)


def test_a_batch_comes_in_as_from_the_drop(house: SpoolHouse) -> None:
    house.leave("a.x12", batch("M1"))
    house.leave("copy.x12", batch("M1"))
    house.settle()
    assert house.rows("SELECT member_id FROM batch_answers") == [("M1",)]
    assert house.rows("SELECT name, state FROM files") == [("a.x12", "ingested")]
    assert house.listed("done") == ["a.x12", "copy.x12"]


def test_a_batch_that_is_cut_is_waited_for_and_then_told(house: SpoolHouse) -> None:
    whole = batch("M1")
    path = house.leave("a.x12", whole[:-30])
    house.leave("b.x12", whole[:-40])
    with path.open("ab") as writer:
        house.settle()
        assert house.listed("done") == house.listed("bad") == []
        writer.write(whole[-30:].encode())
        writer.flush()
        house.look(SETTLE_MS)
        assert house.listed("done") == ["a.x12"]
    house.look(PATIENCE_MS)
    assert list(house.bad()) == ["b.x12"]
    assert "leave the whole file" in house.bad()["b.x12"]


def test_a_text_that_may_be_cut_is_waited_for(house: SpoolHouse) -> None:
    with house.leave("ids.txt", f"{A}\n{B[:30]}").open("ab") as writer:
        house.settle()
        assert house.ids() == []
        writer.write(f"{B[30:]}\n".encode())
        writer.flush()
        house.look(SETTLE_MS)
    assert house.ids() == [A, B]
    house.leave("more.txt", f"{A[:-1]}3\n{B[:30]}")
    house.judge()
    assert len(house.ids()) == 3
    assert house.rows("SELECT raw FROM unreadable") == [(B[:30],)]


def test_names_that_say_that_they_are_being_written_are_left_for_a_day(house: SpoolHouse) -> None:
    for name in (".hidden", "a.tmp", "b.PART"):
        house.leave(name, A)
    house.clock.at = int(house.path.joinpath("in/a.tmp").stat().st_mtime * 1000)
    house.judge()
    assert house.listed("in") == [".hidden", "a.tmp", "b.PART"]
    assert house.seen.waiting == 0
    house.look(ABANDONED_MS)
    assert sorted(house.bad()) == ["_hidden", "a.tmp", "b.PART"]
    assert house.ids() == []


def test_a_writer_that_pauses_and_goes_on_is_read_again(house: SpoolHouse) -> None:
    """An engine that writes in place: its file was moved away under its hands."""
    path = house.leave("ids.txt", f"{A}\n")
    with path.open("ab") as writer:
        house.settle()
        assert house.listed("done") == ["ids.txt"]
        writer.write(f"{B}\n".encode())
        writer.flush()
        house.look(60_000)
    assert house.ids() == [A, B]
    assert house.listed("done") == ["ids.txt"]


def test_what_is_added_while_a_file_is_recorded_is_not_moved_unread(
    house: SpoolHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.leave("ids.txt", f"{A}\n")
    left = [f"{A}\n{B}\n"]

    def record_all(*args: Any, **more: Any) -> Any:
        if left:
            (house.path / "taken" / "ids.txt").write_text(left.pop())
        return recording.record_all(*args, **more)

    monkeypatch.setattr("worker.rounds.spool.round.record_all", record_all)
    monkeypatch.setattr(SpoolFolder, "take_again", None)  # it would come too late for a process that ends here
    house.settle()
    house.look(SETTLE_MS)
    assert house.ids() == [A, B]
    assert house.listed("done") == ["ids.txt"]


def test_a_name_that_gets_another_file_while_the_first_is_read_brings_both(
    house: SpoolHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a program does that renames each new file to the same name."""
    house.leave("ids.txt", f"{A}\n")
    left = [f"{B}\n"]

    def read(*args: Any) -> Any:
        if left:
            house.leave("ids.txt", left.pop())
        return content_of(*args)

    monkeypatch.setattr("worker.rounds.spool.round.content_of", read)
    house.settle()
    house.settle()
    assert house.ids() == [A, B]
    assert len(house.listed("done")) == 2


def test_it_is_found_by_the_time_of_the_file_after_a_restart(house: SpoolHouse) -> None:
    house.clock.at = int(house.leave("ids.txt", f"{A}\n").stat().st_mtime * 1000)
    house.settle()
    (done,) = house.path.joinpath("done").iterdir()
    later = house.clock.now() + 5_000
    done.write_text(f"{A}\n{B}\n")
    os.utime(done, (later / 1000, later / 1000))
    house.restart()
    house.look(10_000)
    assert house.ids() == [A, B]


def test_what_cannot_be_read_waits_some_seconds_and_goes_to_bad_with_the_reason(house: SpoolHouse) -> None:
    house.leave("words", "some words\n")
    house.settle()
    assert house.bad() == {}
    house.look(PATIENCE_MS)
    assert house.bad()["words"].startswith("nothing in it can be read: line 1: not a task id")
    assert house.bad()["words"].count("\n") == 1
    assert house.rows("SELECT count(*) FROM unreadable") == [(0,)]
    house.look()
    assert house.seen.bad == 1
    assert house.seen.bad_since is not None


def test_of_a_file_that_is_damaged_in_part_the_rest_is_kept_raw(house: SpoolHouse) -> None:
    house.leave("ids.txt", f"{A}\n{{broken\n{B}\n")
    house.settle()
    assert house.ids() == [A, B]
    assert house.rows("SELECT raw FROM unreadable") == [("{broken",)]
    assert house.listed("done") == ["ids.txt"]


def test_the_end_of_the_process_at_any_step_loses_nothing_and_doubles_nothing(
    house: SpoolHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many ids as ``IDS`` says, with an end at chosen calls of the folder and of the database."""
    ids = new_ids(int(os.environ.get("IDS", "3000")))
    chance = random.Random(18)
    left = 25

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            nonlocal left
            if left and chance.random() < 0.1:
                left -= 1
                if chance.random() < 0.5:
                    real(*args, **more)
                raise KeyboardInterrupt
            return real(*args, **more)

        return call

    for name in ("take", "finish", "listed", "renew_lane"):
        monkeypatch.setattr(SpoolFolder, name, deadly(getattr(SpoolFolder, name)))
    for name in ("content_of", "record_all"):
        monkeypatch.setattr(rounds, name, deadly(getattr(rounds, name)))
    for start in range(0, len(ids), 100):
        some = ids[start : start + 100]
        lines = [json.dumps({"id": one, "ref": f"R-{one}"}) for one in some]
        house.leave(f"{start}.jsonl", "\n".join(lines) + "\n")
    for _ in range(60):
        try:
            house.look(SETTLE_MS)
        except KeyboardInterrupt:
            house.restart()
    assert left == 0
    assert sorted(house.ids()) == sorted(ids)
    assert house.rows("SELECT count(*), count(DISTINCT ref) FROM refs") == [(len(ids), len(ids))]
    assert len(house.listed("done")) == len(ids) // 100
    assert house.listed("in") == house.listed("taken") == house.listed("bad") == []


def test_what_was_done_goes_after_its_time(house: SpoolHouse) -> None:
    house.leave("a", f"{A}\n")
    (house.path / "done" / "of a person").write_text("x")
    house.settle()
    house.look(KEEP_MS - 1_000)
    assert len(list((house.path / "done").iterdir())) == 2
    house.look(600_000)
    assert [path.name for path in (house.path / "done").iterdir()] == ["of a person"]


def test_a_bad_file_that_is_mended_in_its_place_is_read_again(house: SpoolHouse) -> None:
    house.leave("a", "no id at all\n")
    house.judge()
    file = house.path / "bad" / "a"
    later = (house.path / "bad" / "a.why").stat().st_mtime + 5
    file.write_text(f"{A}\n")
    os.utime(file, (later, later))
    house.look(60_000)
    assert house.ids() == [A]
    assert house.listed("bad") == []
    house.look(EVERY_MS)
    assert (house.seen.bad, house.seen.bad_since) == (0, None)


def test_a_reason_without_its_file_goes(house: SpoolHouse) -> None:
    house.leave("a", "no id at all\n")
    house.judge()
    (house.path / "bad" / "a").unlink()
    house.look(60_000)
    assert house.listed("bad") == []
    assert house.seen.bad == 0


def test_the_file_of_the_lane_is_renewed_only_while_files_can_be_taken(
    house: SpoolHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = house.path / "in" / ".lane"
    lane.symlink_to("/etc/passwd")
    house.look()
    assert not lane.is_symlink()
    assert lane.read_bytes() == LANE_TEXT
    assert lane.stat().st_mode & 0o777 == 0o644
    os.utime(lane, (1, 1))

    def refuse(*_: object) -> None:
        raise StorageFailed("no write")

    with monkeypatch.context() as patch:
        patch.setattr("worker.store.state.spool.put", refuse)
        with pytest.raises(StorageFailed):
            house.look(60_000)
    assert lane.stat().st_mtime == 1
    house.look(60_000)
    assert lane.stat().st_mtime > 1
