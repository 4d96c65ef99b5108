"""SFTP version 3 as a client that lists, reads, renames and removes, over one channel of paramiko's.

paramiko's SFTPClient is not used, for three reasons. One name that is not UTF-8 makes a folder unreadable for it; here
names are bytes. Its thread that reads ahead spins for ever when a file turns out shorter; here reading ahead is bounded
and ends with the file. And it loses the number of a refusal.
"""

import contextlib
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import paramiko

from worker.gateways.sftp.guard import Guard

_INIT, _VERSION, _OPEN, _CLOSE, _READ, _LSTAT, _FSTAT = 1, 2, 3, 4, 5, 7, 8
_OPENDIR, _READDIR, _REMOVE, _RENAME, _EXTENDED = 11, 12, 13, 18, 200
_STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _EXTENDED_REPLY = 101, 102, 103, 104, 105, 201

OK, END, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, NO_CONNECTION, LOST, UNSUPPORTED = range(9)

_LONGEST_PACKET_BYTES = 512 * 1024
_LIMITS = b"limits@openssh.com"
_USUAL_READ_BYTES = 32 * 1024  # every server answers this in one piece
_LARGEST_READ_BYTES = 255 * 1024
_READ_AHEAD_BYTES = 2 * 1024 * 1024


class RequestRefused(Exception):
    """The server answered with a status; ``status`` is its number. Its text is dropped: it may hold a name."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Nonsense(Exception):
    """The answer is no SFTP, or not to what was asked."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a server says of a file; None for what it does not say. ``modified`` is in seconds since 1970 UTC."""

    size: int | None
    mode: int | None
    modified: int | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder. ``regular`` is None when the server does not tell what it is."""

    name: bytes
    attributes: Attributes
    regular: bool | None


class _Reader:
    """Takes the fields of one packet apart. Raises Nonsense when it is too short."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise Nonsense
        found = self._data[self._at : end]
        self._at = end
        return found

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def attributes(self) -> Attributes:
        flags = self.number()
        size = self.number(8) if flags & 1 else None
        if flags & 2:
            self.take(8)
        mode = self.number() if flags & 4 else None
        modified = struct.unpack(">II", self.take(8))[1] if flags & 8 else None
        if flags & 0x80000000:
            for _ in range(self.number()):
                self.string()
                self.string()
        return Attributes(size, mode, modified)

    @property
    def more(self) -> bool:
        return self._at < len(self._data)


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


