"""What is inside a packed file: the members of a gzip or a zip, unpacked piece by piece and never past a limit.

A file that is not packed is its own only member, so a reader of batches handles both alike. Packing inside packing is
refused: no vendor does it, and a small file could unpack without end.
"""

import contextlib
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from worker.core.x12.recognise import HEAD_BYTES, FileKind, recognise
from worker.core.x12.scanner import ByteSource

_PIECE_BYTES = 256 * 1024
_DIRECTORY_END = b"PK\x05\x06"
_DIRECTORY_END_BYTES = 22
_LONGEST_COMMENT_BYTES = 65535
_USUAL_ENTRY_BYTES = 1024  # in the directory; a name of 255 letters and a few times take half of it
_LEAST_DIRECTORY_BYTES = 128 * 1024  # more than the end of a zip with the longest comment
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, OSError)


@dataclass(frozen=True, slots=True)
class Caps:
    """``size`` bounds what all members of a file unpack to, in bytes; ``ratio`` that by the packed file's size.

    The ratio counts from ``floor`` bytes on: a small file of repeated lines packs better than any other.
    """

    count: int = 1000
    size: int = 8 * 1024**3
    ratio: int = 200
    floor: int = 64 * 1024**2


CAPS = Caps()


class NotUnpacked(Exception):
    """The file cannot be unpacked, or must not be. ``reason`` is one sentence without anything from the file.

    ``code``: ``cut_short`` (the file ends too early: fetch it again), ``damaged``, ``encrypted``, ``method`` (a way of
    packing that is not known here), ``nested``, ``too_many``, ``too_large``, ``ratio``, ``nothing`` (no member at all).
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Member:
    """One member, to be read before the next one is asked for.

    ``name`` is for people only (bytes chosen by others, made printable); None for a file that is not a zip. ``kind`` is
    what it is by its first bytes, which ``stream`` still begins with; ``head`` are those bytes. Reading the
    stream raises NotUnpacked when the packing turns out to be wrong.
    """

    name: str | None
    kind: FileKind
    head: bytes
    stream: ByteSource


def members(file: BinaryIO, caps: Caps = CAPS) -> Iterator[Member]:
    """The members of a file that is open at its beginning and can seek. Raises NotUnpacked, also from the streams."""
    head = _read_up_to(file, HEAD_BYTES)
    kind = recognise(head)
    packed_size = file.seek(0, 2)
    file.seek(0)
    budget = _Budget(caps, packed_size)
    if kind == "gzip":
        yield _member(None, _Gzip(file, budget))
    elif kind == "zip":
        yield from _zip(file, budget, caps)
    else:
        yield Member(None, kind, head, file)


class _Budget:
    """Counts what comes out of one file, over all its members."""

    def __init__(self, caps: Caps, packed_size: int) -> None:
        self._caps = caps
        self._by_ratio = max(caps.floor, caps.ratio * packed_size)
        self._spent = 0

    def spend(self, count: int) -> None:
        self._spent += count
        if self._spent > self._caps.size:
            raise NotUnpacked("too_large", f"It unpacks to more than {self._caps.size} bytes.")
        if self._spent > self._by_ratio:
            raise NotUnpacked("ratio", f"It unpacks to more than {self._caps.ratio} times its size.")


class _Gzip:
    """The content of a gzip: all its parts one after the other, as gzip has it. Zeros may follow (tapes pad so)."""

    def __init__(self, file: BinaryIO, budget: _Budget) -> None:
        self._file = file
        self._budget = budget
        self._inflate: zlib._Decompress | None = None
        self._waiting = b""
        self._parts = 0

    def read(self, size: int, /) -> bytes:
        while True:
            if self._inflate is None and not self._begin():
                return b""
            assert self._inflate is not None
            out = self._step(self._inflate, size)
            if out:
                self._budget.spend(len(out))
                return out

    def _begin(self) -> bool:
        """Begin the next part; tell whether there is one."""
        if self._parts:
            self._waiting = self._waiting.lstrip(b"\0")
            while not self._waiting:
                piece = self._file.read(_PIECE_BYTES)
                if not piece:
                    return False
                self._waiting = piece.lstrip(b"\0")
        self._parts += 1
        self._inflate = zlib.decompressobj(wbits=31)
        return True

    def _step(self, inflate: "zlib._Decompress", size: int) -> bytes:
        packed = self._waiting or self._file.read(_PIECE_BYTES)
        if not packed:
            raise NotUnpacked("cut_short", "The gzip file ends in the middle.")
        try:
            out = inflate.decompress(packed, min(size, _PIECE_BYTES))
        except zlib.error:
            raise NotUnpacked("damaged", "The gzip file is damaged.") from None
        self._waiting = inflate.unconsumed_tail
        if inflate.eof:
            self._waiting = inflate.unused_data
            self._inflate = None
        return out


def _zip(file: BinaryIO, budget: _Budget, caps: Caps) -> Iterator[Member]:
    _check_end(file)
    watched = _Watched(file, max(caps.count * _USUAL_ENTRY_BYTES, _LEAST_DIRECTORY_BYTES))
    try:
        archive = zipfile.ZipFile(cast(BinaryIO, watched))
    except (*_DAMAGED, NotImplementedError):
        raise NotUnpacked("damaged", "The zip file is damaged.") from None
    watched.most = None
    with archive:
        if len(archive.infolist()) > caps.count:
            raise NotUnpacked("too_many", f"The zip file holds more than {caps.count} files.")
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if not entries:
            raise NotUnpacked("nothing", "The zip file holds no file.")
        if any(entry.flag_bits & 1 for entry in entries):
            raise NotUnpacked("encrypted", "The zip file has a password.")
        if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
            raise NotUnpacked("method", "The zip file is packed in a way other than the usual ones (stored, deflated).")
        for entry in entries:
            with _as_not_unpacked(), archive.open(entry) as opened:
                yield _member(_printable(entry.filename), _ZipEntry(opened, entry.file_size, budget))


def _check_end(file: BinaryIO) -> None:
    """That the zip has the end of its directory, which stands last in it."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _DIRECTORY_END_BYTES - _LONGEST_COMMENT_BYTES))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(_DIRECTORY_END)
    if at < 0 or len(tail) - at < _DIRECTORY_END_BYTES:
        raise NotUnpacked("cut_short", "The zip file ends before its directory.")


