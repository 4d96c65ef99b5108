"""SFTP version 3 as a client that lists, reads, renames and removes, over one channel of paramiko's.

paramiko's SFTPClient is not used, for three reasons. One name that is not UTF-8 makes a folder unreadable for it; here
names are bytes. Its thread that reads ahead spins for ever when a file turns out shorter; here reading ahead is bounded
and ends with the file. And it loses the number of a refusal.
"""

import contextlib
import struct
from collections.abc import Iterator

import paramiko

from worker.gateways.sftp.guard import Guard
from worker.gateways.sftp.packets import Attributes, Entry, Fields, Nonsense, string

_INIT, _VERSION, _OPEN, _CLOSE, _READ, _LSTAT = 1, 2, 3, 4, 5, 7
_OPENDIR, _READDIR, _REMOVE, _STAT, _RENAME, _EXTENDED = 11, 12, 13, 17, 18, 200
_STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _EXTENDED_REPLY = 101, 102, 103, 104, 105, 201

OK, END, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, NO_CONNECTION, LOST, UNSUPPORTED = range(9)

_LONGEST_PACKET_BYTES = 512 * 1024
_LONGEST_NAMES_BYTES = 32 * 1024 * 1024  # some servers put a whole folder into one packet
_MOST_EMPTY_PACKETS = 1000  # a listing made of them alone has no end
_LIMITS = b"limits@openssh.com"
_USUAL_READ_BYTES = 32 * 1024  # every server answers this in one piece
_LARGEST_READ_BYTES = 255 * 1024
_READ_AHEAD_BYTES = 2 * 1024 * 1024


