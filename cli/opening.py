"""What most commands begin with: the configuration, and the database it names."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.clock import Clock
from worker.config import Config, load
from worker.core.errors import StorageFailed
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
    import worker.store.schema.migrations  # noqa: F401

    try:
        entry = pwd.getpwuid(owner.st_uid)
        os.initgroups(entry.pw_name, owner.st_gid)
    except KeyError:
        os.setgroups([owner.st_gid])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def opened(obj: dict[str, Any]) -> Opened:
    """The configuration and its database. Raises StorageFailed (74) where there is no database yet."""
    config = load(obj["config"], os.environ)
    become_owner(config.store.path)
    if not config.store.path.exists():
        raise StorageFailed(
            f"{config.store.path}: no such database yet",
            "it is made by the first `cdpoll record` or `cdpoll run`; is [store] path the one they use?",
        )
    return _opened(config)


def opened_or_created(obj: dict[str, Any]) -> Opened:
    """The configuration and its database, which is created where there is none."""
    config = load(obj["config"], os.environ)
    become_owner(config.store.path)
    return _opened(config)


def _opened(config: Config) -> Opened:
    return Opened(config, open_store(config.store.path, config.store.journal), Clock().now())
