"""One batch file into the database: what kind of file it is, what is in it, and what becomes of it.

::

    bytes ──► SHA-256 ──► known? ──► members() ──► read_batch() ──► Staging.add … ──► the file's end says:
                                         │                                             complete    finish (or skipped)
                                         └─ PGP, JSON, …: quarantined whole            incomplete  discard
                                                                                       unreadable  quarantined whole
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, Protocol

from worker.core.errors import CdpollError, StorageFailed, place_of
from worker.core.problems import counted
from worker.core.x12.acknowledgement import acceptance, acceptance_of
from worker.core.x12.answer import Answer, ParsedSet
from worker.core.x12.batch import TAKE_ALL, HoldRules, other_kind, read_batch
from worker.core.x12.envelope import FileEnd
from worker.core.x12.issues import Issue, issue
from worker.core.x12.recognise import HEAD_BYTES, FileKind
from worker.core.x12.scanner import ByteSource
from worker.gateways.unpack import NotUnpacked, members
from worker.rounds.ingest.deriving import derive_fresh
from worker.rounds.ingest.file_report import FileReport, FileWarnings
from worker.rounds.ingest.garbage_collection import rare_collections
from worker.rounds.ingest.refusal import PassedOver, begins_with_a_hole, cut_at_once, refusal
from worker.store.batch import batches, keeping
from worker.store.batch.batches import FileFacts, FileRows, FileSource, FileState
from worker.store.batch.dry_run import DryRun
from worker.store.batch.lock import IngestLock
from worker.store.batch.rows import Counts
from worker.store.batch.staging import Staging, Target
from worker.store.db.damage import json_issues
from worker.store.db.store import Store

_PIECE_BYTES = 1024 * 1024

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the size of the file."""


@dataclass(frozen=True, slots=True)
class BatchFile:
    """A file to read: open in binary mode, at its beginning, and seekable."""

    file: BinaryIO
    name: str
    source: FileSource
    replaces: int | None = None
    """The row of the file in quarantine that this is."""
    rules: HoldRules = TAKE_ALL
    as_is: bool = False
    """A person takes what is there of it, although it may be incomplete."""
    changed: bool = False
    """It changed while it was fetched: even if it looks whole, it may be half of one file and half of another."""


def ingest(
    store: Store, given: BatchFile, now: int, *, wait: bool = True, progress: Progress | None = None
) -> FileReport:
    """Read one file into the database; harmless to repeat. ``wait`` for another reading that is under way.

    Raises StorageFailed and TryLater; then nothing of the file is visible.
    """
    with IngestLock(store, "file", now, wait=wait), rare_collections():
        batches.remove_leftovers(store)
        facts = _facts(store, given, now)
        row = batches.finished_file(store, facts.sha256)
        if row is not None and row["seq"] != given.replaces:
            if facts.was_incomplete:
                batches.come_whole(store, facts, row["seq"])
            return _known(given, facts, row)
        while derive_fresh(store, now):
            pass  # its answers are joined to results that hold the same texts
        return _FileReader(given, facts, _KeptFile(store, facts, given.file), progress).report()


def ingest_dry_run(store: Store, given: BatchFile, now: int, *, progress: Progress | None = None) -> FileReport:
    """What :func:`ingest` would report, with nothing written."""
    facts = _facts(store, given, now)
    row = batches.finished_file(store, facts.sha256)
    if row is not None:
        return _known(given, facts, row)
    return _FileReader(given, facts, DryRun(store), progress).report()


def _facts(store: Store, given: BatchFile, now: int) -> FileFacts:
    digest = hashlib.sha256()
    given.file.seek(0)
    size = 0
    while piece := given.file.read(_PIECE_BYTES):
        digest.update(piece)
        size += len(piece)
    sha256 = digest.hexdigest()
    was_incomplete = batches.was_incomplete(store, given.name, sha256)
    return FileFacts(given.name, given.source, sha256, size, now, given.replaces, was_incomplete)


def _known(given: BatchFile, facts: FileFacts, row: dict[str, Any]) -> FileReport:
    """A file of which every byte was there before. What is in quarantine or was skipped is still that."""
    counts = Counts(**{name: row[name] for name in Counts.__slots__})
    state = "known" if row["state"] == "ingested" else row["state"]
    warnings = tuple(Issue(**one) for one in json_issues(row["warnings"]))
    sha256, size, reason, number = row["sha256"], row["size"], row["reason"], row["seq"]
    was = facts.was_incomplete or bool(row["was_incomplete"])
    return FileReport(given.name, sha256, size, state, counts, warnings, reason, number, was, bool(row["as_is"]))


