"""The files and streams that are handed in to ``cdpoll record``: whole, or line by line as they come."""

import codecs
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

import click

from worker.core.errors import BadData
from worker.core.intake.recording import EMPTY_HINT

# A dump or a body larger than this is no answer of the vendor's.
MOST_INPUT_BYTES = 16 * 1024 * 1024

# Read from JSONL at a time; a pipe hands over what it has, and each piece is a commit.
PIECE_BYTES = 128 * 1024

GZIP = b"\x1f\x8b"

# Stands for a line that is longer than MOST_INPUT_BYTES: unreadable, under its own number.
TOO_LONG = b"(a line longer than 16 MiB)"


def opened_files(paths: Iterable[str], stack: ExitStack, refused: list[BadData]) -> list[IO[bytes]]:
    """The files, ``-`` standard input among them. Of those that cannot be opened it is said why: the others are read
    all the same."""
    found: list[IO[bytes]] = []
    for path in paths:
        try:
            if path == "-":
                found.append(_standard_input())
            elif path:
                found.append(stack.enter_context(Path(path).open("rb")))  # noqa: SIM115
            else:
                refused.append(BadData("the name of a file is empty", EMPTY_HINT))
        except OSError as error:
            refused.append(BadData(f"{path}: {error.strerror}", "what else is handed in is recorded all the same"))
        except BadData as error:
            refused.append(error)
    return found


def _standard_input() -> IO[bytes]:
    # A stream that was closed has been replaced by the null device.
    if sys.stdin.name == os.devnull:
        raise BadData("standard input is closed", "nothing can be read from it")
    return sys.stdin.buffer


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
    """All of it, unpacked where it is packed with gzip. Raises ``BadData`` where that is too much."""
    data = source.read(MOST_INPUT_BYTES + 1)
    if data.startswith(GZIP):
        import zlib  # only here: hardly any input is packed

        with suppress(zlib.error):  # then it is refused as it is
            data = zlib.decompressobj(wbits=31).decompress(data, MOST_INPUT_BYTES + 1)
    return _bounded(data, name_of(source))


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MOST_INPUT_BYTES:
        raise BadData(f"{name} is larger than {MOST_INPUT_BYTES >> 20} MiB", "hand in one answer at a time")
    return data


def begin_of(lines: Iterable[bytes]) -> list[str]:
    """The lines that are not blank, to tell by the first of them what they are."""
    return [text for line in lines if (text := line.decode("utf-8-sig", "replace").strip())]


def rest_of(first: list[bytes], lines: Iterable[list[bytes]], name: str) -> str:
    """The text of all lines. Raises ``BadData`` where that is too much."""
    text = b"\n".join(first)
    for more in lines:
        text = _bounded(b"\n".join([text, *more]), name)
    return text.decode("utf-8-sig", "backslashreplace")


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
