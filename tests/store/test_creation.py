"""A new database is made where there never was one: all of it or nothing, and never over another."""

import json
import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import record
from tests.support.database_files import FILES, marker_of, names, refused
from tests.support.engine import elsewhere
from worker.core.errors import StorageFailed
from worker.place import DatabasePlace
from worker.store.forgetting import forget
from worker.store.opening import SCHEMA_VERSION, open_store

pytestmark = pytest.mark.sqlite

# --- made where there never was one


def test_only_who_may_create_one_does(path: Path) -> None:
    error = refused(path)
    assert names(path) == set()
    assert "no such database yet" in error.message
    assert "cdpoll record" in error.hint
    open_store(path, create=True).close()
    assert elsewhere(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


def test_the_first_writer_marks_it(used: Path) -> None:
    assert names(used) == FILES
    ((identity,),) = elsewhere(used, "SELECT value FROM meta WHERE key = 'identity'")
    assert json.loads(marker_of(used).read_bytes()) == {"identity": identity, "schema": SCHEMA_VERSION}
    assert len(identity) == 32


def test_behind_a_link_all_of_it_lies_beside_the_target(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "cdpoll.db", tmp_path / "there" / "real.db"
    link.symlink_to(target)
    with open_store(link, create=True) as store:
        record(store, "a")
    assert link.is_symlink()
    assert [name for name in names(target) if not name.startswith("real.db")] == []
    assert names(link) == {"cdpoll.db", "there"}
    target.write_bytes(b"")
    assert "is empty" in refused(link, create=True).message


def test_two_links_to_each_other_are_no_database(tmp_path: Path) -> None:
    (tmp_path / "cdpoll.db").symlink_to(tmp_path / "other")
    (tmp_path / "other").symlink_to(tmp_path / "cdpoll.db")
    with pytest.raises(StorageFailed):
        open_store(tmp_path / "cdpoll.db", create=True)


def test_what_another_program_has_just_put_there_is_not_replaced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def too_late(source: Path, target: Path) -> None:
        target.write_bytes(b"theirs")
        link(source, target)

    monkeypatch.setattr(os, "link", too_late)
    with pytest.raises(StorageFailed):
        open_store(path, create=True)
    assert path.read_bytes() == b"theirs"
    assert "cdpoll.db.new" not in names(path)


def test_a_file_system_without_hard_links_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StorageFailed, match="no hard link"):
        open_store(path, create=True)
    assert names(path) <= {"cdpoll.db.queue", "cdpoll.db.writer"}


# What changes the disk, or puts it there. A process is killed before each of these calls, and after it.
CALLS = ("link", "fsync", "open", "unlink", "rename")


def killed_at(number: int, work: Callable[[], None]) -> bool:
    """Do ``work`` in a process that is killed at a call of :data:`CALLS`; whether it came that far.

    Even numbers are before a call, odd ones after it.
    """
    pid = os.fork()
    if not pid:
        calls = count()

        def mortal(real: Any) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                if next(calls) == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                try:
                    return real(*args, **kwargs)
                finally:
                    if next(calls) == number:
                        os.kill(os.getpid(), signal.SIGKILL)

            return call

        for name in CALLS:
            setattr(os, name, mortal(getattr(os, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_wherever_the_first_command_is_killed_the_next_one_finds_all_or_nothing(tmp_path: Path) -> None:
    for number in count():
        path = tmp_path / str(number) / "cdpoll.db"
        path.parent.mkdir()

        def first(path: Path = path) -> None:
            with open_store(path, create=True) as store:
                record(store, "a")

        if not killed_at(number, first):
            break
        if path.exists():
            with open_store(path) as store:  # a reader
                store.read("SELECT * FROM tasks_overview")
        else:
            assert not marker_of(path).exists()
        with open_store(path, create=True) as store:
            record(store, "b")
        assert ("b",) in elsewhere(path, "SELECT id FROM tasks")
        assert names(path) == FILES
        assert path.stat().st_nlink == 1
    assert number > 20


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_a_journal_without_its_database_is_played_into_no_new_one(path: Path, ending: str) -> None:
    left = path.with_name(path.name + ending)
    left.write_bytes(b"what was written last")
    assert str(left) in refused(path, create=True).message
    forget(DatabasePlace(path), ".forgotten-1")
    with open_store(path, create=True) as store:
        record(store, "a")
    assert path.with_name(f"cdpoll.db.forgotten-1{ending}").read_bytes() == b"what was written last"


def test_a_journal_that_another_first_command_has_just_begun_is_no_remnant(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exists = Path.exists

    def first_not_there(self: Path) -> bool:
        monkeypatch.setattr(Path, "exists", exists)
        with open_store(path, "wal", create=True) as store:
            record(store, "theirs")
            assert path.with_name("cdpoll.db-wal").stat().st_size
        return False

    monkeypatch.setattr(Path, "exists", first_not_there)
    with open_store(path, create=True) as store:
        record(store, "ours")
    assert elsewhere(path, "SELECT id FROM tasks ORDER BY seq") == [("theirs",), ("ours",)]
