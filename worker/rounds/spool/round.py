"""The work of the spool: look at the folder, then take what lies there, some files a step.

::

    look ──► take ──► read ──► record, commit ──► move to done
             move out          or: ingest         or, with the reason, to bad
             of reach

A file is recorded before it is moved to ``done``, and recording is idempotent: where the process ends in between, the
next one reads it again. What was taken and not finished lies in ``taken`` until then.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.core.errors import CdpollError, place_of
from worker.core.intake.anything import Reading
from worker.core.intake.intake import merge
from worker.gateways.spool.folder import Refused, SpoolEntry, SpoolFolder
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.rounds.ingest.file_report import FileReport
from worker.rounds.log_lines import Log
from worker.rounds.spool.content import content_of
from worker.rounds.spool.rules import GROUP_BYTES, GROUP_FILES, GROUP_ROWS, PATIENCE_MS, SpoolRules
from worker.store.db.store import Store
from worker.store.state import responses
from worker.store.tasks.recording import Recorded, record_all


class Waits:
    """Since when each file is as it is. Memory only: a new process waits anew."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[tuple[int, ...], int]] = {}

    def since(self, folder: str, one: SpoolEntry, now: int) -> int:
        """For how long (ms) a file of a folder has been seen as it is."""
        state, at = self._seen.get((folder, one.name), (None, now))
        if state != one.state or at > now:
            self._seen[folder, one.name] = (one.state, now)
            return 0
        return now - at

    def knows(self, folder: str, one: SpoolEntry) -> bool:
        """Whether it has been seen as it is."""
        return self._seen.get((folder, one.name), (None, 0))[0] == one.state

    def keep(self, there: set[tuple[str, str]]) -> None:
        """Forget all but these, each with its folder."""
        self._seen = {key: seen for key, seen in self._seen.items() if key in there}