@dataclass(slots=True)
class _Ends:
    """What the interchanges of the file, or of all its members, come to."""

    interchanges: int = 0
    incomplete: str = ""
    unreadable: str = ""
    others: dict[str, int] = field(default_factory=dict)
    """Sets by their kind, acknowledgements by what they say."""
    acknowledgements: dict[str, int] = field(default_factory=dict)
    """TA1 by what they say."""


class FileTarget(Target, Protocol):
    """Where a file goes: rows, or the counts of a dry run. ``number`` is the file's row, if it has one."""

    number: int | None

    def begin(self) -> None: ...
    def finish(self, counts: Counts, warnings: Iterable[Issue], incomplete: str | None = None) -> None: ...
    def discard(self) -> None: ...
    def note(self, state: FileState, reason: str, interchanges: int, warnings: Iterable[Issue]) -> None: ...


class _KeptFile(FileRows):
    """The rows of a file; before its row says that it is in quarantine, its bytes are there."""

    def __init__(self, store: Store, facts: FileFacts, file: BinaryIO) -> None:
        super().__init__(store, facts)
        self._keep = partial(keeping.keep_whole, store.path, file, facts.sha256)

    def note(self, state: FileState, reason: str, interchanges: int, warnings: Iterable[Issue]) -> None:
        if state == "quarantined":
            self._keep()
        super().note(state, reason, interchanges, warnings)


