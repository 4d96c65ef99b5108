"""What others leave may be anything: it disturbs nothing."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.spool_house import SpoolHouse, new_ids
from worker.core.intake.intake import Recording
from worker.rounds.spool.rules import MOST_TEXT_BYTES, PATIENCE_MS, SETTLE_MS
from worker.store.db.store import Store
from worker.store.tasks import recording

A, B = (f"{n}716e3e8-87ee-11ee-b9d1-0242ac12000{n}" for n in (1, 2))


def test_hostile_files_end_in_bad_and_disturb_nothing(house: SpoolHouse, tmp_path: Path) -> None:
    inbox = house.path / "in"
    (tmp_path / "secret").write_text(f"{B}\n")
    (inbox / "link").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", inbox / "hard")
    (inbox / "folder").mkdir()
    (inbox / "folder" / "x").write_text(B)
    os.mkfifo(inbox / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(inbox)  # the path may be too long for a socket
        listening.bind("socket")
        os.chdir("/")
    with house.leave("huge", b"").open("wb") as file:
        file.truncate(1 << 30)
    with house.leave("huge.txt", f"{B}\n").open("ab") as file:
        file.truncate(MOST_TEXT_BYTES + 1)
    house.leave("head", f'HTTP/1.1 200 OK\r\nLink: <{"x" * 1_000_000}>; rel="related"\r\n\r\n')
    house.leave("deep", "[" * 200_000)
    house.leave("utf", "Müller".encode("utf-16"))
    house.leave("line\nfeed\x1b[2J", "no id at all\n")
    house.leave(os.fsdecode(b"\xff\xfe"), "no id at all\n")
    house.leave("x.why", "no id at all\n")
    house.leave("-rf", f"{A}\n")
    house.judge()
    bad = house.bad()
    kinds = ("link", "hard", "folder", "pipe", "socket", "huge", "huge.txt", "head", "deep", "utf")
    assert sorted(bad) == sorted([*kinds, "line_feed_[2J", "__", "x.why_"])
    assert all(reason.count("\n") == 1 and "; " in reason for reason in bad.values())
    said = ("a symbolic link", "a folder", "a named pipe", "a socket", "a second name")
    assert all(what in bad[name] for what, name in zip(said, ("link", "folder", "pipe", "socket", "hard"), strict=True))
    assert house.ids() == [A]
    assert house.listed("done") == ["_rf"]
    assert (tmp_path / "secret").read_text() == f"{B}\n"
    assert house.listed("in") == house.listed("taken") == []


def test_a_name_that_is_taken_is_never_replaced(house: SpoolHouse) -> None:
    for n in range(3):
        house.leave("bad.txt", f"no id {n}\n")
        house.leave("good.txt", f"{new_ids(1, n)[0]}\n")
        house.judge()
        house.clock.at -= PATIENCE_MS + SETTLE_MS
    assert sorted(house.bad()) == ["bad-2.txt", "bad-3.txt", "bad.txt"]
    assert len(house.listed("done")) == 3
    assert len(house.ids()) == 3


def test_a_file_that_breaks_the_code_goes_to_bad_alone(house: SpoolHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    real = recording.record_one

    def record_one(store: Store, recording: Recording, *more: Any) -> Any:
        if recording.id == B:
            raise ZeroDivisionError(B)
        return real(store, recording, *more)

    monkeypatch.setattr(recording, "record_one", record_one)
    house.leave("a", f"{A}\n")
    house.leave("b", f"{B}\n")
    house.settle()
    assert house.ids() == [A]
    assert house.listed("done") == ["a"]
    assert house.bad()["b"].startswith("a fault in cdpoll itself: ZeroDivisionError at test_hostile_files.py:")
    assert B not in house.bad()["b"]


def test_files_go_in_the_order_of_their_times(house: SpoolHouse) -> None:
    ids = new_ids(5)
    for n, one in enumerate(ids):
        path = house.leave(f"f{n}", f"{one}\n")
        os.utime(path, (1_000 - n, 1_000 - n))
    house.settle()
    assert house.ids() == ids[::-1]
