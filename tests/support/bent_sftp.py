"""A small SFTP server (version 3) on loopback, whose every answer a test can bend. OpenSSH answers too well for that.

The session below SFTP is paramiko's; what a client asks is read and answered here, packet by packet. A test makes a
:class:`BentDrop`, or a subclass of it with other answers, and hands it to the fixture ``bend``.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paramiko

from worker.gateways.sftp.drop import DropSettings, Server

OK, EOF, NO_FILE, DENIED, FAILURE, _, _, _, UNSUPPORTED = range(9)
_OPEN, _CLOSE, _READ, _LSTAT, _FSTAT, _OPENDIR, _READDIR = 3, 4, 5, 7, 8, 11, 12
_REMOVE, _MKDIR, _REALPATH, _STAT, _RENAME = 13, 14, 16, 17, 18
_STATUS, _HANDLE, _DATA, _NAME, _ATTRS = range(101, 106)
_ASKED = {
    _OPEN: "open", _CLOSE: "close", _READ: "read", _LSTAT: "lstat", _FSTAT: "fstat", _OPENDIR: "opendir",
    _READDIR: "readdir", _REMOVE: "remove", _MKDIR: "mkdir", _REALPATH: "realpath", _STAT: "stat", _RENAME: "rename",
}  # fmt: skip

FILE_MODE, FOLDER_MODE = 0o100644, 0o40755
FOLDER = "/out"
PASSWORD = "a password for the tests"

# What a server says of a file, or the number of a status in its place.
Told = bytes | int


def text(value: bytes) -> bytes:
    """A string as SFTP writes it."""
    return struct.pack(">I", len(value)) + value


def attributes(size: int | None = None, mode: int | None = FILE_MODE, mtime: int | None = None) -> bytes:
    """What a server tells of a file; None is left out."""
    flags = (size is not None) | (mode is not None) << 2 | (mtime is not None) << 3
    out = struct.pack(">I", flags)
    out += b"" if size is None else struct.pack(">Q", size)
    out += b"" if mode is None else struct.pack(">I", mode)
    return out + (b"" if mtime is None else struct.pack(">II", mtime, mtime))


@dataclass
class BentFile:
    """A file of the drop; ``opens`` counts how often it was opened."""

    data: bytes
    mtime: int = 1_700_000_000
    mode: int = FILE_MODE
    opens: int = 0


class BentDrop:
    """The folder ``/out``. Each method below answers one question; a number is a status in place of the answer.

    One that raises EOFError closes the channel.
    """

    names_per_packet: int | None = 100  # None: all in one packet
    password_good = True
    hangs_up = False  # in place of an answer to a password

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = {name: BentFile(data) for name, data in (files or {}).items()}
        self.asked: list[tuple[str, str]] = []  # what was asked ("open", "read" …), and of which name
        self.logins = 0  # how often a password was tried
        self.connections = 0
        self.over = threading.Event()  # set at the end of the test; what waits for it leaves a question unanswered

    def put(self, name: str, data: bytes) -> None:
        """A file of that name, newer than any that was there."""
        before = self.files.get(name)
        self.files[name] = BentFile(data, 1_700_000_000 if before is None else before.mtime + 100)

    def told(self, name: str, file: BentFile) -> Told:
        """What all questions about a file are answered with, unless they have an answer of their own."""
        return attributes(len(file.data), file.mode, file.mtime)

    def listed(self, name: str, file: BentFile) -> bytes:
        told = self.told(name, file)
        assert isinstance(told, bytes)
        return told

    def lstat(self, name: str, file: BentFile) -> Told:
        return self.told(name, file)

    def stat(self, name: str, file: BentFile) -> Told:
        return self.told(name, file)

    def fstat(self, name: str, file: BentFile) -> Told:
        return self.told(name, file)

    def opened(self, name: str, file: BentFile) -> int | None:
        """None opens it."""
        return None

    def read(self, name: str, file: BentFile, offset: int, length: int) -> Told:
        """No bytes are the end of the file."""
        return file.data[offset : offset + length]

    def closed(self, name: str, file: BentFile) -> int | None:
        """None closes it."""
        return None

    def folder(self) -> int | None:
        """Asked at the beginning of each listing; None lists."""
        return None

    def before_names(self) -> None:
        """Called before each packet of names."""

    def names(self) -> list[tuple[bytes, bytes]]:
        """Each name with what is told of it."""
        return [(name.encode(), self.listed(name, file)) for name, file in self.files.items()]

    def renamed(self, old: str, new: str) -> int:
        """``new`` is a whole path."""
        if old not in self.files:
            return NO_FILE
        file = self.files.pop(old)
        folder, _, name = new.rpartition("/")
        if folder == FOLDER:
            self.files[name] = file
        return OK

    def removed(self, name: str) -> int:
        return NO_FILE if self.files.pop(name, None) is None else OK


class _Login(paramiko.ServerInterface):
    def __init__(self, drop: BentDrop) -> None:
        self.drop = drop

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        self.drop.logins += 1
        if self.drop.hangs_up:
            raise EOFError
        good = self.drop.password_good and password == PASSWORD
        return paramiko.common.AUTH_SUCCESSFUL if good else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED


class _Answers(paramiko.SubsystemHandler):
    """One SFTP session."""

    def __init__(self, channel: paramiko.Channel, name: str, server: _Login, over: threading.Event) -> None:
        super().__init__(channel, name, server)
        self.channel, self.drop, self.over = channel, server.drop, over
        self.files: dict[bytes, tuple[str, BentFile]] = {}
        self.lists: dict[bytes, list[tuple[bytes, bytes]]] = {}
        self.handles = 0

    def start_subsystem(self, name: str, transport: paramiko.Transport, channel: paramiko.Channel) -> None:
        with contextlib.suppress(EOFError, OSError, paramiko.SSHException, struct.error):
            while not self.over.is_set():
                packet = self._exactly(struct.unpack(">I", self._exactly(4))[0])
                if packet[0] == 1:
                    self._send(2, struct.pack(">I", 3))
                    continue
                number, length = struct.unpack(">II", packet[1:9])
                kind, body = self._answer(packet[0], packet[9 : 9 + length], packet[9 + length :])
                self._send(kind, struct.pack(">I", number) + body)
        channel.close()

    def _exactly(self, count: int) -> bytes:
        out = b""
        while len(out) < count:
            piece = self.channel.recv(count - len(out))
            if not piece:
                raise EOFError
            out += piece
        return out

    def _send(self, kind: int, body: bytes) -> None:
        self.channel.sendall(struct.pack(">IB", len(body) + 1, kind) + body)

    def _answer(self, kind: int, first: bytes, rest: bytes) -> tuple[int, bytes]:
        """One request: ``first`` is its first text (a path or a handle), ``rest`` what follows."""
        by_handle = kind in (_READ, _FSTAT, _CLOSE, _READDIR)
        path = first.decode("utf-8", "replace")
        of = self.files[first][0] if first in self.files else "" if by_handle else path.rpartition("/")[2]
        self.drop.asked.append((_ASKED.get(kind, str(kind)), of))
        return self._by_handle(kind, first, rest) if by_handle else self._by_path(kind, path, rest)

    def _by_path(self, kind: int, path: str, rest: bytes) -> tuple[int, bytes]:
        drop, name, is_folder = self.drop, path.rpartition("/")[2], path.rstrip("/") == FOLDER
        file = drop.files.get(name) if path == f"{FOLDER}/{name}" else None
        if kind == _REALPATH:
            return _NAME, struct.pack(">I", 1) + text(b"/") + text(b"/") + attributes(0, FOLDER_MODE, 0)
        if kind == _OPENDIR:
            refusal = drop.folder() if is_folder else NO_FILE
            return _status(refusal) if refusal is not None else self._opened_list()
        if kind in (_LSTAT, _STAT) and file is None:
            return _told(attributes(0, FOLDER_MODE, 0) if is_folder and drop.folder() is None else NO_FILE)
        if kind == _OPEN:
            if file is None:
                return _status(NO_FILE)
            refusal = drop.opened(name, file)
            return _status(refusal) if refusal is not None else self._opened_file(name, file)
        if kind in (_LSTAT, _STAT) and file is not None:
            return _told((drop.lstat if kind == _LSTAT else drop.stat)(name, file))
        if kind == _REMOVE:
            return _status(drop.removed(name))
        if kind == _RENAME:
            return _status(drop.renamed(name, rest[4:].decode("utf-8", "replace")))
        return _status(UNSUPPORTED)

    def _by_handle(self, kind: int, handle: bytes, rest: bytes) -> tuple[int, bytes]:
        if kind == _READDIR:
            return self._names(self.lists[handle])
        if kind == _CLOSE:
            self.lists.pop(handle, None)
            refusal = self.drop.closed(*self.files.pop(handle)) if handle in self.files else None
            return _status(refusal or OK)
        if kind == _FSTAT:
            return _told(self.drop.fstat(*self.files[handle]))
        data = self.drop.read(*self.files[handle], *struct.unpack(">QI", rest[:12]))
        return _status(data) if isinstance(data, int) else (_DATA, text(data)) if data else _status(EOF)

    def _handle(self) -> bytes:
        self.handles += 1
        return b"h%d" % self.handles

    def _opened_file(self, name: str, file: BentFile) -> tuple[int, bytes]:
        file.opens += 1
        handle = self._handle()
        self.files[handle] = (name, file)
        return _HANDLE, text(handle)

    def _opened_list(self) -> tuple[int, bytes]:
        handle = self._handle()
        self.lists[handle] = self.drop.names()
        return _HANDLE, text(handle)

    def _names(self, left: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
        self.drop.before_names()
        some = left[: self.drop.names_per_packet]
        del left[: len(some)]
        if not some:
            return _status(EOF)
        return _NAME, struct.pack(">I", len(some)) + b"".join(text(name) + text(b"- " + name) + t for name, t in some)


def _status(code: int) -> tuple[int, bytes]:
    return _STATUS, struct.pack(">I", code) + text(b"no") + text(b"")


def _told(answer: Told) -> tuple[int, bytes]:
    return _status(answer) if isinstance(answer, int) else (_ATTRS, answer)


class BentServer:
    """The server of one drop; a context manager. ``folder`` is for its files."""

    def __init__(self, drop: BentDrop, folder: Path) -> None:
        self.drop = drop
        self._key = paramiko.ECDSAKey.generate()
        self._over = drop.over
        self._transports: list[paramiko.Transport] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.known_hosts, self.password = folder / f"known_hosts-{self.port}", folder / f"password-{self.port}"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self._key.get_name()} {self._key.get_base64()}\n")
        self.password.write_text(PASSWORD)
        self.password.chmod(0o600)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def keys(self, **more: str) -> dict[str, str]:
        """The keys of ``[sftp]`` that lead here, as :class:`tests.support.cdpoll_process.House` takes them."""
        usual = {
            "host": "127.0.0.1",
            "port": str(self.port),
            "username": "user",
            "password": f"{{file {self.password}}}",
            "known_hosts": str(self.known_hosts),
            "drop": FOLDER,
            "include": "*.x12",
            "settle": "0s",
            "every": "10s",
        }
        return {f"sftp_{key}": value for key, value in (usual | more).items()}

    def server(self) -> Server:
        """How to log in, for a session without configuration."""
        return Server("127.0.0.1", self.port, "user", self.known_hosts, password=lambda: PASSWORD)

    def settings(self, *include: str) -> DropSettings:
        return DropSettings(self.server(), FOLDER, include or ("*.x12",))

    def __enter__(self) -> "BentServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        # Closing alone does not wake the thread that sits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()
        for transport in self._transports:
            transport.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.drop.connections += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = paramiko.Transport(connection)
            self._transports.append(transport)
            transport.set_log_channel("tests.bent_sftp")
            transport.add_server_key(self._key)
            transport.set_subsystem_handler("sftp", _Answers, self._over)
            with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                transport.start_server(server=_Login(self.drop), event=threading.Event())


Bend = Callable[[BentDrop], BentServer]
