"""Leaves a file in the spool folder, from which the daemon takes it: it may run as another user.

Who leaves files may write and search the folder, and read nothing there. A file is written aside under a name that
begins with a dot, and renamed when it is whole and on the disk. When :func:`leave` returns, a power cut does not take
it away.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.core.errors import TryLater
from worker.core.instant import DAY_MS, iso
from worker.gateways.spool.names import stamp
from worker.ownership import by_group, user_name

# The daemon renews this file whenever it looks into the folder. Where it did not for longer, files would lie there.
LANE = ".lane"
FRESH_MS = DAY_MS

_START = "`[spool]` in the configuration makes the daemon take files there; `cdpoll status` tells whether it runs"


def check(folder: Path, now: int) -> None:
    """Raise :class:`TryLater` where no file can be left now, or no daemon takes it."""
    with _opened(folder, now):
        pass


def leave(folder: Path, data: bytes, now: int) -> None:
    """Leave a file of JSON lines; ``now`` is ms. Raises :class:`TryLater` as :func:`check` does."""
    name = f"record-{stamp(now)}-{os.getpid()}-{os.urandom(8).hex()}.jsonl"
    with _opened(folder, now) as opened:
        try:
            _write(opened, name, data)
        except OSError as error:
            raise TryLater(
                f"{folder}: no file can be left there: {error.strerror}", "what was handed in is not recorded"
            ) from error


def _write(folder: int, name: str, data: bytes) -> None:
    temporary = f".{name}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(temporary, flags, 0o640, dir_fd=folder)
    try:
        # The file has the group of the folder, of which the daemon's user is a member; the umask may have shut it out.
        os.fchmod(file, 0o640)
        view = memoryview(data)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        _sync(folder, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    finally:
        os.close(file)


def _sync(folder: int, file: int) -> None:
    """Put the entries of the folder on the disk. Who may not read a folder cannot open it for that, but may have the
    whole file system written that ``file`` is on."""
    try:
        entries = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    except PermissionError:
        import ctypes  # only here: Python itself has no syncfs(2)

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(file):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error)) from None
        return
    try:
        os.fsync(entries)
    finally:
        os.close(entries)


@contextmanager
def _opened(folder: Path, now: int) -> Iterator[int]:
    """The folder, once it was found to be one that others cannot tamper with, and that a daemon looks into."""
    try:
        # A folder that may not be read can be opened as a place.
        opened = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise TryLater(f"{folder} is not there", _START) from None
    except OSError as error:
        what = "is no folder, and a link is not followed" if isinstance(error, NotADirectoryError) else error.strerror
        raise TryLater(f"{folder}: {what}", f"set `[spool] path` to the folder above {folder.name}") from None
    try:
        found = os.fstat(opened)
        _refuse_what_others_change(folder, found)
        _refuse_without_lane(folder, opened, found, now)
        yield opened
    finally:
        os.close(opened)


def _refuse_what_others_change(folder: Path, found: os.stat_result) -> None:
    above = folder.parent.stat()
    if above.st_uid not in (0, found.st_uid) or _open_to_others(above):
        cure = f"as root: chown --reference={folder} {folder.parent} && chmod 0755 {folder.parent}"
        raise TryLater(f"{folder.parent}, with the spool in it, can be changed by other users", cure)
    if _open_to_others(found) or (found.st_mode & 0o022 and found.st_mode & 0o044):
        shown = f"{stat.S_IMODE(found.st_mode):04o}"
        raise TryLater(
            f"{folder} has mode {shown}: those who leave files could read or replace those of others",
            f"as root: chmod 3730 {folder}",
        )


def _open_to_others(found: os.stat_result) -> bool:
    return bool(found.st_mode & 0o022) and not found.st_mode & stat.S_ISVTX


def _refuse_without_lane(folder: Path, opened: int, found: os.stat_result, now: int) -> None:
    try:
        lane = os.stat(LANE, dir_fd=opened, follow_symlinks=False)
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=opened, effective_ids=True):
            raise PermissionError
    except FileNotFoundError:
        raise TryLater(f"no daemon takes files from {folder}", _START) from None
    except PermissionError:
        user = user_name(os.geteuid())
        cure = by_group(found, os.W_OK | os.X_OK) or "run this as the user or a member of the group of that folder"
        raise TryLater(f"{user} may leave no files in {folder}", cure) from None
    if not stat.S_ISREG(lane.st_mode) or lane.st_uid != found.st_uid or lane.st_mode & 0o022:
        raise TryLater(
            f"{folder} does not belong to the user whose daemon takes files from it",
            f"as root: chown that folder to the user of the daemon, remove {folder / LANE}, and restart the daemon",
        )
    seen = lane.st_mtime_ns // 1_000_000
    if abs(now - seen) > FRESH_MS:
        raise TryLater(f"no daemon has taken files from {folder} since {iso(seen - seen % 1000)}", _START)
    if os.geteuid() != found.st_uid and not found.st_mode & stat.S_ISGID:
        raise TryLater(
            f"{folder} does not hand its group on, so the daemon could not read what is left there",
            f"as root: chmod 3730 {folder}",
        )
