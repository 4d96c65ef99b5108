"""The Unix socket: its mode, and what may lie in its place."""

import socket
import stat
from contextlib import closing
from pathlib import Path

import pytest

from worker.core.errors import TryLater
from worker.web.unix import unix_listener

KEY = "[local] socket"


def listener(path: Path) -> "closing[socket.socket]":
    return closing(unix_listener(path, KEY, 8))


def test_user_and_group_may_use_it(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listener(path):
        mode = path.stat().st_mode
        assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o660)
        (tmp_path / "file").touch(0o666)  # the umask is as it was
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) != 0o660


def test_what_a_killed_process_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listener(path):
        pass
    assert path.is_socket()
    with listener(path), closing(socket.socket(socket.AF_UNIX)) as asked:
        asked.connect(str(path))


def test_what_another_process_listens_on_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listener(path):
        before = path.stat().st_ino
        with pytest.raises(TryLater, match="another process listens"):
            unix_listener(path, KEY, 8)
        assert path.stat().st_ino == before


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path, target = tmp_path / "s", tmp_path / "target"
    target.write_text("x")
    path.symlink_to(target)
    for _ in range(2):
        with pytest.raises(TryLater, match="is no socket"):
            unix_listener(path, KEY, 8)
        path.unlink(missing_ok=True)
        path.write_text("x")
    assert path.read_text() == target.read_text() == "x"


@pytest.mark.parametrize("name", ["none/s", "x" * 120])
def test_where_none_can_be_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(TryLater, match=r"\[local\] socket: "):
        unix_listener(tmp_path / name, KEY, 8)
