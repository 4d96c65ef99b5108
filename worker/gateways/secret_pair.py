"""The files of a secret that is handed out and changed: the present one and, while it is changed, the one before.

Each is written under another name first, and gets its own when it is on the disk. So a kill, or a power loss, leaves
the files as they were or as they are to be; in between, both hold the present secret, and nothing of it is lost.
"""

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from worker.files import open_regular, sync_folder

SECRET_BYTES = 32

# As much as is read of a secret anywhere.
_LARGEST_BYTES = 8192


class Rights(NamedTuple):
    """Whose a file is, and whether its group may read it."""

    uid: int
    gid: int
    mode: int = 0o600


class Busy(Exception):
    """There is a secret already, where none may be replaced."""


class Nothing(Exception):
    """There is no secret that could be changed or removed."""


class SecretPair:
    """``owner`` is whose the first file becomes; the later ones have the rights of that which they replace. A failure
    of the disk is an OSError."""

    def __init__(self, present: Path, before: Path, owner: Rights) -> None:
        self.present = Path(os.path.realpath(present))
        self.before = Path(os.path.realpath(before))
        self._owner = owner

    def make(self) -> str:
        """The first secret. Raises :class:`Busy` where there is one."""
        with self._locked():
            if _read(self.present) is not None:
                raise Busy
            return self._put_new()

    def rotate(self) -> str:
        """A new secret; the present one becomes the one before.

        Raises :class:`Nothing` without a present one, and :class:`Busy` while another one stands before it.
        """
        with self._locked():
            present, before = _read(self.present), _read(self.before)
            if present is None:
                raise Nothing
            if before not in (None, present):
                raise Busy
            _put(self.before, present, self._rights())
            return self._put_new()

    def retire(self) -> None:
        """Remove the one before. Raises :class:`Nothing` where there is none."""
        with self._locked():
            if _read(self.before) is None:
                raise Nothing
            self.before.unlink()
            sync_folder(self.before.parent)

    def held(self) -> str | None:
        """The present secret."""
        return _read(self.present)

    def is_rotating(self) -> bool:
        """Whether there is one before it."""
        return _read(self.before) is not None

    def _put_new(self) -> str:
        new = secrets.token_hex(SECRET_BYTES)
        _put(self.present, new, self._rights())
        return new

    def _rights(self) -> Rights:
        try:
            found = self.present.stat()
        except FileNotFoundError:
            return self._owner
        return Rights(found.st_uid, found.st_gid, 0o600 | found.st_mode & stat.S_IRGRP)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone among those that change a secret in this folder."""
        fd = os.open(self.present.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _read(path: Path) -> str | None:
    """``None``: the file is not there, or is empty."""
    try:
        with open_regular(path) as file:
            return file.read(_LARGEST_BYTES).decode("latin-1").strip() or None
    except FileNotFoundError:
        return None


def _put(path: Path, secret: str, rights: Rights) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)  # of one that was killed
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.geteuid() == 0:
            os.fchown(fd, rights.uid, rights.gid)
        os.fchmod(fd, rights.mode)
        os.write(fd, f"{secret}\n".encode("latin-1"))
        os.fsync(fd)
    except BaseException:
        temporary.unlink()
        raise
    finally:
        os.close(fd)
    temporary.rename(path)
    sync_folder(path.parent)
