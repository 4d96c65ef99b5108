"""Where `cdpoll record` puts what it has read: into the database, or in its place into the spool."""

import errno
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.opening import LOOKING_TIMEOUT_S, RECORDING_TIMEOUT_S, Opened, known_store, opened_as
from worker.clock import Clock
from worker.config import ConfigurationMistakes, Tolerated, examine
from worker.config.sources import PREFIX, standard_places
from worker.config.spool_keys import DEFAULT_PATH
from worker.core.errors import CdpollError, NewerSchema, NotAllowed, TryLater
from worker.core.intake.intake import Intake
from worker.gateways.spool import leaving

_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_DENIED_BY_SQLITE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")


@dataclass(slots=True)
class WayIn:
    """Use it as a context manager. ``here`` is ``None`` where the spool is used; ``folder``: where files are left;
    ``None``: nowhere."""

    here: Opened | None
    folder: Path | None
    why: str = ""

    def __enter__(self) -> "WayIn":
        return self

    def __exit__(self, *_: object) -> None:
        if self.here is not None:
            self.here.store.close()

    def go_without(self, error: CdpollError) -> None:
        """Use the spool from here on, because of this error of the database.

        It is raised where it is no reason for that, and where there is no spool. Raises :class:`TryLater` where the
        spool cannot be used.
        """
        if self.folder is None or not _may_be_well(error):
            raise error
        denied = isinstance(error, ConfigurationMistakes)
        self.why = "this user may not read the configuration" if denied else error.message
        try:
            leaving.check(self.folder, Clock().now())
        except TryLater as refusal:
            message = f"{self.why}; and nothing can be left in the spool: {refusal.message}"
            raise TryLater(message, refusal.hint) from error
        if self.here is not None:
            self.here.store.close()
            self.here = None

    def leave(self, intake: Intake, now: int) -> None:
        """Leave it in the spool; it is on the disk when this returns. Raises :class:`TryLater`."""
        from worker.core.intake.hand_over import as_files

        assert self.folder is not None
        for lines in as_files(intake):
            leaving.leave(self.folder, lines, now)

    def note(self, what: str) -> str:
        """What the user is told of ``what`` was left in the spool."""
        return (
            f"the database cannot be opened now ({self.why}); the daemon records what is left in the spool at "
            f"{self.folder}: {what}"
        )


def way_in(obj: dict[str, Any]) -> WayIn:
    """The database, made where there never was one; or the spool, where this user may not open it, while it is locked,
    or while it is of another release."""
    found: Tolerated | None = None
    folder = None
    try:
        found = known_store(obj)
        folder = _folder(found)
        return WayIn(opened_as(found, patience_s(folder), create=True), folder)
    except CdpollError as error:
        way = WayIn(None, folder if found is not None else _folder_unread(obj["config"]))
        way.go_without(error)
        return way


def patience_s(folder: Path | None) -> float:
    """How long a lock is waited for. Where a daemon takes what is left in the spool, no one need wait long."""
    try:
        if folder is not None:
            leaving.check(folder, Clock().now())
            return LOOKING_TIMEOUT_S
    except TryLater:
        pass
    return RECORDING_TIMEOUT_S


def _folder(found: Tolerated) -> Path | None:
    if found.config.spool is not None:
        return found.config.spool.path / "in"
    return _usual_folder() if found.unread else None


def _folder_unread(config: str | None) -> Path | None:
    """The folder, where the configuration may be one that this user cannot read."""
    known = examine(config, os.environ).config
    if known is not None and known.spool is not None:
        return known.spool.path / "in"
    return _usual_folder()


def _usual_folder() -> Path | None:
    path = Path(os.environ.get(f"{PREFIX}SPOOL_PATH") or DEFAULT_PATH)
    return path / "in" if path.is_dir() else None


def _may_be_well(error: CdpollError) -> bool:
    """Whether the database may be well, and this process cannot use it: now, or by its rights or its release."""
    if isinstance(error, TryLater | NewerSchema | NotAllowed):
        return True
    if isinstance(error, ConfigurationMistakes):
        files = [mistake.place.file for mistake in error.mistakes if mistake.place.file is not None]
        return any(map(_is_denied, files or standard_places(os.environ)))
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorname", "").startswith(_DENIED_BY_SQLITE)
    return isinstance(cause, OSError) and cause.errno in _DENIED


def _is_denied(file: Path) -> bool:
    try:
        os.close(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in _DENIED
    return False
