"""The folder of the spool: what is missing is made, what is wrong is told, and others' files are moved unread."""

import os
from pathlib import Path

import pytest

from worker.core.errors import TryLater
from worker.gateways.spool import names
from worker.gateways.spool.folder import LANE_TEXT, Refused, SpoolEntry, SpoolFolder, SpoolUnusable
from worker.gateways.spool.leaving import LANE

NOBODY, GROUP = 4001, 4002


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for above in (tmp_path, *tmp_path.parents[:-2]):
        above.chmod(above.stat().st_mode | 0o011)
    return tmp_path / "spool"


def as_service(path: Path, work: str) -> str:
    """What a user without rights makes of the folder: the words of what is refused, or nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        said = "it did not end"
        try:
            os.setgroups([GROUP])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            folder = SpoolFolder(path)
            try:
                folder.open()
                said = ""
                for left in folder.listed("in"):
                    taken = folder.take(left)
                    assert taken is not None
                    getattr(folder, work)(taken.name)
            except Refused as why:
                said = f"{why.reason}; {why.cure}"
            except SpoolUnusable as why:
                said = f"{why.words}; {why.cure}"
        finally:
            os.write(writing, said.encode())
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


def shared(path: Path) -> Path:
    """The folders as systemd-tmpfiles makes them."""
    for name, mode in (("", 0o755), ("taken", 0o700), ("done", 0o700), ("bad", 0o700), ("in", 0o3730)):
        (path / name).mkdir()
        os.chown(path / name, NOBODY, GROUP if name == "in" else NOBODY)
        (path / name).chmod(mode)
    return path / "in"


def test_what_is_missing_is_made_for_this_user_alone(path: Path) -> None:
    SpoolFolder(path).open()
    assert {one.name: one.stat().st_mode & 0o777 for one in path.iterdir()} == dict.fromkeys(
        ("in", "taken", "done", "bad"), 0o700
    )


def test_one_process_takes_from_it(path: Path) -> None:
    first, second = SpoolFolder(path), SpoolFolder(path)
    first.open()
    first.open()
    with pytest.raises(TryLater, match="another process takes files"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_folder_that_is_none_is_told(path: Path) -> None:
    path.mkdir()
    (path / "in").write_text("x")
    with pytest.raises(SpoolUnusable, match="cannot be used"):
        SpoolFolder(path).open()
    (path / "in").unlink()
    (path / "in").symlink_to("/etc")
    with pytest.raises(SpoolUnusable, match="no folder"):
        SpoolFolder(path).open()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as several users")
def test_a_file_that_the_service_may_not_read_is_moved_and_named_with_its_cure(path: Path) -> None:
    inbox = shared(path)
    (inbox / "a").write_text("x")
    (inbox / "a").chmod(0o600)
    said = as_service(path, "read")
    assert "may not read it (root, gid 4002, mode 0600)" in said
    assert f"chmod g+r it, and move it into {inbox}; at the writer: umask 027" in said
    assert [one.name for one in (path / "taken").iterdir()] == ["a"]
    (inbox / "b").write_text("x")
    (inbox / "b").chmod(0o640)
    (path / "taken" / "a").unlink()
    assert as_service(path, "read") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as several users")
def test_the_file_of_the_lane_that_another_user_has_put_there_is_replaced(path: Path) -> None:
    folder = SpoolFolder(path)
    folder.open()
    lane = path / "in" / LANE
    lane.write_bytes(LANE_TEXT)
    os.chown(lane, NOBODY, GROUP)
    folder.renew_lane()
    folder.close()
    assert (lane.stat().st_uid, lane.read_bytes()) == (os.geteuid(), LANE_TEXT)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as several users")
def test_where_all_foreign_users_look_alike_none_is_named(path: Path) -> None:
    """In a unit with PrivateUsers= each is 65534, and so is each group."""
    inbox = shared(path)
    (inbox / "a").write_text("x")
    (inbox / "a").chmod(0o600)
    os.chown(inbox / "a", 65534, 65534)
    said = as_service(path, "read")
    assert f"may not read it (mode 0600); as root: chgrp --reference={inbox} and chmod g+r it" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as several users")
def test_a_folder_of_another_user_cannot_be_moved_and_is_told(path: Path) -> None:
    (shared(path) / "folder").mkdir()
    assert as_service(path, "read").startswith("it is a folder, and cannot be moved away; remove it")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as several users")
def test_an_owner_that_is_not_right_is_told_with_its_cure(path: Path) -> None:
    shared(path)
    os.chown(path / "done", 0, 0)
    said = as_service(path, "read")
    assert said.startswith(f"{path}/done belongs to root")
    assert said.endswith(f"; as root: chown uid {NOBODY} {path}/done")


@pytest.mark.parametrize(
    ("name", "unfinished"), [("a", False), (".a", True), ("a.tmp", True), ("a.PART", True), ("a.partial.txt", False)]
)
def test_names_say_that_a_file_is_being_written(name: str, unfinished: bool) -> None:
    assert names.is_unfinished(name) is unfinished


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a b.txt", "a b.txt"),
        ("\n\x1b[2Jä", "__[2Jä"),
        (os.fsdecode(b"\xff"), "_"),
        ("..", "_."),
        ("-rf", "_rf"),
        ("a.why", "a.why_"),
        ("ä" * 255, "ä" * 90),
        ("\u202egnp", "_gnp"),
    ],
)
def test_names_are_made_safe(name: str, safe: str) -> None:
    assert names.safe(name) == safe


def test_the_name_of_a_file_that_is_done_says_when_it_was_taken() -> None:
    assert names.stamped("a.txt", 1_800_000_000_500) == "20270115T080000Z-a.txt"
    assert names.taken_at("20270115T080000Z-a.txt") == (1_800_000_000_000, "a.txt")
    assert names.taken_at("20271315T080000Z-a.txt") is None
    assert names.taken_at("a.txt") is None
    assert [names.numbered("a.txt", n) for n in (1, 2)] == ["a.txt", "a-2.txt"]
    assert names.numbered("a", 3) == "a-3"


def test_a_changed_file_has_another_state(path: Path) -> None:
    folder = SpoolFolder(path)
    folder.open()
    file = path / "in" / "a"
    file.write_text("x")
    before: SpoolEntry = folder.listed("in")[0]
    os.utime(file, (1, 1))
    assert folder.listed("in")[0].state != before.state
    folder.close()
