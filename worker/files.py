"""Files that survive power loss, and locks on files. A failure raises OSError; the caller says what it means.

Files are made for their user and group, and the umask of the process takes the group away where the folder is not
shared (cli/opening.py). No mode is changed afterwards: that would clear an inherited setgid bit, and the unit forbids
it.

The configuration, the store and the gateways use this module, and may not import each other.
"""

import contextlib
import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import BinaryIO

_WORD_LETTERS = 16
_NULL_DEVICE = os.makedev(1, 3)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file (or /dev/null) to read it. Any other is an OSError: a pipe would wait for its writer."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        found = os.fstat(fd)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        null = stat.S_ISCHR(found.st_mode) and found.st_rdev == _NULL_DEVICE
        if not stat.S_ISREG(found.st_mode) and not null:
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.fdopen(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def is_read_only(folder: Path) -> bool:
    """Whether the file system of ``folder`` is read-only. Raises OSError where the folder cannot be examined.

    It may be mounted so, or be so since an error, which the flags of a mount need not show (ext4's ``emergency_ro``).
    The latter is found by opening a file without a name: it leaves nothing behind.
    """
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return True
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS  # anything else: this user may not write here, or there are no such files
    return False


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on the disk: without that, a new file may be gone after a power loss, with its content."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class DurableFile:
    """A file that is written under a temporary name, and gets its own name once it is whole and on the disk."""

    def __init__(self, temporary: Path) -> None:
        """``temporary`` must not exist yet."""
        self._temporary = temporary
        self._fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def finish(self, name: Path) -> None:
        """Put it on the disk under ``name``, in the same folder; a file of that name is replaced."""
        os.fsync(self._fd)
        self._close()
        self._temporary.rename(name)
        sync_folder(name.parent)

    def abandon(self) -> None:
        """Close and delete the temporary file. Never raises."""
        self._close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with contextlib.suppress(OSError):
                os.close(fd)


class FileLock:
    """An exclusive lock, held from construction to :meth:`release`. The kernel releases it when the process ends."""

    def __init__(self, path: Path, *, wait: bool) -> None:
        """Make the file if need be. Without ``wait``, BlockingIOError says that another has the lock."""
        self._fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(self._fd)
            raise

    def word(self) -> str:
        """A random word that stands in the file: the first who asks makes it, and it stays while the file is there."""
        said = os.pread(self._fd, _WORD_LETTERS, 0)
        if len(said) != _WORD_LETTERS:
            said = os.urandom(_WORD_LETTERS // 2).hex().encode()
            os.pwrite(self._fd, said, 0)
        return said.decode("ascii", "replace")

    def touch(self) -> None:
        """Set the time of the file to now. Never raises."""
        with contextlib.suppress(OSError):
            os.utime(self._fd)

    def release(self) -> None:
        os.close(self._fd)
