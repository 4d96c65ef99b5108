"""Writers of one database take turns: who has just written lets those write who wait."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.cdpoll_process import ROOT, until
from tests.support.database import record
from tests.support.engine import elsewhere
from worker.core.errors import TryLater
from worker.store.db.store import Store
from worker.store.opening import open_store


def is_held(path: Path, name: str) -> bool:
    """Whether somebody has this lock."""
    with path.with_name(f"{path.name}.{name}").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def note(store: Store, who: str) -> None:
    store.execute("INSERT INTO meta (key, value) SELECT 'turn' || count(*), :who FROM meta", {"who": who})


@pytest.mark.sqlite
@pytest.mark.parametrize("journal", ["wal", "truncate"])
def test_who_writes_again_at_once_waits_behind_who_has_waited(path: Path, journal: str) -> None:
    with open_store(path, journal, create=True) as greedy:

        def write_once() -> None:
            with open_store(path, journal) as patient, patient.write():
                note(patient, "patient")

        waiting = threading.Thread(target=write_once)
        with greedy.write():
            note(greedy, "greedy")
            waiting.start()
            until(lambda: is_held(path, "queue"), "the other one stands in the queue")
        for _ in range(3):
            with greedy.write():
                note(greedy, "greedy")
        waiting.join()
    turns = elsewhere(path, "SELECT value FROM meta WHERE key LIKE 'turn%' ORDER BY rowid")
    assert turns == [("greedy",), ("patient",), ("greedy",), ("greedy",), ("greedy",)]


# Takes its turn, and is stopped in it.
FROZEN = """
import os, signal, sys
from worker.store.opening import open_store
with open_store(sys.argv[1]) as store, store.write():
    print("writing", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.mark.sqlite
def test_a_writer_that_was_frozen_does_not_keep_others_waiting_for_ever(path: Path, store: Store) -> None:
    record(store, "a")
    with subprocess.Popen([sys.executable, "-c", FROZEN, str(path)], stdout=subprocess.PIPE, cwd=ROOT) as frozen:
        try:
            assert frozen.stdout is not None
            assert frozen.stdout.readline() == b"writing\n"
            os.waitid(os.P_PID, frozen.pid, os.WSTOPPED)
            with open_store(path, timeout=0.05) as other:
                with pytest.raises(TryLater):
                    record(other, "b")
                assert not is_held(path, "queue")
                assert other.read("SELECT id FROM tasks")[0]["id"] == "a"
                frozen.send_signal(signal.SIGCONT)
                frozen.wait()
                assert record(other, "b").new == ["b"]
        finally:
            frozen.kill()


@pytest.mark.sqlite
def test_readers_take_no_turn_and_make_no_file(path: Path, store: Store) -> None:
    record(store, "a")
    for lock in path.parent.glob("cdpoll.db.[qw]*"):
        lock.unlink()
    before = sorted(path.parent.iterdir())
    with open_store(path) as reader:
        assert reader.read("SELECT id FROM tasks")
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.sqlite
def test_a_lock_that_cannot_be_opened_stops_no_writer(path: Path) -> None:
    path.with_name("cdpoll.db.queue").symlink_to(path.with_name("theirs"))
    path.with_name("cdpoll.db.writer").mkdir()
    with open_store(path, create=True) as store:
        assert record(store, "a").new == ["a"]
    assert not path.with_name("theirs").exists()
