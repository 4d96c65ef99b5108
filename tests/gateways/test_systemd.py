"""What is sent to the service manager."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from worker.gateways.systemd import Notify


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(tmp_path / "notify"))
        yield ours


def test_each_message_is_one_datagram(manager: socket.socket) -> None:
    with closing(Notify()) as notify:
        notify.send("READY=1", "STATUS=well")
    assert manager.recv(100) == b"READY=1\nSTATUS=well"


def test_a_manager_that_does_not_read_holds_nothing_up(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.gateways.systemd.LONGEST_WAIT_S", 0.001)
    with closing(Notify()) as notify:
        for number in range(600):  # more than the kernel keeps for it
            notify.send(f"STATUS={number}")
    assert manager.recv(100) == b"STATUS=0"


def test_a_manager_that_is_gone_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "none"))
    with closing(Notify()) as notify:
        notify.send("READY=1")
