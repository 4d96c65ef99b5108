"""What most commands begin with: the configuration, and the database it names."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.clock import Clock
from worker.config import Config, load
from worker.store.db.store import Store
from worker.store.opening import open_store

if TYPE_CHECKING:
    from worker.core.x12.batch import HoldRules

# What is taken from the modes of new files: everything of others, and of the group where the folder is not shared.
SHARED_UMASK, PRIVATE_UMASK = 0o007, 0o077


@dataclass(frozen=True, slots=True)
class Opened:
    """Close the store, or use this as a context manager. ``now`` is ms, read once per command."""

    config: Config
    store: Store
    now: int

    @property
    def hold_rules(self) -> "HoldRules":
        """What of a batch is held back, whichever way it comes in."""
        from worker.core.x12.batch import HoldRules

        sftp = self.config.sftp
        return HoldRules() if sftp is None else HoldRules(sftp.hold_test, sftp.receiver or ())

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()


def settle_in(database: Path) -> None:
    """Work so that all who may use the state folder can use what this command makes there.

    In a folder that its group may write, files are the group's too; elsewhere they are this user's alone. A setgid
    folder hands its group on, so nothing has to be changed afterwards (the unit forbids that). Root works as the owner
    of the folder: no file there is root's, and shut to the daemon.
    """
    folder = database.resolve().parent
    while not folder.exists():
        folder = folder.parent
    found = folder.stat()
    os.umask(SHARED_UMASK if found.st_mode & stat.S_IWGRP else PRIVATE_UMASK)
    if os.geteuid() == 0 and found.st_uid != 0:
        _become(found)


def _become(owner: os.stat_result) -> None:
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


def opened(obj: dict[str, Any], *, create: bool = False, migrate: bool = False) -> Opened:
    """The configuration and its database.

    ``create``: a database is made where there never was one; else that is StorageFailed (74). ``migrate``: one of an
    earlier release is brought up to date; else that is TryLater (75) with ``create``, and StorageFailed (74) without.
    """
    config = load(obj["config"], os.environ)
    settle_in(config.store.path)
    place = config.store
    # A command has no one to tell that a migration goes on.
    store = open_store(place.path, place.journal, create=create, migrate=(lambda: None) if migrate else None)
    return Opened(config, store, Clock().now())