class _FileReader:
    """One reading of one file."""

    def __init__(self, given: BatchFile, facts: FileFacts, target: FileTarget, progress: Progress | None) -> None:
        self.given, self.facts, self.target, self.progress = given, facts, target, progress
        self.staging: Staging | None = None
        """From the first X12 on."""
        self.warnings = FileWarnings()
        self.ends = _Ends()
        self.passed_over = PassedOver()

    def report(self) -> FileReport:
        file = self.given.file
        file.seek(0)
        before = os.fstat(file.fileno())
        try:
            for count, member in enumerate(members(file), 1):
                number = 0 if member.name is None else count
                if self.readable(member.kind, member.head, number):
                    self.read(self.begun(), self.counted(member.stream), number)
            if self.staging is not None:
                self.staging.flush()  # it writes the last answers; here, so that a fault in it is caught below
        except CdpollError:
            raise
        except OSError as error:
            raise StorageFailed(f"{self.given.name}: {error.strerror}", "is the disk there?") from error
        except Exception as error:
            if not isinstance(error, NotUnpacked):
                # A file that our code fails on waits for a person. The other files are read.
                self.ends.unreadable = f"A fault in cdpoll itself: {type(error).__name__} at {place_of(error)}."
            elif error.code == "cut_short":
                self.ends.incomplete = error.reason
            else:
                self.ends.unreadable = error.reason
        after = os.fstat(file.fileno())
        changed = self.given.changed or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
        if changed:
            self.ends.incomplete = "The file changed while it was being read."
        return self.finish(as_is=self.given.as_is and not changed)

    def counted(self, stream: ByteSource) -> "_Counted":
        return _Counted(stream, self.given, self.facts.size, self.progress)

    def begun(self) -> Staging:
        if self.staging is None:
            self.target.begin()
            self.staging = Staging(self.target, hold_test=self.given.rules.tests)
        return self.staging

    def readable(self, kind: FileKind, head: bytes, number: int) -> bool:
        """Whether it is X12; if not, that is what is wrong with the whole file. ``number`` is that of a zip's member,
        which may be passed over."""
        if kind == "x12" or (kind == "empty" and len(head) == HEAD_BYTES):
            return True  # blanks for longer than was looked at: the reader passes over them
        if begins_with_a_hole(head, member=number > 0):
            where = f"Member {number}" if number else "The file"
            self.ends.incomplete = f"{where} has zeros where its first interchange should begin."
        elif number:
            if not self.passed_over.take(number, kind, head):
                self.ends.unreadable = f"Member {number} {refusal(kind, head)}."
        elif kind == "empty":
            self.ends.incomplete = "The file is empty."
        elif cut_at_once(head):
            self.ends.incomplete = "The file ends within its first bytes."
        else:
            self.ends.unreadable = f"The file {refusal(kind, head)}."
        return False

    def read(self, into: Staging, source: "_Counted", number: int) -> None:
        for tset, judged, reading, issues in read_batch(source, rules=self.given.rules):
            if isinstance(tset, FileEnd):
                self.end(tset, number)
            elif judged == "hold" and not other_kind(tset.code):
                self.warnings.of_set(issues)
                into.add(tset, "quarantined", issues)
            elif reading is None:
                self.warnings.of_set(())
                kind = tset.code + _in_brackets(acceptance(tset))
                self.ends.others[kind] = self.ends.others.get(kind, 0) + 1
                into.add(tset, "other", issues)
            else:
                self.warnings.of_set(issues)
                into.add(tset, "accepted", issues, reading.subscribers, self.answers(reading))

    def answers(self, reading: ParsedSet) -> Iterator[Answer]:
        for answer in reading.answers():
            if answer.issues:
                self.warnings.of_answer(answer.issues)
            yield answer

    def end(self, end: FileEnd, number: int) -> None:
        where = f"Member {number}: " if number else ""
        self.warnings.of_file(end)
        self.ends.interchanges += end.interchanges
        for code in (*end.ta1_codes, *[""] * (end.ta1_count - len(end.ta1_codes))):
            said = _in_brackets(acceptance_of(code))
            self.ends.acknowledgements[said] = self.ends.acknowledgements.get(said, 0) + 1
        if end.state == "incomplete":
            self.ends.incomplete = where + end.reason
        elif end.state == "unreadable":
            self.ends.unreadable = where + end.reason

    def finish(self, *, as_is: bool) -> FileReport:
        """Finish or discard what was staged, by what was heard of the file's end. ``as_is``: also where something is
        missing."""
        if self.staging is not None:
            self.staging.flush()
        counts = Counts() if self.staging is None else self.staging.counts
        counts.interchanges = self.ends.interchanges
        if counts.test_answers:
            self.warnings.note(issue("test_held", "ISA", counted(counts.test_answers, "answer")))
        if self.passed_over.count:
            said = f"{self.passed_over.count} of them; {self.passed_over.first}"
            self.warnings.note(issue("members_passed_over", "", said))
            if self.staging is None and not self.ends.incomplete:
                self.ends.unreadable = self.ends.unreadable or f"Nothing in the zip is X12; {self.passed_over.first}."
        holds_sets = bool(counts.transaction_sets or counts.quarantined_sets or counts.known_sets)
        if self.ends.incomplete and not (as_is and holds_sets and not self.ends.unreadable):
            return self.keep_no_set("incomplete", self.ends.incomplete)
        if self.ends.unreadable:
            return self.keep_no_set("quarantined", self.ends.unreadable)
        if not holds_sets:
            return self.keep_no_set("skipped", self.skip_reason())
        missing = self.ends.incomplete or None
        self.target.finish(counts, self.warnings.all(), missing)
        return self.made_report("ingested", counts, missing, as_is=missing is not None)

    def skip_reason(self) -> str:
        """Why a whole file is skipped."""
        held = [f"{count} of {kind}" for kind, count in sorted(self.ends.others.items())]
        held += [f"{count} TA1{said}" for said, count in sorted(self.ends.acknowledgements.items())]
        return f"The file holds no 271: {', '.join(held)}." if held else "The file holds no transaction set."

    def keep_no_set(self, state: FileState, reason: str) -> FileReport:
        """A file of which no set is kept."""
        if self.staging is not None:
            self.target.discard()
        counts = Counts(interchanges=self.ends.interchanges)
        self.target.note(state, reason, counts.interchanges, self.warnings.all())
        return self.made_report(state, counts, reason)

    def made_report(self, state: FileState, counts: Counts, reason: str | None, *, as_is: bool = False) -> FileReport:
        warnings, number = self.warnings.all(), self.target.number
        was = self.facts.was_incomplete or state == "incomplete" or as_is
        sha256, size = self.facts.sha256, self.facts.size
        return FileReport(self.given.name, sha256, size, state, counts, warnings, reason, number, was, as_is)


def _in_brackets(acceptance: str) -> str:
    return f" ({acceptance})" if acceptance else ""


class _Counted:
    """A stream that tells how far the file that it comes from has been read."""

    def __init__(self, stream: ByteSource, given: BatchFile, size: int, progress: Progress | None) -> None:
        self._stream, self._file, self._size, self._progress = stream, given.file, size, progress
        self._as_is = given.as_is

    def read(self, size: int, /) -> bytes:
        if self._stream is self._file:
            # What was added since the file was measured would be read without end if it is added fast enough.
            size = min(size, max(0, self._size - self._file.tell()))
        try:
            piece = self._stream.read(size)
        except NotUnpacked as error:
            if not (self._as_is and error.code == "cut_short"):
                raise
            piece = b""  # the reader sees that it ends too early, and gives what came before
        if self._progress is not None:
            self._progress(self._file.tell(), self._size)
        return piece
