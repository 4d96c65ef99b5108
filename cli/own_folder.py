"""A folder for what the demo and the sandbox write: this user's own, also where others have put things in its way."""

import contextlib
import os
import stat
from pathlib import Path

from worker.core.errors import StorageFailed

_HINT = "name another folder with --dir"


def make_own_folder(path: Path, *, new: bool = False) -> None:
    """Make the folder; with ``new`` it must not be there already.

    Raises StorageFailed where the way leads over a link or into a folder of another user (root's may be used), and
    where all may write and replace what is there (not /tmp, whose sticky bit forbids that).
    """
    os.close(_opened(path, new=new))


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read, into a folder as :func:`make_own_folder` makes it.

    A file of that name is replaced, and no link is followed. Raises StorageFailed.
    """
    folder = _opened(path.parent, new=False)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path.name, dir_fd=folder)
        fd = os.open(path.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StorageFailed(f"{path}: {error.strerror}", _HINT) from error
    finally:
        os.close(folder)


def _opened(path: Path, *, new: bool) -> int:
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