class _Watched:
    """The packed file while its directory is read. That is read at once, and what it says of its own size, in two
    places since zip64, need not be so. ``most`` bounds one reading, in bytes."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file = file
        self.most: int | None = most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        if self.most is None:
            return self._file.read(size)
        found = self._file.read(size if 0 <= size <= self.most else self.most + 1)
        if len(found) > self.most:
            raise NotUnpacked("too_many", "The zip file's directory is too large.")
        return found


class _ZipEntry:
    """One entry of a zip, counted against the budget and against the size that the zip announces."""

    def __init__(self, opened: ByteSource, size: int, budget: _Budget) -> None:
        self._opened = opened
        self._left = size
        self._budget = budget

    def read(self, size: int, /) -> bytes:
        with _as_not_unpacked():
            out = self._opened.read(min(size, _PIECE_BYTES))
        self._budget.spend(len(out))
        self._left -= len(out)
        if self._left < 0 or (size and not out and self._left):
            raise NotUnpacked("damaged", "The zip file holds less or more than it announces.")
        return out


@contextlib.contextmanager
def _as_not_unpacked() -> Iterator[None]:
    try:
        yield
    except _DAMAGED:
        raise NotUnpacked("damaged", "The zip file is damaged.") from None
    except (NotImplementedError, RuntimeError):
        raise NotUnpacked("method", "The zip file is packed in a way that is not known here.") from None


class _Replayed:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: ByteSource) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        if self._head:
            out, self._head = self._head[:size], self._head[size:]
            return out
        return self._rest.read(size)


def _member(name: str | None, stream: ByteSource) -> Member:
    head = _read_up_to(stream, HEAD_BYTES)
    kind = recognise(head)
    if kind in ("zip", "gzip"):
        raise NotUnpacked("nested", "It holds another packed file.")
    return Member(name, kind, head, _Replayed(head, stream))


def _read_up_to(stream: ByteSource, count: int) -> bytes:
    out = b""
    while len(out) < count and (piece := stream.read(count - len(out))):
        out += piece
    return out


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)[:255]
