"""One batch file into the database: what kind of file it is, what is in it, and what becomes of it.

::

    bytes ──► SHA-256 ──► known? ──► members() ──► read_batch() ──► Staging.add … ──► the file's end says:
                                         │                                        complete    finish (or skipped)
                                         └─ PGP, JSON, …: quarantined whole       incomplete  discard
                                                                                  unreadable  quarantined whole
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

from worker.core.errors import CdpollError, StorageFailed, place_of
from worker.core.x12.acknowledgement import acceptance, acceptance_of
from worker.core.x12.answer import Answer, ParsedSet
from worker.core.x12.batch import other_kind, read_batch
from worker.core.x12.envelope import FileEnd
from worker.core.x12.issues import Issue, issue
from worker.core.x12.recognise import HEAD_BYTES, FileKind
from worker.gateways.unpack import NotUnpacked, Stream, members
from worker.rounds.ingest.collecting import seldom
from worker.rounds.ingest.deriving import derive_missing
from worker.rounds.ingest.refusal import PassedOver, cut_at_once, refusal
from worker.store.batch import batches, keeping
from worker.store.batch.batches import Source, Staging, State
from worker.store.batch.lock import IngestLock
from worker.store.batch.rehearsal import Rehearsal
from worker.store.batch.rows import Counts
from worker.store.db.store import Store

PIECE = 1024 * 1024

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the size of the file."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file. ``number`` is its row, if it has one."""

    name: str
    sha256: str
    size: int
    state: str
    counts: Counts = field(default_factory=Counts)
    warnings: tuple[Issue, ...] = ()
    reason: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """A file to read: open in binary mode, at its beginning, and seekable."""

    file: BinaryIO
    name: str
    source: Source
    replaces: int | None = None
    """The row of the file in quarantine that this is."""
    hold_test: bool = False
    """Hold back what is marked as a test in it."""


class _Warnings:
    """The file's own issues, and those of its sets and answers by code, with how often and where first."""

    def __init__(self) -> None:
        self._file: list[Issue] = []
        self._more = 0
        self._counted: dict[str, tuple[Issue, int, int]] = {}
        self._set = 0

    def of_set(self, issues: tuple[Issue, ...]) -> None:
        self._set += 1
        if issues:
            self.of_answer(issues)

    def of_answer(self, issues: tuple[Issue, ...]) -> None:
        for one in issues:
            first, at, count = self._counted.get(one.code, (one, self._set, 0))
            self._counted[one.code] = (first, at, count + 1)

    def note(self, one: Issue) -> None:
        """Of the file as a whole, and said before all others."""
        self._file.insert(0, one)

    def of_file(self, end: FileEnd) -> None:
        room = max(0, 100 - len(self._file))
        self._file += end.issues[:room]
        self._more += end.more_issues + len(end.issues[room:])

    def all(self) -> tuple[Issue, ...]:
        found = list(self._file)
        if self._more:
            found.append(Issue("more_warnings", "", f"There are {self._more} more warnings of this kind."))
        for first, at, count in self._counted.values():
            sentence = first.message.partition(" (")[0]
            where = f"set {at}" if count == 1 else f"{count} times, first in set {at}"
            found.append(replace(first, message=f"{sentence} ({where})"))
        return tuple(found)


def ingest(store: Store, given: Given, now: int, *, wait: bool = True, progress: Progress | None = None) -> FileReport:
    """Read one file into the database; harmless to repeat. ``wait`` for another reading that is under way.

    Raises StorageFailed and TryLater; then nothing of the file is visible.
    """
    with IngestLock(store.path, "file", wait=wait), seldom():
        batches.remove_leftovers(store)
        sha256, size = _identity(given.file)
        row = batches.known(store, sha256)
        if row is not None and row["seq"] != given.replaces:
            return _known(given, row)
        derive_missing(store)  # its answers are joined to results that hold the same texts
        reading = _Reading(store, given, sha256, size, now, progress)
        return reading.report(
            lambda: batches.begin(store, given.name, given.source, sha256, size, now, hold_test=given.hold_test)
        )


def rehearse(store: Store, given: Given, now: int, *, progress: Progress | None = None) -> FileReport:
    """What :func:`ingest` would report, with nothing written."""
    sha256, size = _identity(given.file)
    row = batches.known(store, sha256)
    if row is not None:
        return _known(given, row)
    reading = _Reading(store, given, sha256, size, now, progress, dry=True)
    return reading.report(lambda: Rehearsal(store, hold_test=given.hold_test))


def _identity(file: BinaryIO) -> tuple[str, int]:
    digest = hashlib.sha256()
    file.seek(0)
    size = 0
    while piece := file.read(PIECE):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _known(given: Given, row: dict[str, Any]) -> FileReport:
    """A file of which every byte was there before. What is in quarantine or was skipped is still that."""
    counts = Counts(**{name: row[name] for name in Counts.__slots__})
    state = "known" if row["state"] == "ingested" else row["state"]
    warnings = tuple(Issue(**one) for one in json.loads(row["warnings"]))
    return FileReport(given.name, row["sha256"], row["size"], state, counts, warnings, row["reason"], row["seq"])


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


