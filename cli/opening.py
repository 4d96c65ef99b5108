"""What most commands begin with: the configuration, and the database it names."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.clock import Clock
from worker.config import Config, load
from worker.store.db.store import Store
from worker.store.opening import open_store


@dataclass(frozen=True, slots=True)
class Opened:
    """Close the store, or use this as a context manager. ``now`` is ms, read once per command."""

    config: Config
    store: Store
    now: int

    @property
    def hold_test(self) -> bool:
        """Whether what is marked as a test is held back."""
        return self.config.sftp is not None and self.config.sftp.hold_test

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


def become_owner(database: Path) -> None:
    """Root works as the owner of the state directory, so that no file there is root's and shut to the daemon."""
    if os.geteuid() != 0:
        return
    folder = database.parent
    while not folder.exists():
        folder = folder.parent
    owner = folder.stat()
    if owner.st_uid == 0:
        return
    import pwd

    # The owner may not be able to read cdpoll's own files, so import now what is else imported late.
    import worker.daemon
    import worker.store.schema.creation
    import worker.store.schema.migrations  # noqa: F401

    try:
        entry = pwd.getpwuid(owner.st_uid)
        os.initgroups(entry.pw_name, owner.st_gid)
    except KeyError:
        os.setgroups([owner.st_gid])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def opened(obj: dict[str, Any]) -> Opened:
    """The configuration and its database. Raises StorageFailed (74) where there is none of the present schema."""
    return _opened(obj)


def opened_or_created(obj: dict[str, Any], *, migrate: bool = False) -> Opened:
    """The configuration and its database, which is created where there never was one.

    ``migrate``: one of an earlier release is brought up to date; else it is TryLater (75).
    """
    return _opened(obj, create=True, migrate=migrate)


def opened_or_migrated(obj: dict[str, Any]) -> Opened:
    """The configuration and its database, which is brought up to date if need be. Raises StorageFailed (74) where
    there is none."""
    return _opened(obj, migrate=True)


def _opened(obj: dict[str, Any], *, create: bool = False, migrate: bool = False) -> Opened:
    config = load(obj["config"], os.environ)
    become_owner(config.store.path)
    place = config.store
    store = open_store(place.path, place.journal, create=create, migrate=_without_telling if migrate else None)
    return Opened(config, store, Clock().now())


def _without_telling() -> None:
    """What a migration calls meanwhile: no one waits for a sign of it."""
