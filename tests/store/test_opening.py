"""Which file is opened as the database, which is refused, and when a new one is made."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.database import record
from tests.support.database_files import (
    FILES,
    cut,
    cut_short,
    empty_it_beside_its_journals,
    marker_of,
    names,
    put_a_folder,
    put_a_pipe,
    put_nothing,
    put_text,
    refused,
    take_its_tables,
)
from worker.core.errors import StorageFailed, TryLater
from worker.place import DatabasePlace
from worker.store import forgetting, opening
from worker.store.forgetting import forget, remains_of
from worker.store.opening import SCHEMA_VERSION, identity_of, open_store

pytestmark = pytest.mark.sqlite

# --- refused where one was


SPOILED = [put_nothing, put_text, cut, cut_short, take_its_tables, put_a_folder, put_a_pipe, Path.unlink]
SPOILED.append(empty_it_beside_its_journals)


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize("marked", [True, False])
def test_what_is_left_of_a_database_is_not_taken_for_a_new_one(
    used: Path, spoil: Callable[[Path], None], marked: bool
) -> None:
    spoil(used)
    if not marked:
        marker_of(used).unlink()
    for how in ({"create": True, "migrate": print}, {"create": True}, {}):
        if spoil is Path.unlink and not marked and how:
            continue
        error = refused(used, **how)
        assert error.hint


# --- the marker


def test_a_database_without_a_marker_is_taken_and_the_next_writer_marks_it(used: Path) -> None:
    marked = marker_of(used).read_bytes()
    for damage in (Path.unlink, put_nothing, put_text):
        damage(marker_of(used))
        left = marker_of(used).read_bytes() if marker_of(used).exists() else None
        with open_store(used) as store:
            assert store.read("SELECT id FROM tasks")
            assert (marker_of(used).read_bytes() if marker_of(used).exists() else None) == left
            with store.write():
                pass
        assert marker_of(used).read_bytes() == marked


def test_a_copy_of_it_is_the_same_database(used: Path, tmp_path: Path) -> None:
    shutil.copy(used, tmp_path / "copy")
    with open_store(used, create=True) as store:
        record(store, "b")
    (tmp_path / "copy").replace(used)
    with open_store(used) as store:
        assert [row["id"] for row in store.read("SELECT id FROM tasks")] == ["a"]


def test_another_database_in_its_place_is_refused_until_a_person_says_so(used: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with open_store(tmp_path / "other" / "cdpoll.db", create=True) as store:
        record(store, "theirs")
        other = identity_of(store)
    (tmp_path / "other" / "cdpoll.db").replace(used)
    for create in (True, False):
        error = refused(used, create=create)
        assert "another database" in error.message
        assert "cdpoll db forget" in error.hint
    assert forget(DatabasePlace(used), ".forgotten") == []
    with open_store(used) as store:
        record(store, "ours")
    assert json.loads(marker_of(used).read_bytes())["identity"] == other


# --- forgetting


@pytest.mark.parametrize("spoil", [put_nothing, put_text, cut_short, Path.unlink, empty_it_beside_its_journals])
def test_after_it_was_forgotten_a_new_one_is_made_and_the_remains_are_kept(
    used: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(used)
    left = {
        one.name: one.read_bytes()
        for one in used.parent.glob("cdpoll.db*")
        if one.suffix not in (".marker", ".queue", ".writer")
    }
    renamed = forget(DatabasePlace(used), ".forgotten-1")
    assert {one.name.replace(".forgotten-1", ""): one.read_bytes() for one in renamed} == left
    with open_store(used, create=True) as store:
        assert record(store, "a").new == ["a"]
    assert names(used) == FILES | {one.name for one in renamed}


def test_the_new_names_are_on_the_disk_before_the_marker_goes(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_text(used)
    on_the_disk: list[set[str]] = []
    monkeypatch.setattr(forgetting, "sync_folder", lambda _folder: on_the_disk.append(names(used)))
    forget(DatabasePlace(used), ".forgotten")
    before, after = on_the_disk
    assert before - after == {"cdpoll.db.marker"}
    assert "cdpoll.db" not in before


def test_what_can_be_used_is_never_renamed(used: Path) -> None:
    before = used.read_bytes()
    assert remains_of(DatabasePlace(used)) == (True, True, [])
    assert forget(DatabasePlace(used), ".forgotten") == []
    assert used.read_bytes() == before
    assert not marker_of(used).exists()


def test_a_file_that_was_never_ours_is_left_alone(path: Path) -> None:
    put_text(path)
    with pytest.raises(StorageFailed, match="not a database of cdpoll"):
        forget(DatabasePlace(path), ".forgotten")
    path.unlink()
    path.mkdir()
    with pytest.raises(StorageFailed, match="is a folder"):
        forget(DatabasePlace(path), ".forgotten")
    assert names(path) <= {"cdpoll.db", "cdpoll.db.queue", "cdpoll.db.writer"}


def test_nothing_is_forgotten_where_nothing_was(path: Path) -> None:
    assert not remains_of(DatabasePlace(path)).any


# --- an earlier release


@pytest.fixture
def released(used: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A next version of the schema is there."""
    monkeypatch.setattr(opening, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    return used


def test_who_does_not_migrate_says_who_does(released: Path) -> None:
    before = released.read_bytes()
    with pytest.raises(TryLater) as later:
        open_store(released, create=True)
    with pytest.raises(StorageFailed) as failed:
        open_store(released)
    for caught in (later, failed):
        assert "earlier cdpoll" in caught.value.message
        assert "cdpoll db migrate" in caught.value.hint
    assert released.read_bytes() == before


# --- removed or replaced while it is open


@pytest.mark.parametrize("journal", ["wal", "truncate"])
@pytest.mark.parametrize("put", ["nothing", "another", "a copy", "an empty file"])
def test_what_goes_into_a_file_without_a_name_is_not_acknowledged(path: Path, journal: str, put: str) -> None:
    with open_store(path, journal, create=True) as store:
        record(store, "a")
        copy = path.with_name("copy")
        if put == "a copy":
            shutil.copy(path, copy)
        if put == "another":
            open_store(copy, create=True).close()
        if put == "an empty file":
            copy.write_bytes(b"")
        if copy.exists():
            copy.replace(path)
        else:
            path.unlink()
        assert store.replaced()
        with pytest.raises(StorageFailed) as caught:
            record(store, "b")
        assert "removed or replaced" in caught.value.message


def test_a_folder_that_was_closed_to_us_holds_the_same_file_as_far_as_is_known(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with open_store(path, create=True) as store, monkeypatch.context() as closed:
        closed.setattr(Path, "stat", refused)
        assert not store.replaced()


def test_an_emptied_file_and_a_wal_that_was_removed_are_noticed(path: Path) -> None:
    with open_store(path, "wal", create=True) as store:
        record(store, "a")
        assert not store.replaced()
        path.with_name("cdpoll.db-wal").unlink()
        with pytest.raises(StorageFailed, match="removed or replaced"):
            record(store, "b")
    with open_store(path, "truncate", create=True) as store:
        path.write_bytes(b"")
        assert store.replaced()
