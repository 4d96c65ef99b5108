"""What most commands begin with: the configuration, and the database it names."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.journal import tell_journal
from worker.clock import Clock
from worker.config import Config, ConfigurationMistakes, Mistake, Tolerated, load, load_store
from worker.core.instant import iso
from worker.store.db import marker
from worker.store.db.failures import translated
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state.moves import standing_of

if TYPE_CHECKING:
    from worker.core.x12.batch import HoldRules

# What is taken from the modes of new files: everything of others, and of the group where the folder is not shared.
SHARED_UMASK, PRIVATE_UMASK = 0o007, 0o077


# How long a lock of another process is waited for. Who looks gets an answer: Nagios gives up after 10 s.
RECORDING_TIMEOUT_S, LOOKING_TIMEOUT_S = 15.0, 4.0


@dataclass(frozen=True, slots=True)
class Opened:
    """Close the store, or use this as a context manager. ``now`` is ms, read once per command.

    ``mistakes``: what is wrong in the configuration. Where there are any, only ``config.store`` is sure, and keys that
    could not be read have their defaults. ``unread``: some are about files that could not be read.
    """

    config: Config
    store: Store
    now: int
    mistakes: tuple[Mistake, ...] = ()
    unread: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing in the configuration is wrong."""
        return not self.mistakes

    @property
    def origin(self) -> str:
        """The API's origin, empty where it is not known for sure: `record` then takes the one the database belongs to.

        Nothing is lost by that. Ids in a database that belongs to no API yet get their origin from the daemon, when
        it first opens that database with a configuration without mistakes.
        """
        return self.config.api.origin if self.whole and self.config.api is not None else ""

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
    found = _lowest_folder(database)
    os.umask(SHARED_UMASK if found.st_mode & stat.S_IWGRP else PRIVATE_UMASK)
    if os.geteuid() == 0 and found.st_uid != 0:
        become(found.st_uid, found.st_gid)


def owner_of(database: Path) -> tuple[int, int]:
    """User and group of the folder that the database lies in, or will lie in."""
    found = _lowest_folder(database)
    return found.st_uid, found.st_gid


def _lowest_folder(database: Path) -> os.stat_result:
    folder = database.resolve().parent
    with translated(database):
        while not folder.exists():
            folder = folder.parent
        return folder.stat()


def become(uid: int, gid: int) -> None:
    """Give up root for this user, for good."""
    # This user may not be able to read cdpoll's own files, so import now what is else imported late.
    import grp  # noqa: F401
    import pwd

    import worker.core.intake.hand_over
    import worker.daemon
    import worker.store.schema.creation
    import worker.store.schema.migrations  # noqa: F401

    try:
        entry = pwd.getpwuid(uid)
        os.initgroups(entry.pw_name, gid)
    except KeyError:
        os.setgroups([gid])
    os.setgid(gid)
    os.setuid(uid)


def opened(
    obj: dict[str, Any], *, create: bool = False, migrate: bool = False, whole: bool = False, patient: bool = False
) -> Opened:
    """The configuration and its database.

    ``create``: a database is made where there never was one; else that is StorageFailed (74). ``migrate``: one of an
    earlier release is brought up to date; else that is TryLater (75) with ``create``, and StorageFailed (74) without.
    ``whole``: every section is needed. Else a configuration with mistakes will do as long as ``[store]`` is known, and
    one line on standard error says so. ``patient``: locks of others are waited for as long as when recording.
    """
    found = Tolerated(load(obj["config"], os.environ), (), ()) if whole else known_store(obj)
    timeout_s = RECORDING_TIMEOUT_S if create or patient else LOOKING_TIMEOUT_S
    here = opened_as(found, timeout_s, create=create, migrate=migrate)
    moved = standing_of(here.store).moved
    if moved is not None:
        from cli.output import say

        say(
            f"warning: {here.store.name} was moved to {moved.other} at {iso(moved.at)}, and is as it was then", err=True
        )
    return here


def opened_as(found: Tolerated, timeout_s: float, *, create: bool = False, migrate: bool = False) -> Opened:
    """The database of this configuration; see :func:`opened`."""
    config, mistakes, unread = found
    settle_in(config.store.path)
    # A command has no one to tell that a migration goes on.
    working = (lambda: None) if migrate else None
    place = config.store.place
    # On a server, tables are made by who may change them.
    create = create or (migrate and place.server is not None)
    store = open_store(place, timeout=timeout_s, create=create, migrate=working)
    store.journal, store.clock = tell_journal, Clock()
    return Opened(config, store, store.now(store.clock), mistakes, bool(unread))


def known_store(obj: dict[str, Any]) -> Tolerated:
    """A configuration whose ``[store]`` is known; it is told how many mistakes are elsewhere.

    Raises ConfigurationMistakes (78) where one of them may be about the database.
    """
    found = load_store(obj["config"], os.environ)
    config, mistakes, unread = found
    if unread and not config.store.url and not _in_use(config.store.path):
        # What could not be read may name another database, and here is none that was in use before.
        raise ConfigurationMistakes(list(unread), "what is in there may be [store] path, so nothing was done")
    if mistakes:
        from cli.output import say

        count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        say(f"warning: the configuration has {count} beside [store]; `cdpoll config check` lists them", err=True)
    return found


def _in_use(database: Path) -> bool:
    with translated(database):
        return database.exists() and marker.read(Path(os.path.realpath(database))) is not None
