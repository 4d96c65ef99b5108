"""Owners and modes of everything that cdpoll uses, as the present user may use it; and the disk."""

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cli.doctor.finding import Finding, fail, good, warn
from worker.config import Config, Secret
from worker.core.problems import counted, kind_of
from worker.gateways.machine import disk_of
from worker.ownership import Obstacle, obstacle, user_name
from worker.store.batch.keeping import INCOMING, QUARANTINE
from worker.store.views.problems import LOW_SPACE_BYTES, NO_SPACE_BYTES

# Of each kind of trouble; the others are counted.
_SHOWN_FILES = 5
_MOST_FILES = 20_000

_MIB_BYTES = 1024 * 1024


class Used(NamedTuple):
    """A path, and how it is used: written to, or ``private``, which others may not read."""

    path: Path
    written: bool = False
    private: bool = False


def files(config: Config, *, store_known: bool) -> Iterator[Finding]:
    """Everything that cdpoll reads or writes on this machine, but for the folders and programs of ways out."""
    used = [*_read_only(config), *(_of_the_store(config.store.path) if store_known else ())]
    wrong = list(dict.fromkeys(found for one in used for found in _judged(one)))  # a folder may shut all that is in it
    yield from wrong[:_SHOWN_FILES]
    if len(wrong) > _SHOWN_FILES:
        said = f"{counted(len(wrong) - _SHOWN_FILES, 'further file')} with an owner or a mode that is not right"
        yield fail("files", said, "mend those above, and run the doctor again")
    if not wrong:
        said = f"owners and modes are right for {user_name(os.geteuid())}"
        yield good("files", f"{said}: {counted(len(used), 'file')} and folders")


def disk(database: Path) -> Iterator[Finding]:
    """Room for the database, and whether the disk takes writes."""
    folder = _there(Path(os.path.realpath(database)).parent)
    found = disk_of(folder)
    if found is None:
        yield fail("disk", f"the disk of {folder} cannot be examined", kind_of("disk_unreadable").cure)
        return
    free = f"{found.free_bytes // _MIB_BYTES:,} MiB free on the disk of {folder}"
    size = database.stat().st_size if os.access(database, os.F_OK) else 0
    if found.read_only:
        yield fail("disk", f"the file system of {folder} is read-only", kind_of("disk_read_only").cure)
    elif os.statvfs(folder).f_favail == 0 != os.statvfs(folder).f_files:
        yield fail("disk", f"the disk of {folder} takes no more files (no inode is free)", "remove files there")
    elif found.free_bytes < NO_SPACE_BYTES:
        yield fail("disk", f"the disk is full: {free}", kind_of("disk_full").cure)
    elif found.free_bytes < LOW_SPACE_BYTES:
        yield warn("disk", f"the disk is nearly full: {free}", kind_of("disk_low").cure)
    elif found.free_bytes < size:
        yield warn("disk", f"{free}, less than the database has", "make room: a purge writes the whole file anew")
    else:
        yield good("disk", free)


def _read_only(config: Config) -> Iterator[Used]:
    """What is read, and written by an administrator."""
    secrets: list[Secret | None] = []
    for path in config.files:
        yield Used(path)
    if config.source is not None:
        credentials = config.source.parent / "credentials"
        yield from [Used(credentials, private=True)] if credentials.is_dir() else []
    if config.api is not None:
        secrets += [config.api.client_id, config.api.client_secret, config.api.proxy]
        yield from [Used(config.api.ca_file)] if config.api.ca_file is not None else []
    if config.sftp is not None:
        secrets += [config.sftp.password, config.sftp.key_passphrase]
        yield Used(config.sftp.known_hosts)
        yield from [Used(config.sftp.key_file, private=True)] if config.sftp.key_file is not None else []
    if config.callback is not None:
        secrets += [config.callback.client_id, config.callback.client_secret, config.callback.previous_secret]
        yield from [Used(path) for path in [config.callback.tls_certificate] if path is not None]
        yield from [Used(path, private=True) for path in [config.callback.tls_key] if path is not None]
    for way in config.deliver:
        secrets += [value for value in way if isinstance(value, Secret)]
    yield from (Used(one.file, private=True) for one in secrets if one is not None and one.file is not None)


def _of_the_store(database: Path) -> Iterator[Used]:
    """The state folder, and of what lies in it the database with its journals, locks and copies, and kept files."""
    database = Path(os.path.realpath(database))
    folder = database.parent
    if not os.access(folder, os.R_OK | os.X_OK):
        yield Used(folder, written=True)
        return
    yield Used(folder, written=True)
    kept = [folder / name for name in (QUARANTINE, INCOMING)]
    with os.scandir(folder) as entries:
        beside = sorted(Path(entry.path) for entry in entries if entry.name.startswith(database.name))
    inside = (path for place in kept if os.access(place, os.R_OK | os.X_OK) for path in place.iterdir())
    yield from (Used(path, written=True, private=True) for path in beside)
    yield from (Used(path, written=True, private=True) for path in kept if os.access(path, os.F_OK))
    yield from (Used(path, written=True, private=True) for path in islice(inside, _MOST_FILES))


def _judged(used: Used) -> Iterator[Finding]:
    """What is wrong with the owner or the mode of one file. What is not there is told where it is missed."""
    path = used.path
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError:
        found = None
    is_root_only = path.name == "credentials" and used.private and found is not None
    # Into a folder that is written to, files are put.
    target = path / "new" if used.written and path.is_dir() else path
    shut = None if is_root_only else obstacle(target, write=used.written)
    if shut is not None:
        yield fail("files", shut.words, _cure(shut, used))
    if found is None:
        return
    reachable = all(_mode(above) & stat.S_IXOTH for above in path.absolute().parents)
    if found.st_mode & stat.S_IWOTH and reachable and not found.st_mode & stat.S_ISVTX:
        yield fail("files", f"every user of this machine may write {path} ({_shown(found)})", f"chmod o-w {path}")
    if used.private and found.st_mode & stat.S_IROTH and reachable:
        yield fail("files", f"every user of this machine may read {path} ({_shown(found)})", f"chmod o-rwx {path}")
    if not used.written and not is_root_only and found.st_uid not in (0, os.geteuid()):
        said = f"{path} belongs to {user_name(found.st_uid)}, who can change what the service does"
        yield warn("files", said, f"chown root {path}, and let the service read it by its group")


def _cure(shut: Obstacle, used: Used) -> str:
    if shut.sure:
        return shut.cure
    if used.private and used.written and (shut.path == used.path or shut.path.name in (QUARANTINE, INCOMING)):
        return f"as root: chown --reference={shut.path.parent} {shut.path} && chmod ug+rwX {shut.path}"
    if shut.path.stat().st_uid == os.geteuid():
        return f"as root: chmod {'ug' if used.written else 'u'}+rwX {shut.path}"
    return f"let the service's user, {user_name(os.geteuid())}, use it: chown or chmod {shut.path}"


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _shown(found: os.stat_result) -> str:
    return f"{user_name(found.st_uid)}, mode {stat.S_IMODE(found.st_mode):04o}"


def _there(folder: Path) -> Path:
    while not os.access(folder, os.F_OK) and folder != folder.parent:
        folder = folder.parent
    return folder
