"""What keeps this user from a path, be it an owner and a mode or a file system that takes no writes, and what to do:
for the hint of an error."""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from worker.files import is_read_only

_NAMELESS_USER = "uid "


class Obstacle(NamedTuple):
    """A file or folder that this user may not use, why in words (its owner and mode), and what lets him use it.

    ``sure``: the cure is known. Else it is a guess: nothing that can be seen says who may use it.
    """

    path: Path
    words: str
    cure: str
    sure: bool


def obstacle(path: Path, *, write: bool) -> Obstacle | None:
    """What keeps this user from reading ``path``, as far as he can see it; ``None``: nothing that he can see.

    With ``write``, it is to be written, and files are to be made beside it.
    """
    path = path.absolute()
    if write and (shut := read_only(path.parent)) is not None:
        return shut  # on such a file system no user has access to write, whatever the modes say
    for part in (*reversed(path.parents), path):
        needed = os.X_OK
        if part == path:
            needed = os.R_OK | (os.W_OK if write else 0) | (os.X_OK if part.is_dir() else 0)
        elif part == path.parent and write:
            # Who cannot enter the folder cannot see whether anything is to be made in it.
            needed |= os.W_OK if os.access(part, os.X_OK, effective_ids=True) else 0
        try:
            found = part.stat()
        except OSError:
            return None
        if part != path and not stat.S_ISDIR(found.st_mode):
            return None
        if not os.access(part, needed, effective_ids=True):
            whose = f"{user_name(found.st_uid)}:{_group(found.st_gid)} with mode {stat.S_IMODE(found.st_mode):04o}"
            words = f"{part} belongs to {whose}, and this process runs as {user_name(os.geteuid())}"
            join = by_group(found, needed)
            return Obstacle(part, words, join or "let this user read it", sure=join is not None)
    return None


def read_only(folder: Path) -> Obstacle | None:
    """Where the file system of a folder takes no writes: which one it is."""
    try:
        if not is_read_only(folder):
            return None
        folder = folder.resolve()
    except OSError:
        return None
    mount = next(part for part in (folder, *folder.parents) if part.is_mount())
    cure = (
        "look into the kernel's log (dmesg) for an error of the disk, mend it (fsck), and mount it writable "
        f"(mount -o remount,rw {mount})"
    )
    return Obstacle(mount, f"the file system at {mount} is read-only", cure, sure=True)


def by_group(found: os.stat_result, needed: int) -> str | None:
    """How this user becomes one of the group that may use it; ``None`` where there is no group to join."""
    group, user = _group(found.st_gid), user_name(os.geteuid())
    # Where the kernel maps users (PrivateUsers=), all others are shown as nobody. The group of root is for root.
    shut = found.st_mode >> 3 & needed != needed or found.st_gid == 0 or group in ("nobody", "nogroup")
    if shut or found.st_gid in (os.getegid(), *os.getgroups()):
        return None
    if user in _members(found.st_gid):
        return f"log in again: {user} has joined the group {group} since this session began"
    join = f"join the group {group}"
    if not user.startswith(_NAMELESS_USER):
        join += f" (as root: usermod -aG {group} {user}; then log in again)"
    owner = user_name(found.st_uid)
    return join + (f", or run this with sudo -u {owner}" if found.st_uid != 0 else "")


def cure(path: Path) -> str | None:
    """A hint for a file of cdpoll's own that this user cannot write: what is in the way, and what puts it right.

    ``None``: nothing that can be seen is in the way.
    """
    found = in_the_way(path)
    return None if found is None else f"{found.words}; {found.cure}"


def in_the_way(path: Path) -> Obstacle | None:
    """What keeps this user from writing a file of cdpoll's own, with the cure for such a file."""
    found = obstacle(path, write=True)
    if found is None or found.sure:
        return found
    part = found.path
    if part == path.absolute():
        return found._replace(cure=f"as root: chown --reference={part.parent} {part} && chmod ug+rwX {part}")
    if part.stat().st_uid == os.geteuid():
        return found._replace(cure=f"as root: chmod ug+rwX {part}")
    return found._replace(cure="run this as its owner or as a member of its group")


# Both modules belong to Python, but a user may not be allowed to read where that is installed.


def user_name(uid: int) -> str:
    """The name of a user, or its number in words."""
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (KeyError, ImportError):
        return f"{_NAMELESS_USER}{uid}"


def _group(gid: int) -> str:
    try:
        import grp

        return grp.getgrgid(gid).gr_name
    except (KeyError, ImportError):
        return f"gid {gid}"


def _members(gid: int) -> list[str]:
    try:
        import grp

        return grp.getgrgid(gid).gr_mem
    except (KeyError, ImportError):
        return []
