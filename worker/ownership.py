"""Which file or folder keeps this user from a path, whose it is, and what to do: for the hint of an error."""

import os
import stat
from pathlib import Path
from typing import NamedTuple


class Obstacle(NamedTuple):
    """A file or folder that this user may not use, and its owner and mode in words."""

    path: Path
    words: str


def obstacle(path: Path, *, write: bool) -> Obstacle | None:
    """What keeps this user from reading ``path``, as far as he can see it; ``None``: nothing that he can see.

    With ``write``, it is to be written, and files are to be made beside it.
    """
    path = path.absolute()
    for part in (*reversed(path.parents), path):
        needed = os.X_OK
        if part == path:
            needed = os.R_OK | (os.W_OK if write else 0) | (os.X_OK if part.is_dir() else 0)
        elif part == path.parent and write:
            needed |= os.W_OK
        try:
            found = part.stat()
        except OSError:
            return None
        if part != path and not stat.S_ISDIR(found.st_mode):
            return None
        if not os.access(part, needed, effective_ids=True):
            whose = f"{_user(found.st_uid)}:{_group(found.st_gid)} with mode {stat.S_IMODE(found.st_mode):04o}"
            return Obstacle(part, f"{part} belongs to {whose}, and this process runs as {_user(os.geteuid())}")
    return None


def cure(path: Path) -> str | None:
    """A hint for a file of cdpoll's own that this user cannot write: what is in the way, and what puts it right.

    ``None``: nothing that can be seen is in the way.
    """
    found = obstacle(path, write=True)
    if found is None:
        return None
    part, words = found
    if part != path.absolute():
        return f"{words}; run this as its owner or as a member of its group"
    return f"{words}; as root: chown --reference={part.parent} {part} && chmod ug+rwX {part}"


# Both modules belong to Python, but a user may not be allowed to read where that is installed.


def _user(uid: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (KeyError, ImportError):
        return f"uid {uid}"


def _group(gid: int) -> str:
    try:
        import grp

        return grp.getgrgid(gid).gr_name
    except (KeyError, ImportError):
        return f"gid {gid}"
