"""Files that left the drop before they came whole: search the server's archive for them, and tell of those not found.

Some servers move a file to an archive when it is opened. ``[sftp] archive`` names it, where it is set.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from worker.gateways.sftp.drop import RemoteFile, SftpFailed
from worker.rounds.drop.messages import lost
from worker.rounds.drop.one_file import read_in
from worker.rounds.drop.work import DropWork, Step
from worker.store.batch import remote
from worker.store.batch.remote import DropFile
from worker.store.state import notices

# A server that archives what was opened still has the file.
BY_HAND = "look in the server's archive, and ingest them by hand"


def retrieve(work: DropWork, now: int) -> None:
    """Search for the files that are gone."""
    if gone := remote.in_state(work.store, "gone"):
        search(work, now, wanted=gone, tell=tell_missing)


def search(
    work: DropWork, now: int, *, wanted: list[DropFile], tell: Callable[[DropWork, int, list[DropFile]], None]
) -> None:
    """Plan to fetch and read those of ``wanted`` that are in the archive. ``tell`` gets the others in the end."""
    if work.rules.archive is None:
        tell(work, now, wanted)
        return
    try:
        files, archive = [RemoteFile(one.name, one.size, one.mtime) for one in wanted], work.rules.archive
        found = work.ask(lambda drop: drop.archived(archive, files))
    except SftpFailed as failure:
        if failure.code != "archive_missing":
            raise
        work.outcome.failure = failure
        tell(work, now, wanted)
        return
    missing = list(wanted)
    candidates = [_candidate(one, found[one.name], missing) for one in wanted if found[one.name]]
    work.first(*candidates, Step(lambda work, now: tell(work, now, missing)))


def _candidate(one: DropFile, files: Sequence[RemoteFile], missing: list[DropFile]) -> Step:
    return Step(partial(_fetch_candidate, one=one, files=files, missing=missing))


def _fetch_candidate(
    work: DropWork, _now: int, *, one: DropFile, files: Sequence[RemoteFile], missing: list[DropFile]
) -> None:
    """Fetch the first of ``files`` that may be the file, and stop calling ``one`` missing."""
    others = [_candidate(one, files[1:], missing)] if files[1:] else []
    try:
        fetched = work.ask(lambda drop: drop.fetch(files[0], work.incoming, work.moving, archive=work.rules.archive))
    except SftpFailed as failure:
        if not work.of_one_file(failure):
            raise
        work.first(*others)
        return
    if one in missing:
        missing.remove(one)
    remote.move_on(work.store, one, "fetched", fetched.path.name)
    work.first(Step(partial(_read_candidate, one=one, path=fetched.path, others=others), fetched.size))


def _read_candidate(work: DropWork, now: int, *, one: DropFile, path: Path, others: list[Step]) -> None:
    # Another file of its name and size may have been read before; then the next candidate may be it.
    if read_in(work, now, one=one, path=path) == "known":
        work.first(*others)


def tell_hidden(work: DropWork, now: int, gone: list[DropFile]) -> None:
    """Tell of files that another file of their name hides. The next step forgets them."""
    # A hidden file that never left the drop was only changed.
    if names := [one.shown for one in gone if one.state == "gone"]:
        work.outcome.lost += names
        lost(work.store, work.log, names, f"another file of its name has come; {BY_HAND}", now)


def tell_missing(work: DropWork, now: int, gone: list[DropFile]) -> None:
    """Tell of what was not found, once, and go on searching for it where there is an archive."""
    work.outcome.lost += [one.shown for one in gone]
    if not work.outcome.lost:
        with work.store.write():
            notices.clear(work.store, "files_lost")
    if names := [one.shown for one in gone if not one.attempts]:
        where = f"{BY_HAND} (or set [sftp] archive)"
        if work.rules.archive is not None:
            where = f"they are looked for in {work.rules.archive} for a week, and were not there"
        lost(work.store, work.log, names, where, now)
    for one in gone:
        if work.rules.archive is None:
            remote.forget(work.store, one)
        else:
            remote.missed(work.store, one)
