"""The SFTP drop of the sandbox: it lists as an OpenSSH server does."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from sandbox.drop import DropServer
from sandbox.server import Sandbox
from worker.clock import Clock


@contextmanager
def listed(folder: Path) -> Iterator[paramiko.SFTPClient]:
    with Sandbox(Clock()) as sandbox:
        server = DropServer(sandbox, folder, 3_600_000)
        server.start()
        account = sandbox.account
        transport = paramiko.Transport(("127.0.0.1", server.port))
        try:
            transport.connect(username=account.client_id, password=account.client_secret)
            client = paramiko.SFTPClient.from_transport(transport)
            assert client is not None
            yield client
        finally:
            transport.close()
            server.stop()


def test_a_broken_link_is_listed_as_a_link_and_the_files_beside_it_are_listed(tmp_path: Path) -> None:
    (tmp_path / "a.x12").write_text("ISA")
    (tmp_path / "b.x12").symlink_to(tmp_path / "nowhere")
    with listed(tmp_path) as client:
        found = {one.filename: one for one in client.listdir_attr(".")}
        assert stat.S_ISREG(found["a.x12"].st_mode or 0)
        assert stat.S_ISLNK(found["b.x12"].st_mode or 0)
        assert stat.S_ISLNK(client.lstat("b.x12").st_mode or 0)
        with pytest.raises(FileNotFoundError):
            client.stat("b.x12")


def test_a_drop_folder_that_is_gone_is_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    with listed(tmp_path / "drop") as client:
        (tmp_path / "drop").rmdir()
        with pytest.raises(FileNotFoundError):
            client.listdir_attr(".")
