"""The folder of the spool on the disk: what lies there, and where it goes.

::

    PATH/in      where others leave files; they can neither list it, nor read, swap or delete what another has left
    PATH/taken   what is being read. From the move on no one else can give the name another file
    PATH/done    what was taken, under its name behind the instant
    PATH/bad     what was not; beside each NAME stands NAME.why, one line: the reason, and what to do

All but ``in`` are private. Moves are renames within one file system, and replace nothing: only the process that has the
lock of the folder writes into the private ones.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO, NamedTuple

from worker.core.errors import TryLater
from worker.files import is_read_only, sync_folder
from worker.gateways.spool import names
from worker.gateways.spool.leaving import LANE
from worker.ownership import obstacle, user_name

LANE_TEXT = b"cdpoll spool 1\n"
PRIVATE = ("taken", "done", "bad")
_MOST_NAMES = 10_000
# What the kernel tells of each user and group that a namespace does not know (/proc/sys/kernel/overflowuid).
_OVERFLOW_ID = 65534


class SpoolUnusable(Exception):
    """The folder cannot be used: what is wrong, and what to do."""

    def __init__(self, words: str, cure: str) -> None:
        super().__init__(words)
        self.words, self.cure = words, cure


class Refused(Exception):
    """This one file cannot be read: why, and what to do. Neither holds its name."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(reason)
        self.reason, self.cure = reason, cure


class SpoolEntry(NamedTuple):
    """One name in a folder, as lstat(2) has it; what is no UTF-8 in it is escaped as Python does (PEP 383). A file that
    is changed has another ``state``."""

    name: str
    mode: int
    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    links: int

    @property
    def state(self) -> tuple[int, ...]:
        return (self.inode, self.size, self.modified_ns, self.changed_ns, self.links)

    @property
    def regular(self) -> bool:
        return stat.S_ISREG(self.mode)


