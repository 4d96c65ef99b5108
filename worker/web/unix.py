"""A Unix socket to listen on, which the group of this process may use."""

import errno
import os
import socket
import stat
from pathlib import Path

from worker.core.errors import TryLater


def unix_listener(path: Path, key: str, backlog: int) -> socket.socket:
    """One that listens. A file that a killed process has left there is replaced. ``key`` says in messages what the path
    is. Raises TryLater where another process listens there, or it cannot be made."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path, key)
        before = os.umask(0o117)  # reading and writing is left to user and group
        try:
            made.bind(str(path))
        finally:
            os.umask(before)
        made.listen(backlog)
    except OSError as error:
        made.close()
        why = (error.strerror or str(error)).lower()
        raise TryLater(
            f"{key}: {path}: {why}", "its folder has to be there, and this user has to be able to write it"
        ) from None
    except TryLater:
        made.close()
        raise
    return made


def _clear(path: Path, key: str) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise TryLater(f"{key}: {path} is there, and is no socket", "write another path, or move that file away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.setblocking(False)
        tried = asked.connect_ex(str(path))
    if tried == errno.ECONNREFUSED:
        path.unlink()
    else:
        raise TryLater(f"{key}: another process listens on {path}", "does another `cdpoll serve local` run?")
