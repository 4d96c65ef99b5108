"""What is left in the spool is whole and on the disk, and is left only where a daemon takes it and no other user can
get at it."""

import ctypes
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.spool_folder import SERVICE, make_spool
from worker.core.errors import TryLater
from worker.gateways.spool import leaving

NOW = int(time.time() * 1000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_spool(tmp_path / "spool")


def left(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.name != leaving.LANE)


def test_a_file_is_whole_and_can_be_read_by_the_group_of_the_folder(folder: Path) -> None:
    os.umask(0o077)
    leaving.leave(folder, b'{"id": "a"}\n', NOW)
    leaving.leave(folder, b'{"id": "b"}\n', NOW)
    files = left(folder)
    assert {one.read_bytes() for one in files} == {b'{"id": "a"}\n', b'{"id": "b"}\n'}
    for one in files:
        assert one.name.startswith("record-20")
        assert one.suffix == ".jsonl"
        assert one.stat().st_mode & 0o777 == 0o640
        assert one.stat().st_gid == folder.stat().st_gid


def test_it_has_its_name_only_once_it_is_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noted(name: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(*args: object, **more: object) -> None:
            kind = "folder" if name == "fsync" and Path(f"/proc/self/fd/{args[0]}").is_dir() else "file"
            done.append(f"{name} {kind} {len(left(folder))} {left(folder)[0].name[:8]}")
            real(*args, **more)

        return call

    for name in ("fsync", "rename"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
    leaving.leave(folder, b"x", NOW)
    assert done == ["fsync file 1 .record-", "rename file 1 .record-", "fsync folder 1 record-2"]


@pytest.mark.parametrize("fails", ["fsync", "rename"])
def test_nothing_is_left_behind_where_that_fails(folder: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, fails, fail)
    with pytest.raises(TryLater, match="no file can be left there: No space left on device"):
        leaving.leave(folder, b"x", NOW)
    assert left(folder) == []


def gone(folder: Path) -> None:
    folder.rename(folder.with_name("away"))


def without_lane(folder: Path) -> None:
    (folder / leaving.LANE).unlink()


def aged(folder: Path) -> None:
    old_s = NOW / 1000 - 25 * 3600
    os.utime(folder / leaving.LANE, (old_s, old_s))


def lane_is_a_link(folder: Path) -> None:
    (folder / leaving.LANE).rename(folder / "other")
    (folder / leaving.LANE).symlink_to("other")


def is_a_link(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")


def is_a_file(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (gone, "is not there"),
        (without_lane, "no daemon takes files from"),
        (aged, "no daemon has taken files from"),
        (is_a_link, "a link is not followed"),
        (is_a_file, "is no folder"),
        (lane_is_a_link, "does not belong to the user whose daemon"),
        (lambda folder: (folder / leaving.LANE).chmod(0o664), "does not belong to the user whose daemon"),
        (lambda folder: folder.chmod(0o2770), "has mode 2770"),
        (lambda folder: folder.chmod(0o3770), "has mode 3770"),
        (lambda folder: folder.chmod(0o3777), "has mode 3777"),
        (lambda folder: folder.parent.chmod(0o777), "can be changed by other users"),
    ],
    ids=[
        "no folder",
        "no lane",
        "a lane that stands still",
        "a link",
        "a file",
        "a lane that is a link",
        "a lane that others write",
        "no sticky bit",
        "listed by members",
        "listed by all",
        "a folder above that all write",
    ],
)
def test_where_nothing_may_be_left(folder: Path, spoil: Callable[[Path], object], words: str) -> None:
    leaving.check(folder, NOW)
    spoil(folder)
    with pytest.raises(TryLater, match=words) as refusal:
        leaving.check(folder, NOW)
    assert refusal.value.hint
    with pytest.raises(TryLater, match=words):
        leaving.leave(folder, b"x", NOW)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: os.chown(folder / leaving.LANE, SERVICE + 1, -1), "does not belong to the user whose daemon"),
        (lambda folder: folder.chmod(0o1730), "does not hand its group on"),
        (lambda folder: os.chown(folder.parent, SERVICE + 1, -1), "can be changed by other users"),
    ],
    ids=["the lane of another user", "files keep the group of their writer", "the folder above is another user's"],
)
def test_where_nothing_may_be_left_for_another_user(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    folder = make_spool(tmp_path / "spool", SERVICE)
    leaving.check(folder, NOW)
    spoil(folder)
    with pytest.raises(TryLater, match=words):
        leaving.check(folder, NOW)


def test_a_clock_that_went_a_little_astray_is_no_reason(folder: Path) -> None:
    leaving.check(folder, NOW - 3_600_000)
    leaving.check(folder, NOW + 23 * 3_600_000)


def test_who_may_not_read_the_folder_has_its_whole_file_system_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synced = os.open, []

    def denied(path: str, *args: int, **more: int) -> int:
        if path == ".":
            raise PermissionError
        return real(path, *args, **more)

    class Libc:
        def syncfs(self, file: int) -> int:
            synced.append(Path(f"/proc/self/fd/{file}").readlink())
            return 0

    monkeypatch.setattr(os, "open", denied)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Libc())
    leaving.leave(folder, b"x", NOW)
    assert synced == left(folder)
