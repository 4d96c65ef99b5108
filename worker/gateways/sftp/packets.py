"""The fields of the packets of SFTP version 3, read without trust: what a server says may be anything."""

import stat
import struct
from dataclasses import dataclass

# Beyond this a number is not a size: servers say so that they do not know it. SQLite holds no larger one either.
_LARGEST_SIZE_BYTES = 2**63 - 1

# The longest name of a file on any usual disk is 765 bytes (255 letters of three bytes each).
_LONGEST_NAME_BYTES = 1024


class Nonsense(Exception):
    """The answer is no SFTP, or not to what was asked."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a server says of a file; None for what it does not say. ``modified`` is in seconds since 1970 UTC, ``owner``
    the number of a user."""

    size: int | None
    mode: int | None
    modified: int | None
    owner: int | None = None

    @property
    def link(self) -> bool:
        """Whether the server tells that it is a symbolic link."""
        return self.mode is not None and stat.S_ISLNK(self.mode)

    @property
    def regular(self) -> bool | None:
        """Whether it is a regular file; None: the server does not tell."""
        if self.mode is None or not stat.S_IFMT(self.mode):
            return None
        return stat.S_ISREG(self.mode)


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder; empty where the name is longer than one can be. ``regular`` is None where the server does
    not tell what it is."""

    name: bytes
    attributes: Attributes
    regular: bool | None


class Fields:
    """Takes the fields of one packet apart. Raises Nonsense when it is too short."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._passed(count)
        return self._data[end - count : end]

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def attributes(self) -> Attributes:
        flags = self.number()
        size = self.number(8) if flags & 1 else None
        owner = int.from_bytes(self.take(8)[:4], "big") if flags & 2 else None
        mode = self.number() if flags & 4 else None
        modified = struct.unpack(">II", self.take(8))[1] if flags & 8 else None
        if flags & 0x80000000:
            for _ in range(self.number()):
                self._passed(self.number())
                self._passed(self.number())
        return Attributes(None if size is None or size > _LARGEST_SIZE_BYTES else size, mode, modified, owner)

    def entry(self) -> Entry:
        length = self.number()
        name = self.take(length) if length <= _LONGEST_NAME_BYTES else b""
        if not name:
            self._passed(length)
        length = self.number()
        long = self.take(min(length, 1))
        self._passed(length - len(long))
        attributes = self.attributes()
        regular = attributes.regular
        if regular is None and long in (b"-", b"d", b"l", b"p", b"s", b"c", b"b"):
            # Old servers tell in the line that `ls -l` would print, if at all.
            regular = long == b"-"
        return Entry(name, attributes, regular)

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def _passed(self, count: int) -> int:
        """Where the packet goes on behind the next ``count`` bytes."""
        if self._at + count > len(self._data):
            raise Nonsense
        self._at += count
        return self._at


def string(data: bytes) -> bytes:
    """A string as SFTP writes it."""
    return struct.pack(">I", len(data)) + data
