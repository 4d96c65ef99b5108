"""A folder for what the demo and the sandbox write: this user's own, whatever others have put in its way."""

import contextlib
import os
import stat
from pathlib import Path

from worker.core.errors import StorageFailed

_HINT = "name another folder with --dir"


def own_folder(path: Path, *, new: bool = False) -> int:
    """Make the folder (it must be ``new``, or may be there already), and open it; the caller closes the descriptor.

    Raises StorageFailed where the way leads over a link or into a folder of another user (root's may be used), and
    where all may write and replace what is there (not /tmp, whose sticky bit forbids that).
    """
    try:
        for above in path.parents:
            if above.is_symlink():
                _refuse_foreign(above, above.lstat(), "a link of")
        there = next(above for above in path.parents if above.exists())
        found = there.stat()
        _refuse_foreign(there, found, "a folder of")
        if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            raise StorageFailed(f"{there} can be written by all: nothing is written there", _HINT)
        path.mkdir(mode=0o700, parents=True, exist_ok=not new)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        what = "is a link" if path.is_symlink() else error.strerror
        raise StorageFailed(f"{error.filename or path}: {what}", _HINT) from error
    found = os.fstat(fd)
    if found.st_uid != os.geteuid() or found.st_mode & stat.S_IWOTH:
        os.close(fd)
        whose = "is another user's" if found.st_uid != os.geteuid() else "can be written by all"
        raise StorageFailed(f"{path} {whose}: nothing is written there", _HINT)
    return fd


def _refuse_foreign(path: Path, found: os.stat_result, what: str) -> None:
    if found.st_uid not in (0, os.geteuid()):
        raise StorageFailed(f"{path} is {what} another user: nothing is written there", _HINT)


def write_private(folder: int, name: str, text: str) -> None:
    """Write a file that its owner alone may read; one of that name is replaced, and no link is followed."""
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StorageFailed(f"{name}: {error.strerror}", _HINT) from error
