"""The daemon's beat as a file beside the database, so that `status` is right within a second.

The row in the database is written every 15 s only, for each write of it waits for the disk. This file does not: it is
written aside and renamed, and never synchronised. It is a hint. Where it is missing, cut or older than the row, the row
counts, and where it cannot be written, the daemon goes on without it. A daemon that cannot write the database says so
here.
"""

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from worker.files import open_regular
from worker.store.db.store import Store

_LARGEST_BYTES = 8192
_LONGEST_TEXT_LETTERS = 400
_LATEST_MS = 253_402_300_800_000  # the year 10000

_NUMBERS = ("pid", "started_at", "at", "pass")


class Unwritable(NamedTuple):
    """Since when (ms) the daemon cannot write the database, what it met, and what to do."""

    since: int
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Beat:
    """What the daemon last said of itself: at ``beat_at`` it finished a pass, or rested after one. Instants are ms.

    ``passes``: since it was started; 0 where only the row tells of it, which does not count them.
    """

    pid: int
    version: str
    started_at: int
    beat_at: int
    stopped_at: int | None
    token_expires_at: int | None
    passes: int = 0
    unwritable: Unwritable | None = None

    # Passes come at least once a minute. After a gap that is longer by half no daemon works, even if its pid exists.
    STALE_MS = 90_000

    def alive(self, now: int, exists: bool) -> bool:
        """Whether passes are being made; ``exists``: whether there is a process of this pid."""
        return exists and self.stopped_at is None and now - self.beat_at < self.STALE_MS


def path_of(store: Store) -> Path:
    """Beside the file itself, wherever a link to it lies."""
    return store.file.with_name(f"{store.file.name}.beat")


def write(store: Store, beat: Beat) -> None:
    """Replace the file. Never raises: a disk that is full or read-only does not disturb the daemon."""
    path = path_of(store)
    aside = path.with_name(f"{path.name}.new")
    told: dict[str, Any] = {
        "pid": beat.pid,
        "version": beat.version,
        "started_at": beat.started_at,
        "at": beat.beat_at,
        "pass": beat.passes,
        "token_expires_at": beat.token_expires_at,
    }
    if beat.unwritable is not None:
        since, message, hint = beat.unwritable
        said = message[:_LONGEST_TEXT_LETTERS], hint[:_LONGEST_TEXT_LETTERS]
        told["unwritable"] = {"since": since, "message": said[0], "hint": said[1]}
    with contextlib.suppress(OSError):
        # What a daemon that was killed has left there may be another user's.
        aside.unlink(missing_ok=True)
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
        try:
            os.write(fd, json.dumps(told).encode() + b"\n")
        finally:
            os.close(fd)
        aside.rename(path)


def remove(store: Store) -> None:
    """The daemon has ended. Never raises."""
    with contextlib.suppress(OSError):
        path_of(store).unlink()


def read(store: Store) -> Beat | None:
    """What the file says; ``None`` where there is none, or none that a daemon can have written."""
    try:
        with open_regular(path_of(store)) as file:
            told = json.loads(file.read(_LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    numbers: list[Any] = [told.get(key) for key in _NUMBERS]
    version, expires = told.get("version"), told.get("token_expires_at")
    if (
        not all(map(_is_number, numbers))
        or not isinstance(version, str)
        or not (expires is None or _is_number(expires))
    ):
        return None
    pid, started_at, at, passes = numbers
    return Beat(pid, version, started_at, at, None, expires, passes, _unwritable(told.get("unwritable")))


def _unwritable(told: object) -> Unwritable | None:
    if not isinstance(told, dict):
        return None
    since, message, hint = told.get("since"), told.get("message"), told.get("hint")
    if not isinstance(since, int) or not _is_number(since) or not isinstance(message, str) or not isinstance(hint, str):
        return None
    return Unwritable(since, message, hint)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < _LATEST_MS
