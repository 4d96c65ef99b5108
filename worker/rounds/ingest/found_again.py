"""Files beside the database that it does not know, because an older copy of it was restored: they are read in again.

Their names are lost with the rows that had them. Nothing of the kind is deleted: there may be no other copy of it.
"""

from pathlib import Path

from worker.core.x12.batch import HoldRules
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.rounds.ingest.file_report import FileReport
from worker.rounds.log_lines import Log
from worker.store.batch import batches, keeping
from worker.store.batch.lock import IngestLock
from worker.store.db.store import Store
from worker.store.state import notices

FOUND = "files that the database did not know lay beside it, and were read in again: was an older copy of it restored?"


def unknown_kept(store: Store, now: int, *, wait: bool) -> list[Path]:
    """The files in quarantine that the database does not know, once what it no longer wants there is deleted."""
    with IngestLock(store, "file", now, wait=wait):
        batches.remove_leftovers(store)
        return keeping.sweep(store)


def read_again(store: Store, path: Path, now: int, rules: HoldRules, *, wait: bool) -> FileReport:
    """Read such a file. What is in quarantine, or incomplete, is kept there."""
    with path.open("rb") as file:
        given = BatchFile(file, f"recovered {path.name[:12]}", "sftp", rules=rules)
        report = ingest(store, given, now, wait=wait)
        if report.state in ("incomplete", "quarantined"):
            keeping.keep_whole(store.path, file, report.sha256)
    if path.parent.name == keeping.QUARANTINE and path.name != report.sha256:
        # Its bytes changed since it was kept. They have the right name now; under this one they would stay unknown.
        path.rename(keeping.kept_path(store.path, report.sha256))
    return report


def tell(store: Store, log: Log, report: FileReport, now: int, *, kept: bool) -> None:
    """Say that such a file was read. One that was only fetched may also be what a crash left: that is no problem."""
    if kept:
        with store.write():
            notices.put(store, "files_recovered", f"{FOUND} See `cdpoll files`; their names begin with recovered", now)
    number = None if report.number is None else f"f{report.number}"
    log.warning("a file that the database did not know was read in again", number=number, state=report.state)
