"""Which files of the drop are ours, and what is known of one."""

import fnmatch
import re
from dataclasses import dataclass

from worker.gateways.sftp.packets import Attributes
from worker.gateways.sftp.server import Server

UNKNOWN_SIZE_BYTES = -1
"""The size of a file where the server tells none."""


@dataclass(frozen=True, slots=True)
class DropSettings:
    """``folder`` is the drop, ``include`` and ``exclude`` patterns of names as :mod:`fnmatch` has them, case counts."""

    server: Server
    folder: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()

    def wants(self, name: bytes) -> bool:
        """Whether a file of this name is meant for us."""
        text = _text(name)
        return any(fnmatch.fnmatchcase(text, pattern) for pattern in self.include) and not any(
            fnmatch.fnmatchcase(text, pattern) for pattern in self.exclude
        )


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A regular file in the drop as it was at one listing.

    ``name`` is what the server calls it: bytes chosen by others, never to be used as a local path. ``size`` is what the
    server says, which need not be so: :data:`UNKNOWN_SIZE_BYTES` when it does not tell. ``mtime`` is in milliseconds
    since 1970 UTC (the protocol counts seconds), 0 when the server does not tell.
    """

    name: bytes
    size: int
    mtime: int

    @property
    def text(self) -> str:
        """The name for people and logs: what is not printable is escaped."""
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in _text(self.name))


def as_file(name: bytes, told: Attributes) -> RemoteFile:
    """The file of this name, as far as the server tells."""
    size = UNKNOWN_SIZE_BYTES if told.size is None else told.size
    return RemoteFile(name, size, (told.modified or 0) * 1000)


def is_name(name: bytes) -> bool:
    """Whether it names something in the folder itself."""
    return name not in (b"", b".", b"..") and b"/" not in name and b"\0" not in name


def renamed(name: bytes, other: bytes) -> bool:
    """Whether ``other`` is the name, or what a server makes of it where it is taken."""
    stem, dot, ending = name.rpartition(b".")
    forms = [re.escape(name) + rb"(?:_\d{1,4})?"] + [re.escape(stem) + rb"_\d{1,4}" + re.escape(dot + ending)] * bool(
        dot
    )
    return any(re.fullmatch(form, other, re.DOTALL) for form in forms)


def as_path(folder: str) -> bytes:
    """A folder as the server is told it, without a slash at its end."""
    return folder.rstrip("/").encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
