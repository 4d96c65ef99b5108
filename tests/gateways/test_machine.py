"""What the machine says of processes and disks."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from worker.gateways.machine import Disk, disk_of, process_exists


def test_a_process_exists_until_it_has_ended_and_was_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert process_exists(process.pid)
    assert not process_exists(process.pid)
    assert process_exists(os.getpid())


def test_a_process_of_another_user_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.kill", refuse)
    assert process_exists(1)


def test_what_is_free_and_whether_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = disk_of(tmp_path)
    assert found is not None
    assert found.free_bytes > 0
    assert not found.read_only
    fake = os.statvfs_result((1, 512, 10**9, 10**9, 7, 0, 0, 0, os.ST_RDONLY, 255))
    monkeypatch.setattr("os.statvfs", lambda _: fake)
    assert disk_of(tmp_path) == Disk(7 * 512, read_only=True)


def test_a_disk_that_cannot_be_examined(tmp_path: Path) -> None:
    assert disk_of(tmp_path / "nowhere") is None


def test_a_file_system_that_became_read_only_by_an_error_is_found_by_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(code: int) -> Callable[..., int]:
        def opens(*_: object) -> int:
            raise OSError(code, "")

        return opens

    found = disk_of(tmp_path)
    assert found is not None
    assert not found.read_only
    assert list(tmp_path.iterdir()) == []
    for code, read_only in ((errno.EROFS, True), (errno.EACCES, False), (errno.EOPNOTSUPP, False)):
        with monkeypatch.context() as bent:
            bent.setattr(os, "open", refused(code))
            found = disk_of(tmp_path)
        assert found is not None
        assert found.read_only is read_only
