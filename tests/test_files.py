"""Files that are whole or not there, and locks on files."""

import errno
import os
from pathlib import Path

import pytest

from worker.files import DurableFile, FileLock, open_regular


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    file = DurableFile(tmp_path / "half")
    file.write(b"a" * 3_000_000)
    file.write(b"b")
    assert [path.name for path in tmp_path.iterdir()] == ["half"]
    file.finish(tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["whole"]
    assert (tmp_path / "whole").read_bytes() == b"a" * 3_000_000 + b"b"
    assert (tmp_path / "whole").stat().st_mode & 0o007 == 0, "nothing for others; the umask decides for the group"
    file.abandon()
    assert (tmp_path / "whole").exists()


def test_what_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    file = DurableFile(tmp_path / "half")
    file.write(b"a")
    file.abandon()
    file.abandon()
    assert list(tmp_path.iterdir()) == []


def test_the_bytes_and_then_the_name_are_put_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, list[str]]] = []

    def sync(fd: int) -> None:
        name = Path(f"/proc/self/fd/{fd}").readlink().name
        synced.append((name, sorted(path.name for path in tmp_path.iterdir())))

    monkeypatch.setattr("os.fsync", sync)
    DurableFile(tmp_path / "half").finish(tmp_path / "whole")
    assert synced == [("half", ["half"]), (tmp_path.name, ["whole"])]


def test_a_write_that_takes_only_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr("os.write", lambda fd, data: write(fd, data[:3]))
    file = DurableFile(tmp_path / "half")
    file.write(b"0123456789")
    file.finish(tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == b"0123456789"


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    file = DurableFile(tmp_path / "half")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file._fd)
    os.close(full)
    with pytest.raises(OSError, match="No space") as caught:
        file.write(b"a")
    assert caught.value.errno == errno.ENOSPC
    file.abandon()
    assert list(tmp_path.iterdir()) == []


def test_one_holds_a_lock_at_a_time(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock", wait=False)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(BlockingIOError):
        FileLock(tmp_path / "lock", wait=False)
    assert len(list(Path("/proc/self/fd").iterdir())) == before, "the one that failed keeps nothing open"
    lock.release()
    FileLock(tmp_path / "lock", wait=False).release()


def test_only_a_regular_file_is_opened_and_a_pipe_without_a_writer_holds_up_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a")
    with open_regular(tmp_path / "file") as file:
        assert file.read() == b"a"
    with open_regular(Path("/dev/null")) as file:
        assert file.read() == b""
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name, said in ("pipe", "not a regular file"), (".", "Is a directory"), ("none", "No such file"):
        with pytest.raises(OSError, match=said):
            open_regular(tmp_path / name)
    assert len(list(Path("/proc/self/fd").iterdir())) == before, "nothing stays open"
