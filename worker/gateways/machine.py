"""What the machine says of a process and of a disk."""

import contextlib
import ctypes
import os
import resource
from pathlib import Path
from typing import NamedTuple

from worker.files import is_read_only


class Disk(NamedTuple):
    """The file system that a folder lies on. ``free_bytes``: what this user may still write."""

    free_bytes: int
    read_only: bool


def disk_of(folder: Path) -> Disk | None:
    """``None``: it cannot be examined."""
    try:
        found = os.statvfs(folder)
        return Disk(found.f_bavail * found.f_frsize, is_read_only(folder))
    except OSError:
        return None


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