class Session:
    """One conversation. Its callers run it inside a guard: nothing here bounds how long it takes.

    Every method raises RequestRefused, Nonsense, EOFError when the connection ended, or what paramiko raises.
    """

    def __init__(self, channel: paramiko.Channel, guard: Guard) -> None:
        self._channel = channel
        self._guard = guard
        self._last = 0
        self._stale: set[int] = set()  # reads of a file that has been closed
        self._read_size = _USUAL_READ_BYTES
        channel.sendall(struct.pack(">IBI", 5, _INIT, 3))
        kind, reply = self._receive()
        if kind != _VERSION or reply.number() < 3:
            raise Nonsense
        while reply.more:
            if reply.string() == _LIMITS:
                self._ask_limits()
                break
            reply.string()

    def _ask_limits(self) -> None:
        """A larger piece a request is twice as fast, where the server says that it takes one."""
        try:
            kind, reply = self._ask(_EXTENDED, _string(_LIMITS))
        except RequestRefused:
            return
        if kind == _EXTENDED_REPLY:
            reply.number(8)
            self._read_size = min(max(reply.number(8), _USUAL_READ_BYTES), _LARGEST_READ_BYTES)

    def entries(self, folder: bytes) -> Iterator[Entry]:
        """The names in a folder, in the server's order, without ``.`` and ``..``."""
        handle = self._handle(_OPENDIR, _string(folder))
        while True:
            try:
                kind, reply = self._ask(_READDIR, _string(handle))
            except RequestRefused as refusal:
                if refusal.status != END:
                    raise
                break
            if kind != _NAME:
                raise Nonsense
            for _ in range(reply.number()):
                name, long, attributes = reply.string(), reply.string(), reply.attributes()
                if name not in (b".", b".."):
                    yield Entry(name, attributes, _is_regular(attributes, long))
        self.close(handle)

    def stat(self, path: bytes) -> Attributes:
        """The attributes of a file, of a symbolic link itself."""
        return self._attributes(_LSTAT, path)

    def remove(self, path: bytes) -> None:
        self._ask(_REMOVE, _string(path))

    def rename(self, path: bytes, to: bytes) -> None:
        self._ask(_RENAME, _string(path) + _string(to))

    def open(self, path: bytes) -> bytes:
        """Open a file for reading; the handle for the methods below."""
        return self._handle(_OPEN, _string(path) + struct.pack(">II", 1, 0))

    def look_at(self, handle: bytes) -> Attributes:
        """The attributes of an open file."""
        return self._attributes(_FSTAT, handle)

    def close(self, handle: bytes) -> None:
        """Let go of an open file or folder; a refusal changes nothing."""
        with contextlib.suppress(RequestRefused):
            self._ask(_CLOSE, _string(handle))

    def content(self, handle: bytes, size: int) -> Iterator[bytes]:
        """The bytes of an open file in order, to its end wherever that is (at most one piece past ``size``).

        Reads ahead, never more than two megabytes beyond what was handed out.
        """
        waiting: dict[int, tuple[int, int]] = {}  # request -> offset and length asked for
        arrived: dict[int, bytes] = {}  # offset -> data that is not its turn yet
        asked = handed = 0
        ended = False
        try:
            while True:
                requests = b""
                # One request past the size: its answer tells whether the file has grown.
                while not ended and asked <= size and asked - handed < _READ_AHEAD_BYTES:
                    requests += self._read_request(waiting, handle, asked, self._read_size)
                    asked += self._read_size
                if requests:
                    self._channel.sendall(requests)
                if not waiting:
                    return
                kind, request, reply = self._answer()
                offset, length = waiting.pop(request, (0, 0))
                if kind == _STATUS:
                    ended = True
                    if (status := reply.number()) != END:
                        raise RequestRefused(status)
                    continue
                data = reply.string()
                if kind != _DATA or not 1 <= len(data) <= length:
                    raise Nonsense
                if len(data) < length:
                    # Less than asked for is allowed, and need not be the end.
                    rest = self._read_request(waiting, handle, offset + len(data), length - len(data))
                    self._channel.sendall(rest)
                arrived[offset] = data
                while handed in arrived:
                    piece = arrived.pop(handed)
                    handed += len(piece)
                    yield piece
        finally:
            self._stale |= waiting.keys()

    def _read_request(self, waiting: dict[int, tuple[int, int]], handle: bytes, offset: int, length: int) -> bytes:
        request = self._next()
        waiting[request] = (offset, length)
        return self._packed(_READ, request, _string(handle) + struct.pack(">QI", offset, length))

    def _handle(self, kind: int, body: bytes) -> bytes:
        got, reply = self._ask(kind, body)
        if got != _HANDLE:
            raise Nonsense
        return reply.string()

    def _attributes(self, kind: int, what: bytes) -> Attributes:
        got, reply = self._ask(kind, _string(what))
        if got != _ATTRS:
            raise Nonsense
        return reply.attributes()

    def _ask(self, kind: int, body: bytes) -> tuple[int, _Reader]:
        """One request and its answer. Raises RequestRefused for a status other than OK."""
        request = self._next()
        self._channel.sendall(self._packed(kind, request, body))
        got, answered, reply = self._answer()
        if answered != request:
            raise Nonsense
        if got == _STATUS and (status := reply.number()) != OK:
            raise RequestRefused(status)
        return got, reply

    def _next(self) -> int:
        self._last = (self._last + 1) & 0xFFFFFFFF
        return self._last

    def _packed(self, kind: int, request: int, body: bytes) -> bytes:
        return struct.pack(">IBI", len(body) + 5, kind, request) + body

    def _answer(self) -> tuple[int, int, _Reader]:
        """The next answer that is waited for: its kind, the request it answers, the rest."""
        while True:
            kind, reply = self._receive()
            request = reply.number()
            if request not in self._stale:
                return kind, request, reply
            self._stale.discard(request)

    def _receive(self) -> tuple[int, _Reader]:
        length = int.from_bytes(self._exactly(4), "big")
        if not 1 <= length <= _LONGEST_PACKET_BYTES:
            raise Nonsense
        packet = self._exactly(length)
        return packet[0], _Reader(packet[1:])

    def _exactly(self, count: int) -> bytes:
        got = self._channel.recv(count)
        if len(got) < count:
            pieces = [got]
            while got and (count := count - len(got)):
                got = self._channel.recv(count)
                pieces.append(got)
            if not got:
                raise EOFError
            got = b"".join(pieces)
        self._guard.moved += 1
        return got


def _is_regular(attributes: Attributes, long: bytes) -> bool | None:
    if attributes.mode is not None and stat.S_IFMT(attributes.mode):
        return stat.S_ISREG(attributes.mode)
    # Old servers tell in the line that `ls -l` would print, if at all.
    return long[:1] == b"-" if long[:1] in (b"-", b"d", b"l", b"p", b"s", b"c", b"b") else None
