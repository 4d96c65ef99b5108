"""What the machine says of a process and of a disk."""

import contextlib
import ctypes
import errno
import os
import resource
from pathlib import Path
from typing import NamedTuple


class Disk(NamedTuple):
    """The file system that a folder lies on. ``free_bytes``: what this user may still write."""

    free_bytes: int
    read_only: bool


def disk_of(folder: Path) -> Disk | None:
    """``None``: it cannot be examined."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return Disk(found.f_bavail * found.f_frsize, bool(found.f_flag & os.ST_RDONLY) or _refuses_writes(folder))


def _refuses_writes(folder: Path) -> bool:
    """Whether the file system became read-only by an error, which the flags of a mount need not show (ext4's
    ``emergency_ro``). Found by opening a file without a name: it leaves nothing behind."""
    try:
        os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return error.errno == errno.EROFS  # anything else: this user may not write here, or there are no such files
    return False


def keep_out_of_core_files() -> None:
    """See that this process leaves no core file: it would hold patient data, and the token.

    A limit of 0 alone does not do it where the kernel hands core files to a program (a pattern that begins with ``|``).
    """
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the unit says so too, and forbids this call
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE


def process_exists(pid: int) -> bool:
    """Whether there is a process of this number, of any user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
