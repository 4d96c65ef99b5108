"""Files that are kept whole: those in quarantine, by their SHA-256, in a private folder beside the database.

A file goes only when the database knows it and says so: it holds what is in the file, or the file's row was removed
(``discarded``). One that the database does not know was kept by a later state of it, of which this one is an older
copy.
"""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from worker.core.errors import StorageFailed
from worker.files import DurableFile, sync_folder
from worker.ownership import cure
from worker.store.db.store import Store

QUARANTINE = "quarantine"
INCOMING = "incoming"
_MAKE_ROOM = "make room on that disk; nothing was lost"
PARTIAL = ".part"  # the end of the name of a file that is being written

_SHA256 = re.compile(r"[0-9a-f]{64}")


def folder(database: Path, name: str) -> Path:
    """A folder beside the database, made if need be, for those who may use the database."""
    found = database.parent / name
    try:
        if not found.is_dir():
            found.mkdir(mode=0o770, exist_ok=True)
            sync_folder(found.parent)
        if not os.access(found, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise StorageFailed(
            f"{found}: {error.strerror}", cure(found) or "cdpoll must be able to write beside its database"
        ) from error
    return found


def kept_path(database: Path, sha256: str) -> Path:
    """Where a file in quarantine is, or would be."""
    return database.parent / QUARANTINE / sha256


def keep_whole(database: Path, file: BinaryIO, sha256: str) -> None:
    """Copy a file's bytes to the quarantine, on the disk when this returns. One that is there is left alone."""
    final = folder(database, QUARANTINE) / sha256
    try:
        if final.exists():
            # The process that gave it this name may have been killed before the name was on the disk.
            sync_folder(final.parent)
            return
        out = DurableFile(final.with_name(f".{secrets.token_hex(8)}{PARTIAL}"))
        try:
            file.seek(0)
            shutil.copyfileobj(file, out, 1024 * 1024)
            out.finish(final)
        except BaseException:
            out.abandon()
            raise
    except OSError as error:
        raise StorageFailed(f"{final}: {error.strerror}", cure(final.parent) or _MAKE_ROOM) from error


@contextmanager
def spooled(database: Path, source: BinaryIO) -> Iterator[BinaryIO]:
    """What comes through a pipe, as a private file without a name: it can be read twice, and no crash leaves it."""
    path = folder(database, INCOMING) / f".pipe-{os.getpid()}{PARTIAL}"
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o660), "w+b") as file:
            path.unlink()
            shutil.copyfileobj(source, file, 1024 * 1024)
            file.seek(0)
            yield file
    except OSError as error:
        raise StorageFailed(f"{path}: {error.strerror}", cure(path.parent) or _MAKE_ROOM) from error


def drop_whole(database: Path, sha256: str) -> None:
    """Delete a file from the quarantine."""
    kept_path(database, sha256).unlink(missing_ok=True)


def known(store: Store, names: Sequence[str]) -> set[str]:
    """Those of these names of files in quarantine that the database wants there, or wants to be deleted."""
    found = set()
    for name in names:
        params = {"sha256": name}
        if store.one("SELECT 1 FROM files WHERE sha256 = :sha256", params) or store.one(
            "SELECT 1 FROM discarded WHERE sha256 = :sha256", params
        ):
            found.add(name)
    return found


def sweep(store: Store) -> list[Path]:
    """Delete what is kept of files that are neither in quarantine nor incomplete any more; the files that the database
    does not know. The caller holds :class:`~worker.store.batch.lock.IngestLock`: nothing is being kept meanwhile.
    """
    if not (store.path.parent / QUARANTINE).is_dir():
        return []
    kept = folder(store.path, QUARANTINE)
    unknown = []
    for path in sorted(kept.iterdir()):
        if path.name.startswith(".") and path.suffix == PARTIAL:
            path.unlink(missing_ok=True)  # half a copy of ours, of bytes that were elsewhere
        elif _SHA256.fullmatch(path.name):
            states = store.read("SELECT state FROM files WHERE sha256 = :sha256", {"sha256": path.name})
            if any(row["state"] in ("quarantined", "incomplete") for row in states):
                continue
            if states or store.one("SELECT 1 FROM discarded WHERE sha256 = :sha256", {"sha256": path.name}):
                path.unlink(missing_ok=True)
            else:
                unknown.append(path)
    if not store.shared and store.one("SELECT 1 FROM discarded LIMIT 1"):
        sync_folder(kept)  # else a power loss could bring a file back that the database does not know any more
        with store.write():
            store.execute("DELETE FROM discarded")
    return unknown
