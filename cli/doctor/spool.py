"""The spool: is the folder there, with the owners and modes that let others leave files and not read them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.finding import Finding, fail, good, warn
from worker.core.problems import counted
from worker.gateways.spool.folder import PRIVATE
from worker.gateways.spool.leaving import LANE
from worker.ownership import obstacle, user_name

_MAKE = "as root: systemd-tmpfiles --create cdpoll.conf; or start the daemon, which makes what is missing"
_STICKY = stat.S_ISVTX | stat.S_ISGID
_GROUP = stat.S_IWGRP | stat.S_IXGRP


def spool(path: Path) -> Iterator[Finding]:
    """What is there of the folder at ``path``."""
    inbox = path / "in"
    if not os.access(path, os.X_OK):
        shut = obstacle(inbox / "any", write=True)
        said, cure = (f"{path} is not there", _MAKE) if shut is None else (shut.words, shut.cure)
        yield fail("spool", said, cure)
        return
    wrong = [*_above(path), *_private(path)]
    if not inbox.is_dir():
        wrong.append(fail("spool", f"{inbox} is not there", _MAKE))
    else:
        wrong += _inbox(inbox)
    devices = {found.st_dev for name in ("in", *PRIVATE) if (found := _stat(path / name)) is not None}
    if len(devices) > 1:
        wrong.append(fail("spool", f"{path} has folders on several file systems", "mount one file system there"))
    yield from wrong or [good("spool", f"{inbox} takes files of the group {_group(inbox)}")]


def unused_spool(path: Path) -> Iterator[Finding]:
    """Without ``[spool]``: whether files are left at ``path`` all the same, which stay there."""
    try:
        left = sum(one.name != LANE for one in (path / "in").iterdir())
    except OSError:
        return
    if left:
        said = f"{counted(left, 'file')} in {path / 'in'}, and nothing takes files there: [spool] is not configured"
        yield warn("spool", said, "write the line [spool] into the configuration, and reload the daemon")


def _above(path: Path) -> Iterator[Finding]:
    """Who may replace a folder above can put a spool of their own there."""
    for folder in path.parents:
        found = _stat(folder)
        if found is not None and found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
            said = f"every user may replace what lies in {folder} ({_shown(found)}), the spool too"
            yield fail("spool", said, f"chmod o-w {folder}, or set another [spool] path")


def _private(path: Path) -> Iterator[Finding]:
    for name in PRIVATE:
        found = _stat(path / name)
        if found is not None and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            said = f"others may enter {path / name} ({_shown(found)}), where patient data may lie"
            yield fail("spool", said, f"chmod 0700 {path / name}")


def _inbox(inbox: Path) -> Iterator[Finding]:
    found = inbox.stat()
    if found.st_uid != os.geteuid():
        said = f"{inbox} belongs to {user_name(found.st_uid)}, so `cdpoll record` leaves nothing there"
        yield fail("spool", said, f"chown {user_name(os.geteuid())} {inbox}")
        return
    if found.st_mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IXOTH):
        yield fail("spool", f"every user of this machine may use {inbox} ({_shown(found)})", f"chmod o-rwx {inbox}")
    elif not found.st_mode & _GROUP:
        said = f"only {user_name(found.st_uid)} may leave files in {inbox} ({_shown(found)})"
        yield warn(
            "spool", said, f"chgrp cdpoll-spool {inbox} && chmod 3730 {inbox}, and let its users join that group"
        )
    elif found.st_mode & _STICKY != _STICKY or found.st_mode & stat.S_IRGRP:
        said = f"members of the group may list {inbox}, or take files of each other ({_shown(found)})"
        yield fail("spool", said, f"chmod 3730 {inbox}")
    if found.st_mode & _GROUP and found.st_gid not in (os.getegid(), *os.getgroups()):
        user = user_name(os.geteuid())
        said = f"{user} is no member of the group {_group(inbox)}, and may not read what its members leave"
        yield fail("spool", said, f"usermod -aG {_group(inbox)} {user}, and restart the daemon")


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _shown(found: os.stat_result) -> str:
    return f"{user_name(found.st_uid)}, mode {stat.S_IMODE(found.st_mode):04o}"


def _group(path: Path) -> str:
    try:
        return path.group()
    except KeyError:
        return f"gid {path.stat().st_gid}"
