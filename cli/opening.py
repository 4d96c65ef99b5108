"""What most commands begin with: the configuration, and the database it names."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from worker.clock import Clock
from worker.config import Config, load
from worker.core.errors import StorageFailed
from worker.store.db.store import Store


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


AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")


def dumped(value: dict[str, Any], indent: int | None = 2) -> str:
    """JSON for standard output; in escapes where that cannot take every letter."""
    plain_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    return json.dumps(value, indent=indent, ensure_ascii=plain_only)


def plain(text: str) -> str:
    """Text of others for a terminal: a control character in it could do anything there."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


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

    # Perhaps the owner cannot read where cdpoll itself lies: what is imported late is imported now.
    import worker.daemon
    import worker.store.schema.migrations  # noqa: F401

    try:
        entry = pwd.getpwuid(owner.st_uid)
        os.initgroups(entry.pw_name, owner.st_gid)
    except KeyError:
        os.setgroups([owner.st_gid])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def opened(obj: dict[str, Any], *, create: bool = False) -> Opened:
    """The configuration and its database. ``create=False``: a database that is not there yet is an error (74)."""
    config = load(obj["config"], os.environ)
    become_owner(config.store.path)
    if not create and not config.store.path.exists():
        raise StorageFailed(
            f"{config.store.path}: no such database yet",
            "it is made by the first `cdpoll record` or `cdpoll run`; is [store] path the one they use?",
        )
    return Opened(config, Store(config.store.path, config.store.journal), Clock().now())
