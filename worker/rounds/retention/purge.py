"""One purge: what is older than an instant goes, in short transactions. Between two of them others can write."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.core.instant import FAR
from worker.gateways.deliver.directory import Folders
from worker.gateways.machine import disk_of
from worker.rounds.retention import files as kept_files
from worker.rounds.retention.delivered import old_delivered
from worker.rounds.retention.files import OldFiles
from worker.store.batch import keeping
from worker.store.batch.lock import IngestLock
from worker.store.db.store import Store
from worker.store.retention import noted, purging, undelivered
from worker.store.retention.purging import Removed
from worker.store.retention.undelivered import Limit

# What SQLite needs beside the file: a second one aside, and a third in the WAL or the journal.
ROOM_FACTOR = 2


class Terms(NamedTuple):
    """``thorough``: a person's command. It waits for another process that reads a batch file, and it deletes all copies
    of the database that hold what was removed. ``folders`` are those of ways out."""

    limit: Limit
    folders: tuple[Folders, ...] = ()
    thorough: bool = False


@dataclass(slots=True)
class Purged:
    """What a purge has removed, or would remove. ``failed``: files that could not be deleted, and why."""

    removed: Removed = field(default_factory=Removed)
    files: OldFiles = field(default_factory=lambda: OldFiles([], [], [], [], []))
    failed: list[str] = field(default_factory=list)


def foreseen(store: Store, terms: Terms) -> Purged:
    """What :func:`purge` would remove."""
    limit = terms.limit
    removed = purging.alone(store, limit)
    for page in purging.old_tasks(store, limit):
        stay = len(undelivered.tasks(store, page, limit))
        removed.tasks += len(page) - stay
        removed.undelivered += stay
    for file in purging.old_files(store, limit):
        if undelivered.in_file(store, file, limit):
            removed.undelivered += 1
        else:
            removed.add(purging.of_file(store, file))
    purged = Purged(removed)
    purged.files = _old_files(store, terms, purged.failed, any_rows=removed.any)
    return purged


def purge(store: Store, terms: Terms, now: int, purged: Purged) -> Generator[None]:
    """Remove it, a bounded step at a time; what is gone is counted in ``purged``.

    Raises :class:`~worker.core.errors.TryLater` where another process reads a batch file and is not waited for.
    """
    yield from purge_rows(store, terms, now, purged)
    purge_files(store, terms, now, purged)
    with store.write():
        noted.purged(store, now)


def purge_rows(store: Store, terms: Terms, now: int, purged: Purged) -> Generator[None]:
    """Of :func:`purge`, the rows, which all hosts share."""
    limit = terms.limit
    removed = purged.removed
    for page in purging.old_tasks(store, limit):
        for portion in purging.portions(store, page):
            removed.add(purging.remove_tasks(store, portion, limit, now))
            yield
        yield
    if old := purging.old_files(store, limit):
        with _reading_none(store, now, wait=terms.thorough):
            for file in old:
                yield from _purge_file(store, file, limit, now, purged)
            keeping.sweep(store)
    while (gone := purging.remove_alone(store, limit, now)) is not None:
        removed.add(gone)
        yield


def purge_files(store: Store, terms: Terms, now: int, purged: Purged) -> None:
    """Of :func:`purge`, the files of this host."""
    purged.files = _old_files(store, terms, purged.failed, any_rows=False)
    purged.failed += kept_files.delete(store, purged.files, now)


def _purge_file(store: Store, file: int, limit: Limit, now: int, purged: Purged) -> Iterator[None]:
    if undelivered.in_file(store, file, limit):
        purged.removed.undelivered += 1
        return
    yield
    while (gone := purging.remove_answers(store, file, limit, now)) is not None:
        purged.removed.add(gone)
        yield
    if undelivered.in_file(store, file, limit):  # one became visible just now
        purged.removed.undelivered += 1
        return
    emptied: tuple[Callable[[Store, int, int, int], int | None], ...]
    emptied = purging.remove_sets, purging.remove_envelopes
    for some in emptied:
        last: int | None = 0
        while last is not None:
            last = some(store, file, last, now)
            yield
    purged.removed.add(purging.finish_file(store, file, now))


@contextmanager
def _reading_none(store: Store, now: int, *, wait: bool) -> Iterator[None]:
    with IngestLock(store, "file", now, wait=wait):
        yield


def _old_files(store: Store, terms: Terms, failed: list[str], *, any_rows: bool) -> OldFiles:
    """``any_rows``: rows will be removed, so that every copy there is will hold what was removed. One that was made
    before the file was rewritten does, too."""
    made_before, past = 0, noted.get(store)
    if terms.thorough:
        made_before = FAR if any_rows or past.get("rows") else past.get("rewritten_at") or 0
    found = kept_files.old_files(store, terms.limit.before, made_before)
    found.delivered.extend(old_delivered(terms.folders, terms.limit.before, failed))
    return found


def rewrite(store: Store, now: int) -> str | None:
    """Rewrite the file of the database, which keeps all writers waiting; why it was not done, if it was not.

    A server does it on a disk of its own, and writers go on. Raises TryLater and StorageFailed; nothing is lost then.
    """
    size, _ = store.file_bytes()
    disk = disk_of(store.file.parent)
    if not store.shared and (disk is None or disk.free_bytes < ROOM_FACTOR * size):
        free = "an unknown number of" if disk is None else str(disk.free_bytes // 1_000_000)
        why = f"{free} MB are free on the disk of {store.file.parent}; to rewrite the file takes twice its size, "
        why += f"{ROOM_FACTOR * size // 1_000_000} MB"
        with store.write():
            noted.hindered(store, why, now)
        return why
    rows = noted.get(store).get("rows", 0)
    store.rewrite()
    with store.write():
        noted.rewritten(store, rows, now)
    return None