class SpoolFolder:
    """The folder at ``path``. It is locked from the first :meth:`open` to :meth:`close`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def open(self) -> None:
        """See that all is in place; folders that are missing are made, for this user alone.

        Raises SpoolUnusable, and TryLater while another process has the lock.
        """
        try:
            self.path.mkdir(mode=0o755, exist_ok=True)
            for name in ("in", *PRIVATE):
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
            self._look_at_each()
            if self._lock is None:
                self._lock = _locked(self.path / "taken")
        except OSError as error:
            raise self._unusable(error) from None

    def _look_at_each(self) -> None:
        devices = set()
        for name in ("in", *PRIVATE):
            folder = self.path / name
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode):
                raise SpoolUnusable(f"{folder} is no folder", "move it away; it is made anew")
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True) or is_read_only(folder):
                raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
            devices.add(found.st_dev)
        if len(devices) > 1:
            said = f"the folders in {self.path} are on several file systems: no file can be renamed from one to another"
            raise SpoolUnusable(said, "mount one file system there")

    def _unusable(self, error: OSError) -> SpoolUnusable:
        if error.errno == errno.EXDEV:
            said = f"the folders in {self.path} are mounted apart, so files cannot be renamed from one to another"
            return SpoolUnusable(said, f"name {self.path} alone in ReadWritePaths=")
        for name in ("in", *PRIVATE):
            shut = obstacle(self.path / name / "any", write=True)
            if shut is not None:
                cure = shut.cure if shut.sure else f"as root: chown {user_name(os.geteuid())} {shut.path}"
                return SpoolUnusable(shut.words, cure)
        said = f"{self.path} cannot be used: {_reason(error)}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return SpoolUnusable(said, "make room on that disk")
        return SpoolUnusable(said, f"make it for {user_name(os.geteuid())}, as systemd/tmpfiles.d has it")

    def close(self) -> None:
        """Give up the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def listed(self, folder: str) -> list[SpoolEntry]:
        """What lies in one of the folders, but for the file of the lane. Raises SpoolUnusable."""
        try:
            found = [_looked_at(path) for path in (self.path / folder).iterdir() if path.name != LANE]
        except OSError as error:
            raise self._unusable(error) from None
        return [one for one in found if one is not None]

    def take(self, left: SpoolEntry) -> SpoolEntry | None:
        """Move what was left into the private folder; ``None``: it is not there any more.

        Raises Refused for a folder of another user, which cannot be moved, and SpoolUnusable.
        """
        name = self._free(self.path / "taken", names.safe(left.name))
        try:
            (self.path / "in" / left.name).rename(self.path / "taken" / name)
        except FileNotFoundError:
            return None
        except OSError as error:
            if stat.S_ISDIR(left.mode):
                raise Refused(
                    "it is a folder, and cannot be moved away", "remove it; leave files, not folders"
                ) from None
            raise self._unusable(error) from None
        return self.one("taken", name)

    def one(self, folder: str, name: str) -> SpoolEntry | None:
        """One of the files of a folder, as it is now."""
        return _looked_at(self.path / folder / name)

    def read(self, name: str) -> BinaryIO:
        """Open a file that was taken. Raises Refused for what is no regular file, has two names, or may not be read."""
        path = self.path / "taken" / name
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"it is {_kind(found.st_mode)}, not a file", "leave a copy of what is meant, as a file")
        if found.st_nlink > 1:
            raise Refused("it has a second name elsewhere (a hard link)", "leave a copy, and no link")
        try:
            # A lease of its owner must not keep us waiting.
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except PermissionError:
            raise Refused(self._unreadable(found), "as root: " + self._cure(found)) from None
        except OSError as error:
            cure = f"mend that, and move it into {self.path}/in"
            raise Refused(f"it cannot be opened: {_reason(error)}", cure) from None
        return os.fdopen(fd, "rb")

    def _unreadable(self, found: os.stat_result) -> str:
        mode = stat.S_IMODE(found.st_mode)
        whose = f"mode {mode:04o}"
        if _OVERFLOW_ID not in (found.st_uid, found.st_gid):
            whose = f"{user_name(found.st_uid)}, gid {found.st_gid}, {whose}"
        return f"{user_name(os.geteuid())} may not read it ({whose})"

    def _cure(self, found: os.stat_result) -> str:
        # Behind PrivateUsers= all foreign groups look alike, so the right one is taken from the folder, and never seen.
        known = found.st_gid != _OVERFLOW_ID and found.st_gid == self.path.joinpath("in").stat().st_gid
        give = "" if known else f"chgrp --reference={self.path}/in and "
        return f"{give}chmod g+r it, and move it into {self.path}/in; at the writer: umask 027"

    def finish(self, name: str, now: int) -> str:
        """A file is recorded: move it to those that are done; its name there."""
        return self._move(self.path / "taken" / name, self.path / "done", names.stamped(name, now))

    def put_aside(self, name: str, why: Refused) -> None:
        """Move a file that was taken to the bad ones, and say why beside it."""
        final = self._free(self.path / "bad", name)
        self._say_why(final, why)
        try:
            (self.path / "taken" / name).rename(self.path / "bad" / final)
            # It is younger than the file: one that is written to later shows it.
            os.utime(self.path / "bad" / (final + names.WHY))
        except OSError as error:
            raise self._unusable(error) from None

    def say_why_it_stays(self, left: SpoolEntry, why: Refused) -> str:
        """The same of what cannot be moved; the name under which it is told. It is told once."""
        name = names.safe(left.name)
        if not os.path.lexists(self.path / "bad" / (name + names.WHY)):
            self._say_why(name, why)
        return name

    def _say_why(self, name: str, why: Refused) -> None:
        path = self.path / "bad" / (name + names.WHY)
        try:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(f"{why.reason}; {why.cure}\n".encode("utf-8", "backslashreplace"))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._unusable(error) from None

    def take_again(self, folder: str, found: SpoolEntry, plain: str) -> None:
        """Move a file back to those that are read: it was changed after it had been moved to ``folder``."""
        source = self.path / folder / found.name
        self._move(source, self.path / "taken", plain)
        if folder == "bad":
            source.with_name(source.name + names.WHY).unlink(missing_ok=True)

    def remove(self, folder: str, name: str) -> None:
        """Remove a file of one of the private folders. Raises SpoolUnusable."""
        try:
            (self.path / folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise self._unusable(error) from None

    def renew_lane(self) -> None:
        """Say that the folder is looked at, to those who leave files. What others have put in its place goes."""
        path = self.path / "in" / LANE
        try:
            found = path.lstat() if os.path.lexists(path) else None
            ours = found is not None and stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
            if ours and found is not None and found.st_nlink == 1 and found.st_size == len(LANE_TEXT):
                os.utime(path)
                return
            if found is not None and stat.S_ISDIR(found.st_mode):
                path.rename(path.with_name(f"lane-{secrets.token_hex(4)}"))
            elif found is not None:
                path.unlink()
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            with os.fdopen(fd, "wb") as file:
                os.fchmod(fd, 0o644)
                file.write(LANE_TEXT)
        except OSError as error:
            raise self._unusable(error) from None

    def sync(self) -> None:
        """Put the moves on the disk."""
        try:
            for name in PRIVATE:
                sync_folder(self.path / name)
        except OSError as error:
            raise self._unusable(error) from None

    def _move(self, source: Path, folder: Path, name: str) -> str:
        free = self._free(folder, name)
        try:
            source.rename(folder / free)
        except OSError as error:
            raise self._unusable(error) from None
        return free

    def _free(self, folder: Path, name: str) -> str:
        """The name, or one like it that no file of the folder has."""
        for number in range(1, _MOST_NAMES):
            free = names.numbered(name, number)
            if not os.path.lexists(folder / free) and not os.path.lexists(folder / (free + names.WHY)):
                return free
        return f"{secrets.token_hex(16)}-{name}"


def _looked_at(path: Path) -> SpoolEntry | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    times = found.st_mtime_ns, found.st_ctime_ns
    return SpoolEntry(path.name, found.st_mode, found.st_size, *times, found.st_ino, found.st_nlink)


def _locked(folder: Path) -> int:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise TryLater(f"another process takes files from {folder.parent}", "one daemon takes from one spool") from None
    return fd


_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def _kind(mode: int) -> str:
    return next((words for test, words in _KINDS if test(mode)), "a device")


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