class RequestRefused(Exception):
    """The server answered with a status; ``status`` is its number. Its text is dropped: it may hold a name."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


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
        self.ended_by = END
        """The status that the latest :meth:`content` ended with."""
        channel.sendall(struct.pack(">IBI", 5, _INIT, 3))
        kind, reply = self._receive()
        if kind != _VERSION or reply.number() < 3:
            raise Nonsense
        while reply.more:
            if reply.string() == _LIMITS:
                self._ask_limits()
                break
            reply.string()

    @property
    def over(self) -> bool:
        """Whether the server has ended the conversation."""
        return bool(self._channel.closed or self._channel.eof_received)

    def _ask_limits(self) -> None:
        """A larger piece a request is twice as fast, where the server says that it takes one."""
        try:
            kind, reply = self._ask(_EXTENDED, string(_LIMITS))
        except RequestRefused:
            return
        if kind == _EXTENDED_REPLY:
            reply.number(8)
            self._read_size = min(max(reply.number(8), _USUAL_READ_BYTES), _LARGEST_READ_BYTES)

    def entries(self, folder: bytes) -> Iterator[Entry]:
        """The names in a folder, in the server's order, without ``.`` and ``..``."""
        handle = self._handle(_OPENDIR, string(folder))
        empty = 0
        while True:
            try:
                kind, reply = self._ask(_READDIR, string(handle))
            except RequestRefused as refusal:
                if refusal.status != END:
                    raise
                break
            count = reply.number() if kind == _NAME else 0
            empty += not count
            if kind != _NAME or empty > _MOST_EMPTY_PACKETS:
                raise Nonsense
            for _ in range(count):
                entry = reply.entry()
                if entry.name not in (b".", b".."):
                    yield entry
        self.close(handle)

    def stat(self, path: bytes) -> Attributes:
        """The attributes of a file; of a symbolic link itself, where the server can tell."""
        try:
            return self._attributes(_LSTAT, path)
        except RequestRefused as refusal:
            if refusal.status in (NO_SUCH_FILE, PERMISSION_DENIED):
                raise
            # Some servers know nothing but STAT.
            return self._attributes(_STAT, path)

    def target(self, path: bytes) -> Attributes:
        """The attributes of a file or folder; of what a symbolic link leads to."""
        return self._attributes(_STAT, path)

    def remove(self, path: bytes) -> None:
        self._ask(_REMOVE, string(path))

    def rename(self, path: bytes, to: bytes) -> None:
        self._ask(_RENAME, string(path) + string(to))

    def open(self, path: bytes) -> bytes:
        """Open a file for reading; the handle for the methods below."""
        return self._handle(_OPEN, string(path) + struct.pack(">II", 1, 0))

    def close(self, handle: bytes) -> None:
        """Let go of an open file or folder; a refusal changes nothing."""
        with contextlib.suppress(RequestRefused):
            self._ask(_CLOSE, string(handle))

    def content(self, handle: bytes, size: int) -> Iterator[bytes]:
        """The bytes of an open file in order, to its end wherever that is. ``size`` (-1: not known) is a guess.

        Reads ahead, never more than two megabytes beyond what was handed out; behind ``size`` one piece at first. A
        refusal ends the file like its end does, unless not one byte was read: :attr:`ended_by` tells.
        """
        waiting: dict[int, tuple[int, int]] = {}  # request -> offset and length asked for
        arrived: dict[int, bytes] = {}  # offset -> data that is not its turn yet
        ends: dict[int, int] = {}  # offset -> the status that a piece there was answered with
        asked = handed = 0
        behind = self._read_size
        self.ended_by = END
        try:
            while True:
                requests = b""
                while not ends and asked - handed < _ahead(asked, handed, size, behind):
                    requests += self._read_request(waiting, handle, asked, self._read_size)
                    asked += self._read_size
                if requests:
                    self._channel.sendall(requests)
                if not waiting:
                    break
                kind, request, reply = self._answer()
                offset, length = waiting.pop(request, (0, 0))
                if kind == _STATUS:
                    ends[offset] = reply.number()
                    continue
                if kind != _DATA or not length:
                    raise Nonsense
                data = reply.string()[:length]
                if not data:
                    ends[offset] = END
                    continue
                if len(data) < length:
                    # Less than asked for is allowed, and need not be the end.
                    rest = self._read_request(waiting, handle, offset + len(data), length - len(data))
                    self._channel.sendall(rest)
                arrived[offset] = data
                while handed in arrived:
                    piece = arrived.pop(handed)
                    handed += len(piece)
                    behind = min(2 * behind, _READ_AHEAD_BYTES) if handed > size else behind
                    yield piece
            self.ended_by = ends.get(handed, END)
            if self.ended_by != END and not handed:
                raise RequestRefused(self.ended_by)
        finally:
            self._stale |= waiting.keys()

    def _read_request(self, waiting: dict[int, tuple[int, int]], handle: bytes, offset: int, length: int) -> bytes:
        request = self._next()
        waiting[request] = (offset, length)
        return self._packed(_READ, request, string(handle) + struct.pack(">QI", offset, length))

    def _handle(self, kind: int, body: bytes) -> bytes:
        got, reply = self._ask(kind, body)
        if got != _HANDLE:
            raise Nonsense
        return reply.string()

    def _attributes(self, kind: int, what: bytes) -> Attributes:
        got, reply = self._ask(kind, string(what))
        if got != _ATTRS:
            raise Nonsense
        return reply.attributes()

    def _ask(self, kind: int, body: bytes) -> tuple[int, Fields]:
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

    def _answer(self) -> tuple[int, int, Fields]:
        """The next answer that is waited for: its kind, the request it answers, the rest."""
        while True:
            kind, reply = self._receive()
            request = reply.number()
            if request not in self._stale:
                return kind, request, reply
            self._stale.discard(request)

    def _receive(self) -> tuple[int, Fields]:
        length = int.from_bytes(self._exactly(4), "big")
        if not 1 <= length <= _LONGEST_NAMES_BYTES:
            raise Nonsense
        kind = self._exactly(1)[0]
        if length > _LONGEST_PACKET_BYTES and kind != _NAME:
            raise Nonsense
        packet = self._exactly(length - 1)
        self._guard.answers += 1
        return kind, Fields(packet)

    def _exactly(self, count: int) -> bytes:
        pieces = []
        while count:
            got = self._channel.recv(count)
            if not got:
                raise EOFError
            self._guard.arrived += len(got)
            pieces.append(got)
            count -= len(got)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _ahead(asked: int, handed: int, size: int, behind: int) -> int:
    """How far ahead of what was handed out to ask, in bytes."""
    if asked <= size:
        return _READ_AHEAD_BYTES  # one request past the size: its answer tells whether there is more
    return behind if handed > size else 0
