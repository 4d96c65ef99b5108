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

_PARTIAL = ".part"
_HINT = "let this user write there"
_RESERVE_BYTES = 64 * 1024 * 1024  # bytes to leave free: the database has to grow by what the file holds


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole file on our disk; ``path`` is its SHA-256 (in hexadecimal, as ``sha256``) in the folder given."""

    path: Path
    size: int
    sha256: str


class Landing:
    """One file on its way in. Raises SftpFailed (``disk_full``, ``local``) from every method but :meth:`abandon`."""

    def __init__(self, folder: Path, size: int) -> None:
        """``size`` is what the server announces: room for it is looked for before the file is opened there."""
        self._folder = folder
        self._hash = hashlib.sha256()
        self.size = 0
        try:
            folder.mkdir(mode=0o770, parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < size + _RESERVE_BYTES:
                raise OSError(errno.ENOSPC, "")
            self._file = DurableFile(folder / f"{secrets.token_hex(16)}{_PARTIAL}")
        except OSError as error:
            self._fail(error)

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)
        try:
            self._file.write(data)
        except OSError as error:
            self._fail(error)

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
        raise SftpFailed("local", f"{self._folder} cannot be written ({reason})", _HINT) from None


def make_whole(path: Path) -> Path:
    """Give a file with a temporary name its own name, on the disk. Raises SftpFailed."""
    try:
        with path.open("rb") as file:
            final = path.with_name(hashlib.file_digest(file, "sha256").hexdigest())
            os.fsync(file.fileno())
        path.rename(final)
        sync_folder(path.parent)
    except OSError as error:
        raise SftpFailed("local", f"{path.parent} cannot be written ({error.strerror})", _HINT) from None
    return final


def with_temporary_names(folder: Path) -> list[Path]:
    """What a crash left under a temporary name, whole or not. Only while nothing is fetched into the folder."""
    return sorted(path for path in folder.glob(f"*{_PARTIAL}") if path.is_file()) if folder.is_dir() else []
