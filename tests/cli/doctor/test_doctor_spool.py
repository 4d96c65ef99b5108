"""What the doctor says of the folder of the spool."""

import os
from pathlib import Path

import pytest

from cli.doctor.finding import Finding
from cli.doctor.spool import spool, unused_spool
from worker.gateways.spool.folder import SpoolFolder


def looked(path: Path) -> list[Finding]:
    return list(spool(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = SpoolFolder(tmp_path / "spool")
    folder.open()
    folder.close()
    (folder.path / "in").chmod(0o3730)
    return folder.path


def test_a_folder_as_it_should_be(path: Path) -> None:
    assert [(one.check, one.level) for one in looked(path)] == [("spool", "OK")]


@pytest.mark.parametrize(
    ("name", "mode", "level", "words"),
    [
        ("in", 0o700, "WARN", "may leave files in"),
        ("in", 0o770, "FAIL", "members of the group may list"),
        ("in", 0o3777, "FAIL", "every user of this machine may use"),
        ("done", 0o750, "FAIL", "others may enter"),
        ("bad", 0o701, "FAIL", "others may enter"),
    ],
)
def test_modes_that_are_not_right(path: Path, name: str, mode: int, level: str, words: str) -> None:
    (path / name).chmod(mode)
    (found,) = looked(path)
    assert (found.level, words in found.words) == (level, True)
    assert "chmod" in found.cure


def test_what_is_not_there(path: Path) -> None:
    (path / "in").rename(path / "away")
    assert [one.level for one in looked(path)] == ["FAIL"]
    assert [one.words for one in looked(path / "no")] == [f"{path / 'no'} is not there"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_group_that_the_service_is_no_member_of(path: Path) -> None:
    os.chown(path / "in", -1, 4001)
    (path / "in").chmod(0o3730)
    (found,) = looked(path)
    assert "is no member of the group gid 4001" in found.words


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_owner(path: Path) -> None:
    os.chown(path / "in", 4001, 4001)
    (found,) = looked(path)
    assert "belongs to uid 4001" in found.words


def test_files_that_nothing_takes(path: Path) -> None:
    (path / "in" / ".lane").touch()
    assert not list(unused_spool(path))
    (path / "in" / "a.jsonl").touch()
    (found,) = unused_spool(path)
    assert (found.level, found.words[:6]) == ("WARN", "1 file")
    assert "[spool] is not configured" in found.words
    assert not list(unused_spool(path / "no"))


def test_a_folder_above_that_every_user_may_replace(path: Path) -> None:
    path.parent.chmod(0o777)
    (found,) = looked(path)
    assert (found.level, str(path.parent) in found.words) == ("FAIL", True)
    path.parent.chmod(0o1777)
    assert [one.level for one in looked(path)] == ["OK"]
