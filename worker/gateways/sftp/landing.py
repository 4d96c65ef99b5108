"""Where a fetched file lands: a private folder, first under a name of ours, then under its hash, and on the disk."""

import errno
import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from worker.files import DurableFile, sync_folder
from worker.gateways.sftp.failure import SftpFailed
from worker.gateways.sftp.remote_file import RemoteFile
from worker.ownership import cure

_PARTIAL = ".part"
_HINT = "let this user write there"
_RESERVE_BYTES = 64 * 1024 * 1024  # bytes to leave free: the database has to grow by what the file holds
_MEASURE_BYTES = 16 * 1024 * 1024  # between two looks at the room that is left
_LARGEST_SURPLUS_BYTES = 4 * 1024**3  # beyond what the server announces: some files have no end


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file on our disk; ``path`` is its SHA-256 (in hexadecimal, as ``sha256``) in the folder given.

    ``told`` is what the server said of it just before it was opened. ``changed``: the file was another one afterwards,
    or reading it ended by a refusal, so that what came may not be whole even if it looks so.
    """

    path: Path
    size: int
    sha256: str
    told: RemoteFile | None = None
    changed: bool = False


class Landing:
    """One file on its way in. Raises SftpFailed from every method but :meth:`abandon`.

    ``disk_full`` and ``local`` are about us, ``too_large`` is about the file.
    """

    def __init__(self, folder: Path, size: int) -> None:
        """``size`` is what the server announces (-1: nothing): room for it is looked for before the file is opened
        there."""
        self._folder = folder
        self._hash = hashlib.sha256()
        self._most = max(size, 0) + _LARGEST_SURPLUS_BYTES
        self._measured = 0
        self.size = 0
        try:
            folder.mkdir(mode=0o770, parents=True, exist_ok=True)
            self._look_for_room(max(size, 0))
            self._file = DurableFile(folder / f"{secrets.token_hex(16)}{_PARTIAL}")
        except OSError as error:
            self._fail(error)

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)
        try:
            if self.size > self._most:
                raise SftpFailed("too_large", "the file is far larger than the server says", "ask its side what it is")
            if self.size - self._measured > _MEASURE_BYTES:
                self._measured = self.size
                self._look_for_room(0)
            self._file.write(data)
        except OSError as error:
            self._fail(error)

    def _look_for_room(self, count: int) -> None:
        if shutil.disk_usage(self._folder).free < count + _RESERVE_BYTES:
            raise OSError(errno.ENOSPC, "")

    def finish(self) -> Fetched:
        """Make it durable under its own name; one that is there already has the same content."""
        digest = self._hash.hexdigest()
        path = self._folder / digest
        try:
            self._file.finish(path)
        except OSError as error:
            self._fail(error)
        return Fetched(path, self.size, digest)

    def abandon(self) -> None:
        """Delete what was written."""
        self._file.abandon()

    def _fail(self, error: OSError) -> NoReturn:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise SftpFailed("disk_full", f"no room in {self._folder}", "make room; the file is fetched then") from None
        reason = (error.strerror or type(error).__name__).lower()
        raise SftpFailed("local", f"{self._folder} cannot be written ({reason})", cure(self._folder) or _HINT) from None


def make_whole(path: Path) -> Path:
    """Give a file with a temporary name its own name, on the disk. Raises SftpFailed."""
    try:
        with path.open("rb") as file:
            final = path.with_name(hashlib.file_digest(file, "sha256").hexdigest())
            os.fsync(file.fileno())
        path.rename(final)
        sync_folder(path.parent)
    except OSError as error:
        raise SftpFailed("local", f"{path.parent} cannot be written ({error.strerror})", cure(path) or _HINT) from None
    return final


def with_temporary_names(folder: Path) -> list[Path]:
    """What a crash left under a temporary name, whole or not. Only while nothing is fetched into the folder."""
    return sorted(path for path in folder.glob(f"*{_PARTIAL}") if path.is_file()) if folder.is_dir() else []
