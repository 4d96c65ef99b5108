"""On a file system that takes no writes, what writes says so, names the mount, and blames no owner."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cdpoll_process import House


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Its database lies on a file system of its own."""
    made = House(tmp_path)
    state = made.database.parent
    state.mkdir()
    mount("-t", "tmpfs", "-o", "mode=1777,size=8m", "tmpfs", str(state))
    yield made
    subprocess.run(["umount", "--lazy", str(state)], check=True)


@pytest.mark.parametrize("before", ["nothing", "a database"])
def test_a_mount_that_is_read_only(house: House, before: str) -> None:
    if before == "a database":
        house.record("a")
    state = house.database.parent
    mount("-o", "remount,ro", str(state))
    for command in (["record", "b"], ["run"], ["run", "--once"]):
        ended = house.cdpoll(*command, check=74)
        assert f"        the file system at {state} is read-only; look into the kernel's log (dmesg)" in ended.err
        assert f"(mount -o remount,rw {state})\n" in ended.err
        assert "owner" not in ended.err
    ended = house.cdpoll("config", "check", check=78)
    assert f"[store] path: the database cannot be used: the file system at {state} is read-only; look " in ended.err
    if before == "a database":
        assert house.status()["tasks"]["pending"] == 1
        assert "disk_read_only" in house.problems()
    mount("-o", "remount,rw", str(state))
    assert house.record("b")["recorded"] == ["b"]


def test_a_disk_that_became_read_only_by_an_error(house: House, tmp_path: Path) -> None:
    """ext4's `emergency_ro`: the flags of the mount do not show it."""
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("the Debian package e2fsprogs is missing")
    disk, state = tmp_path / "disk", house.database.parent
    with disk.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(disk)], check=True)
    mount("-o", "loop,errors=remount-ro", str(disk), str(state))
    try:
        house.record("a")
        mount("-o", "remount,abort", str(state))
        for command in (["record", "b"], ["run", "--once"]):
            ended = house.cdpoll(*command, check=74)
            assert f"        the file system at {state} is read-only; look into the kernel's log (dmesg)" in ended.err
        assert "disk_read_only" in house.problems()
    finally:
        subprocess.run(["umount", "--lazy", str(state)], check=True)
