"""The two steps of one file: its bytes into the private folder, and from there into the database."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from worker.gateways.sftp.drop import RemoteFile, SftpFailed
from worker.rounds.drop.messages import came_in
from worker.rounds.drop.work import DropWork, Step
from worker.rounds.ingest import found_again
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.rounds.ingest.file_report import FileReport
from worker.store.batch import keeping, remote
from worker.store.batch.remote import CHANGED, DropFile

# A file whose time says nothing is read once more when it is here for twice as long as at its last reading.
SHORTEST_RECHECK_MS = 86_400_000
LONGEST_RECHECK_MS = 30 * 86_400_000


def fetch(work: DropWork, now: int, *, one: DropFile, file: RemoteFile) -> None:
    """Fetch a file of the drop; reading it in is the next step. One that is read once more stays ``done`` meanwhile."""
    reread = one.state == "done"
    if not reread:
        remote.move_on(work.store, one, "fetching")
    try:
        fetched = work.ask(lambda drop: drop.fetch(file, work.incoming, work.moving))
    except SftpFailed as failure:
        if not work.of_one_file(failure):
            if not reread:
                remote.again(work.store, one, failure.code, work.rules.every, now)
            raise
        if reread:
            # It is read in; a server that gives a file once may refuse it, and that is no trouble.
            remote.done(work.store, one, tidy=False, again_at=now + SHORTEST_RECHECK_MS)
            return
        remote.again(work.store, one, failure.code, work.rules.every, now)
        work.outcome.failed.append((one.shown, failure))
        return
    if fetched.told is not None:
        work.told[one.name] = fetched.told
    error = CHANGED if fetched.changed else None
    remote.move_on(work.store, one, "fetched", fetched.path.name, error=error)
    again = one.error in ("incomplete", CHANGED)
    work.first(Step(partial(read_in, one=replace(one, error=error), path=fetched.path, again=again), fetched.size))


def read_in(work: DropWork, now: int, *, one: DropFile, path: Path, again: bool = False) -> str:
    """Read a fetched file in; note and return how it ended. Its copy goes once the database has what it holds.

    ``again``: it was not whole the last time. That it still is not is no line of the log.
    """
    # A file that changed may be half of one and half of another. The same bytes a second time are one file. Where the
    # time changes at each listing, the server's word that it stayed the same is worth nothing.
    read_before = remote.came_before(work.store, one, path.name)
    changed = (one.error == CHANGED or one.restless) and not read_before
    with path.open("rb") as file:
        progress = work.progress(one.shown, path.stat().st_size) if work.progress else None
        given = BatchFile(file, one.shown, "sftp", rules=work.rules.hold, changed=changed)
        report = ingest(work.store, given, now, wait=work.patient, progress=progress)
        if report.state == "incomplete":
            # It is fetched again. But the server may have moved it away, so its bytes are kept.
            keeping.keep_whole(work.store.path, file, report.sha256)
    if one.state != "done" or not read_before:
        _told(work, report, again=again)
    if report.state == "incomplete":
        remote.again(work.store, one, CHANGED if changed else "incomplete", work.rules.every, now)
    else:
        # If parts of a zip were passed over, the zip is not all here, and must stay on the server. So must what was
        # incomplete once, in any copy: nothing proves that this one is whole.
        stored = report.state in ("ingested", "known") and not (
            report.was_incomplete or any(issue.code == "members_passed_over" for issue in report.warnings)
        )
        tidy = stored and work.rules.after != "leave"
        remote.done(work.store, one, tidy=tidy, again_at=0 if tidy else _read_once_more(work, one, now))
    path.unlink(missing_ok=True)
    return report.state


def _read_once_more(work: DropWork, one: DropFile, now: int) -> int:
    """When to read once more a file that stays on the drop (ms), or 0.

    Its time would not show that another file of the same size took its place. Where the server may move a file that was
    opened, it is not read again: that would empty the drop.
    """
    if (one.mtime > 0 and not one.restless) or work.rules.archive:
        return 0
    return now + min(max(SHORTEST_RECHECK_MS, now - one.first_at), LONGEST_RECHECK_MS)


def read_orphan(work: DropWork, now: int, *, path: Path, kept: bool = False) -> None:
    """Read in a file that the database does not know to be here. There may be no other copy of it: it stays if it was
    ``kept``, and else goes once the database has what it holds."""
    report = found_again.read_again(work.store, path, now, work.rules.hold, wait=work.patient)
    _told(work, report)
    found_again.tell(work.store, work.log, report, now, kept=kept)
    if not kept:
        path.unlink(missing_ok=True)


def _told(work: DropWork, report: FileReport, *, again: bool = False) -> None:
    work.outcome.reports.append(report)
    if not again or report.state != "incomplete":
        came_in(work.log, report)
