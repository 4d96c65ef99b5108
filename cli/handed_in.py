"""The files and streams that are handed in to ``cdpoll record``: whole, or line by line as they come."""

import codecs
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import IO

import click

from worker.core.errors import BadData

# A dump or a body larger than this is no answer of the vendor's.
MOST_INPUT_BYTES = 16 * 1024 * 1024

# Read from JSONL at a time; a pipe hands over what it has, and each piece is a commit.
PIECE_BYTES = 128 * 1024

# Stands for a line that is longer than MOST_INPUT_BYTES: unreadable, under its own number.
TOO_LONG = b"(a line longer than 16 MiB)"


def refuse_a_stream_twice(files: Iterable[IO[bytes]]) -> None:
    """A pipe can be read once: whoever came second would find it empty. A file of the disk may be named twice."""
    seen: set[object] = set()
    for file in files:
        found = os.fstat(file.fileno())
        key = (found.st_dev, found.st_ino)
        if (file.fileno() == 0 and 0 in seen) or (key in seen and not stat.S_ISREG(found.st_mode)):
            raise click.UsageError(f"{name_of(file)} is asked for twice: it can be read once")
        seen |= {key, file.fileno()}


def whole_of(source: IO[bytes]) -> bytes:
    """All of it. Raises ``BadData`` where that is too much."""
    data = source.read(MOST_INPUT_BYTES + 1)
    if len(data) > MOST_INPUT_BYTES:
        raise BadData(f"{name_of(source)} is larger than {MOST_INPUT_BYTES >> 20} MiB", "hand in one answer at a time")
    return data


def lines_of(source: IO[bytes]) -> Iterator[list[bytes]]:
    """The lines as they come. Each piece that a slow pipe brings is recorded at once."""
    rest, too_long, first = b"", False, True
    decode: Callable[[bytes], str] | None = None
    while piece := os.read(source.fileno(), PIECE_BYTES):
        if first and (encoding := _utf16(piece)):
            decode = codecs.getincrementaldecoder(encoding)("replace").decode  # as PowerShell writes files
        first = False
        if decode is not None:
            piece = decode(piece).encode()
        *lines, rest = (rest + piece).split(b"\n")
        if too_long and lines:
            lines, too_long = [TOO_LONG, *lines[1:]], False
        if len(rest) > MOST_INPUT_BYTES:
            rest, too_long = b"", True
        yield lines
    yield [TOO_LONG if too_long else rest]


def _utf16(begin: bytes) -> str | None:
    """The encoding of a text that begins so, if it is one of two octets for each letter."""
    if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    nuls = [octet == 0 for octet in begin[:4]]
    return {(False, True): "utf-16-le", (True, False): "utf-16-be"}.get((nuls[0], nuls[1])) if len(nuls) > 1 else None


def name_of(source: IO[bytes]) -> str:
    """What people read for it."""
    name = getattr(source, "name", "")
    return "standard input" if source.fileno() == sys.stdin.fileno() or not isinstance(name, str) else name