@dataclass(slots=True)
class SpoolWork:
    """What the steps share. ``moves`` is called while a long step moves; ``stopped``: it is to end."""

    store: Store
    folder: SpoolFolder
    rules: SpoolRules
    log: Log
    stopped: Callable[[], bool]
    moves: Callable[[], None]
    queue: "deque[Queued]" = field(default_factory=deque)
    waits: Waits = field(default_factory=Waits)
    taken: int = 0
    """Files since the row was last written."""
    put_aside: int = 0
    stays: set[str] = field(default_factory=set)
    """What is no file, and cannot be moved."""
    finished: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Size and time of the files that were moved to ``done`` of late."""
    moved: bool = False
    """Whether files were moved that :meth:`SpoolFolder.sync` is to put on the disk."""


class Queued(NamedTuple):
    """A file to be read: in ``taken`` already, or still to be moved there."""

    entry: SpoolEntry
    is_taken: bool


class _Read(NamedTuple):
    """A file that was read, and is to be recorded. ``entry``: as it was before."""

    entry: SpoolEntry
    reading: Reading


def step(work: SpoolWork, now: int) -> None:
    """Take some of the queue: as many files as come into one transaction, or one batch.

    Raises StorageFailed, TryLater and SpoolUnusable; what was taken is read again later.
    """
    group: list[_Read] = []
    rows = size = 0
    while work.queue and len(group) < GROUP_FILES and rows < GROUP_ROWS and size < GROUP_BYTES:
        if work.stopped():
            break
        queued = work.queue.popleft()
        found = _examined(work, queued, now)
        if found is not None:
            group.append(found)
            size += found.entry.size
            rows += sum(len(one.recordings) + len(one.lookups) + len(one.expected) for one in found.reading.portions)
    _record(work, group, now)


def _examined(work: SpoolWork, queued: Queued, now: int) -> _Read | None:
    """A file that is to be recorded; ``None``: it is dealt with, or waits."""
    entry: SpoolEntry | None = queued.entry
    if not queued.is_taken:
        try:
            entry = work.folder.take(queued.entry)
        except Refused as why:
            work.folder.say_why_it_stays(queued.entry, why)
            work.stays.add(queued.entry.name)
            return None
    if entry is None:
        return None
    lasted = work.waits.since("taken", entry, now)
    try:
        return _read(work, entry, now, patient=lasted < PATIENCE_MS)
    except Refused as why:
        # What is no file stays none; anything else may still be written, or be given its mode.
        if lasted >= PATIENCE_MS or not entry.regular:
            put_aside(work, entry.name, why)
        return None


def _read(work: SpoolWork, entry: SpoolEntry, now: int, *, patient: bool) -> _Read | None:
    """Raises Refused. ``patient``: what may be cut is left for later."""
    with work.folder.read(entry.name) as file:
        try:
            found = content_of(file, entry.size)
            if found is not None:
                return None if found.cut and patient else _Read(entry, found)
            file.seek(0)
            given = BatchFile(file, entry.name, "path", rules=work.rules.hold)
            report = ingest(work.store, given, now, wait=False, progress=lambda _done, _of: work.moves())
        except (CdpollError, Refused):
            raise
        except Exception as error:
            raise _fault(error) from error
    _ingested(work, entry, report, now)
    return None


def _ingested(work: SpoolWork, entry: SpoolEntry, report: FileReport, now: int) -> None:
    if report.state == "incomplete":
        raise Refused((report.reason or "it is cut short").rstrip("."), "leave the whole file")
    say = work.log.info if report.state in ("ingested", "known", "skipped") else work.log.warning
    number = None if report.number is None else f"f{report.number}"
    sets = report.counts.transaction_sets
    say("a batch file came in by the spool", state=report.state, number=number, transaction_sets=sets)
    _finish(work, entry, now)


def _record(work: SpoolWork, group: list[_Read], now: int) -> None:
    """Record these files together; one by one where that raises."""
    if not group:
        return
    try:
        done = _record_all(work, group, now)
    except CdpollError:
        raise
    except Exception as error:
        if len(group) == 1:
            put_aside(work, group[0].entry.name, _fault(error))
        else:
            for one in group:
                _record(work, [one], now)
        return
    if done is None:
        return
    for one in group:
        if one.reading.lost:
            more = f"{one.reading.lost} more of its lines cannot be read than were kept; what could be read is recorded"
            put_aside(work, one.entry.name, Refused(more, "mend them, and leave them anew"))
        else:
            _finish(work, one.entry, now)
    work.log.info("the spool was read", files=len(group), recorded=len(done.new), known=len(done.known))


def _record_all(work: SpoolWork, group: list[_Read], now: int) -> Recorded | None:
    """What was recorded; ``None``: it was stopped on the way."""
    rules, done = work.rules, Recorded()
    portions = [portion for one in group for portion in one.reading.portions]
    if len(group) > 1:
        portions = [merge(portions)]
    for portion in portions:
        if work.stopped():
            return None
        done.add(record_all(work.store, portion, origin=rules.origin, now=now, schedule=rules.schedule))
        work.moves()
    responses.count(work.store, (portion for one in group for portion in one.reading.portions), now)
    return done


def _finish(work: SpoolWork, entry: SpoolEntry, now: int) -> None:
    """Its content is in the database. What was added meanwhile is read with the next look."""
    after = work.folder.one("taken", entry.name)
    if after is not None and after.state == entry.state:
        done = work.folder.finish(entry.name, now)
        work.finished[done] = (entry.size, entry.modified_ns)
        work.taken += 1
        work.moved = True


def put_aside(work: SpoolWork, name: str, why: Refused) -> None:
    """A file that was taken goes to the bad ones."""
    work.folder.put_aside(name, why)
    work.put_aside += 1
    work.moved = True
    work.log.warning("a file of the spool was put aside", reason=why.reason, hint=why.cure)


def _fault(error: Exception) -> Refused:
    said = f"a fault in cdpoll itself: {type(error).__name__} at {place_of(error)}"
    return Refused(said, "report this line; record by hand what the file holds")
