"""What the machine says of a process and of a disk."""

import os
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
    return Disk(found.f_bavail * found.f_frsize, bool(found.f_flag & os.ST_RDONLY))


def process_exists(pid: int) -> bool:
    """Whether there is a process of this number, of any user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
