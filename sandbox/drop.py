"""The SFTP server on which the simulated vendor drops batch files: paramiko's, on a loopback port, with one folder.

It takes one user with a password, and is for rehearsals: it lists, reads and deletes plain files, and that is all.
Every so often a file of what the vendor has answered since the last one appears in the folder.
"""

import contextlib
import os
import socket
import threading
from pathlib import Path

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_SUCCEEDED
from paramiko.sftp import SFTP_OK, SFTP_PERMISSION_DENIED

from sandbox.batch import write_batch
from sandbox.server import HOST, Sandbox


class DropServer:
    """The server, from ``start`` to ``stop``. It writes a file into ``folder`` every ``every_ms`` if there is news, the
    first one at once."""

    def __init__(self, sandbox: Sandbox, folder: Path, every_ms: int) -> None:
        self._sandbox, self._folder, self._every_ms = sandbox, folder, max(1, every_ms)
        self._host_key = paramiko.ECDSAKey.generate()
        self._listener = socket.create_server((HOST, 0))
        self._connections: list[paramiko.Transport] = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=work, name="drop", daemon=True) for work in (self._serve, self._write)]

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def known_hosts(self) -> str:
        """The line for a client's file of host keys."""
        return f"[{HOST}]:{self.port} {self._host_key.get_name()} {self._host_key.get_base64()}\n"

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait for both threads."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._connections = [one for one in self._connections if one.is_active()]
            connection = paramiko.Transport(client)
            connection.add_server_key(self._host_key)
            connection.set_subsystem_handler("sftp", paramiko.SFTPServer, _Folder, self._folder)
            account = self._sandbox.account
            connection.start_server(threading.Event(), _Login(account.client_id, account.client_secret))
            self._connections.append(connection)

    def _write(self) -> None:
        number, since = 1, 0
        while True:
            now = self._sandbox.clock.now()
            if write_batch(self._sandbox, self._folder / f"271-{number:04d}.x12", since=since, until=now):
                number, since = number + 1, now
            if self._sandbox.clock.wait(self._stopping, self._every_ms):
                return


class _Login(paramiko.ServerInterface):
    """One connection: a password, then files."""

    def __init__(self, username: str, password: str) -> None:
        self._proof = (username, password)

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002 - paramiko's names
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        return AUTH_SUCCESSFUL if (username, password) == self._proof else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class _Folder(paramiko.SFTPServerInterface):
    """The files of one folder, which is all that this server shows. An answer that is a number is a refusal."""

    def __init__(self, server: paramiko.ServerInterface, folder: Path) -> None:
        super().__init__(server)
        self._folder = folder

    def _path(self, name: str) -> Path:
        """Where a name lies; whatever folders it tells of, it is in ours."""
        return self._folder / os.path.basename(name)  # noqa: PTH119 - of a client's text

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes] | int:  # noqa: ARG002
        try:
            return [paramiko.SFTPAttributes.from_stat(entry.lstat(), entry.name) for entry in self._folder.iterdir()]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def stat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self._told(path, follow=True)

    def lstat(self, path: str) -> paramiko.SFTPAttributes | int:
        return self._told(path, follow=False)

    def _told(self, path: str, *, follow: bool) -> paramiko.SFTPAttributes | int:
        try:
            return paramiko.SFTPAttributes.from_stat(self._path(path).stat(follow_symlinks=follow))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def open(
        self,
        path: str,
        flags: int,
        attr: paramiko.SFTPAttributes,  # noqa: ARG002
    ) -> paramiko.SFTPHandle | int:
        if flags & (os.O_WRONLY | os.O_RDWR):
            return SFTP_PERMISSION_DENIED
        try:
            handle = paramiko.SFTPHandle(flags)
            handle.readfile = self._path(path).open("rb")  # type: ignore[attr-defined]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return handle

    def remove(self, path: str) -> int:
        try:
            self._path(path).unlink()
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)
        return SFTP_OK