class _Reading:
    """One reading of one file."""

    def __init__(
        self,
        store: Store,
        given: Given,
        sha256: str,
        size: int,
        now: int,
        progress: Progress | None,
        *,
        dry: bool = False,
    ) -> None:
        self.store, self.given, self.sha256, self.size, self.now = store, given, sha256, size, now
        self.dry = dry
        self.progress = progress
        self.warnings = _Warnings()
        self.ends = _Ends()
        self.passed_over = PassedOver()

    def report(self, begin: Callable[[], Staging | Rehearsal]) -> FileReport:
        file = self.given.file
        file.seek(0)
        into: Staging | Rehearsal | None = None
        before = os.fstat(file.fileno())
        try:
            for count, member in enumerate(members(file), 1):
                number = 0 if member.name is None else count
                if self.readable(member.kind, member.head, number):
                    into = into or begin()
                    self.read(into, _Counted(member.stream, file, self.size, self.progress), number)
            if into is not None:
                into.flush()  # here: it writes down the last answers, and whatever they do to our code is caught
        except CdpollError:
            raise
        except OSError as error:
            raise StorageFailed(f"{self.given.name}: {error.strerror}", "is the disk there?") from error
        except Exception as error:
            if not isinstance(error, NotUnpacked):
                # Whatever a file does to our code, it waits for a person, and the others are read.
                self.ends.unreadable = f"A fault in cdpoll itself: {type(error).__name__} at {place_of(error)}."
            elif error.code == "cut_short":
                self.ends.incomplete = error.reason
            else:
                self.ends.unreadable = error.reason
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            self.ends.incomplete = "The file changed while it was being read."
        return self.concluded(into)

    def readable(self, kind: FileKind, head: bytes, number: int) -> bool:
        """Whether it is X12; if not, that is what is wrong with the whole file. ``number`` is that of a zip's member,
        which may be passed over."""
        if kind == "x12" or (kind == "empty" and len(head) == HEAD_BYTES):
            return True  # blanks for longer than was looked at: the reader passes over them
        if number:
            if not self.passed_over.take(number, kind, head):
                self.ends.unreadable = f"Member {number} {refusal(kind, head)}."
        elif kind == "empty":
            self.ends.incomplete = "The file is empty."
        elif cut_at_once(head):
            self.ends.incomplete = "The file ends within its first bytes."
        else:
            self.ends.unreadable = f"The file {refusal(kind, head)}."
        return False

    def read(self, into: Staging | Rehearsal, source: "_Counted", number: int) -> None:
        for tset, judged, reading, issues in read_batch(source):
            if isinstance(tset, FileEnd):
                self.end(tset, number)
            elif judged == "hold" and not other_kind(tset.code):
                self.warnings.of_set(issues)
                into.add(tset, "quarantined", issues)
            elif reading is None:
                self.warnings.of_set(())
                kind = tset.code + _said(acceptance(tset))
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
            said = _said(acceptance_of(code))
            self.ends.acknowledgements[said] = self.ends.acknowledgements.get(said, 0) + 1
        if end.state == "incomplete":
            self.ends.incomplete = where + end.reason
        elif end.state == "unreadable":
            self.ends.unreadable = where + end.reason

    def concluded(self, into: Staging | Rehearsal | None) -> FileReport:
        """Finish or discard what was staged, by what was heard of the file's end."""
        if into is not None:
            into.flush()
        counts = Counts() if into is None else into.counts
        counts.interchanges = self.ends.interchanges
        if counts.test_answers:
            self.warnings.note(issue("test_held", "ISA", f"{counts.test_answers} answers"))
        if self.passed_over.count:
            said = f"{self.passed_over.count} of them; {self.passed_over.first}"
            self.warnings.note(issue("members_passed_over", "", said))
            if into is None and not self.ends.incomplete:
                self.ends.unreadable = self.ends.unreadable or f"Nothing in the zip is X12; {self.passed_over.first}."
        state: State
        if self.ends.incomplete:
            state, reason = "incomplete", self.ends.incomplete
        elif self.ends.unreadable:
            state, reason = "quarantined", self.ends.unreadable
        elif into is None or not (counts.transaction_sets or counts.quarantined_sets or counts.known_sets):
            state, reason = "skipped", self.nothing()
        elif isinstance(into, Staging):
            into.finish(self.warnings.all(), self.given.replaces)
            return self.said("ingested", counts, None, into.file)
        else:
            return self.said("ingested", counts, None, None)
        if isinstance(into, Staging):
            into.discard()
        return self.whole(state, reason)

    def nothing(self) -> str:
        """Why a whole file is skipped."""
        held = [f"{count} of {kind}" for kind, count in sorted(self.ends.others.items())]
        held += [f"{count} TA1{said}" for said, count in sorted(self.ends.acknowledgements.items())]
        return f"The file holds no 271: {', '.join(held)}." if held else "The file holds no transaction set."

    def whole(self, state: State, reason: str) -> FileReport:
        """A file of which no set is kept."""
        counts = Counts(interchanges=self.ends.interchanges)
        if self.dry:
            return self.said(state, counts, reason, None)
        if state == "quarantined":
            keeping.keep_whole(self.store.path, self.given.file, self.sha256)
        number = batches.note_file(
            self.store,
            self.given.name,
            self.given.source,
            self.sha256,
            self.size,
            state,
            reason,
            counts.interchanges,
            self.warnings.all(),
            self.now,
            replaces=self.given.replaces,
        )
        return self.said(state, counts, reason, number)

    def said(self, state: str, counts: Counts, reason: str | None, number: int | None) -> FileReport:
        warnings = self.warnings.all()
        return FileReport(self.given.name, self.sha256, self.size, state, counts, warnings, reason, number)


def _said(acceptance: str) -> str:
    return f" ({acceptance})" if acceptance else ""


class _Counted:
    """A stream that tells how far the file that it comes from has been read."""

    def __init__(self, stream: Stream, file: BinaryIO, size: int, progress: Progress | None) -> None:
        self._stream, self._file, self._size, self._progress = stream, file, size, progress

    def read(self, size: int, /) -> bytes:
        if self._stream is self._file:
            # What was added since the file was measured would be read without end if it is added fast enough.
            size = min(size, max(0, self._size - self._file.tell()))
        piece = self._stream.read(size)
        if self._progress is not None:
            self._progress(self._file.tell(), self._size)
        return piece
