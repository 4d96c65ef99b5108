"""One round over the SFTP drop: look, fetch what is settled, read it in, and only then touch it on the server.

::

    list ──► settled? ──► fetch to incoming/ ──► note it ──► ingest() ──► note it ──► move or delete (as configured)
             same size and time at two            the bytes are              its commit
             looks, `settle` apart                on our disk

Whatever ends the process, the next round goes on where the row of the file says it was: bytes in ``incoming/`` are read
in before anything else, for the server may have moved the file away when we read it. The round has a thread and a store
of its own and never delays polling.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from worker.core.instant import FAR
from worker.gateways.sftp.drop import Drop, DropSettings, RemoteFile, SftpFailed, connect
from worker.gateways.sftp.landing import remove_partial
from worker.rounds.drop.messages import came_in, lost, over
from worker.rounds.ingest.batch_file import FileReport, Given, Progress, ingest
from worker.rounds.log_edges import Log
from worker.store.batch import batches, keeping, remote
from worker.store.batch.lock import IngestLock
from worker.store.batch.remote import Remote
from worker.store.db.store import Store
from worker.store.state import notices


class Clock(Protocol):
    """The caller's clock; ms."""

    def now(self) -> int: ...
    def monotonic(self) -> int: ...
    def wait(self, event: threading.Event, ms: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What the round works by. ``after`` is leave, move or delete; ``settle`` and ``every`` are ms."""

    drop: DropSettings
    settle: int
    every: int
    after: str = "leave"
    move_to: str | None = None
    hold_test: bool = False
    archive: str | None = None


@dataclass(slots=True)
class Outcome:
    """What a round did. ``failure`` is what ended it early; ``next_at`` (ms) is when it wants to be called again."""

    reports: list[FileReport] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Files that are gone from the drop before they came whole, and were not found anywhere."""
    failure: SftpFailed | None = None
    next_at: int = 0


# These are about one file, and the round goes on with the next.
_OF_ONE_FILE = {"changing", "vanished", "permission", "refused"}

# A server that archives what was opened has the file still.
BY_HAND = "look in the server's archive, and ingest them by hand"

# After a failure of the connection the next look comes sooner than usual.
SOON = 60_000


def one_round(
    store: Store,
    terms: Terms,
    clock: Clock,
    stop: threading.Event,
    log: Log,
    *,
    patient: bool = False,
    progress: Callable[[str, int], Progress | None] | None = None,
) -> Outcome:
    """One round. ``patient``: wait ``settle`` for files that are new, for another reading of files that is under way,
    and try those again that wait to be.

    Raises TryLater while another process is at it, and StorageFailed; nothing is lost by either, and what was fetched
    is read in by the next round.
    """
    with IngestLock(store.path, "round", wait=False):
        return _Round(store, terms, clock, stop, log, patient, progress).run()


class _Round:
    def __init__(
        self,
        store: Store,
        terms: Terms,
        clock: Clock,
        stop: threading.Event,
        log: Log,
        patient: bool,
        progress: Callable[[str, int], Progress | None] | None,
    ) -> None:
        self.store, self.terms, self.clock, self.stop, self.log = store, terms, clock, stop, log
        self.patient, self.progress = patient, progress
        self.incoming = keeping.folder(store.path, keeping.INCOMING)
        self.outcome = Outcome()

    def run(self) -> Outcome:
        server, folder = self.terms.drop.server, self.terms.drop.folder
        remote.bind(self.store, f"{server.username}@{server.host}:{server.port} {folder}")
        remove_partial(self.incoming)
        with IngestLock(self.store.path, "file", wait=self.patient):
            batches.remove_leftovers(self.store)
            keeping.sweep(self.store)
        self.recover()
        try:
            with connect(self.terms.drop, self.clock, self.stop) as drop:
                self.look(drop)
                self.tidy(drop)
                self.retrieve(drop)
        except SftpFailed as failure:
            self.outcome.failure = failure
        over(self.store, self.log, self.outcome.failure, self.clock.now(), always=self.patient)
        self.outcome.next_at = self.next_at()
        return self.outcome

    # -- what a crash left ------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Read in what was fetched before, and what was fetched while this process died."""
        for one in remote.in_state(self.store, "fetched"):
            path = self.incoming / (one.local or "")
            if one.local and path.is_file():
                self.read_in(one, path)
            else:
                remote.move_on(self.store, one, "seen")
        halfway = remote.in_state(self.store, "fetching")
        for path in sorted(self.incoming.iterdir()):
            if path.name.startswith(".") or not path.is_file():
                continue
            # Files are fetched one at a time, so there is hardly ever more than one that this can be.
            whose = next((one for one in halfway if one.size == path.stat().st_size), None)
            if whose is not None:
                halfway.remove(whose)
                remote.move_on(self.store, whose, "fetched", path.name)
                self.read_in(whose, path)
            else:
                self.read_orphan(path)
        for one in halfway:
            remote.again(self.store, one, "interrupted", 0, self.clock.now())

    def read_orphan(self, path: Path) -> None:
        """A file that nobody knows the name of any more; its bytes may be the only ones there are."""
        with path.open("rb") as file:
            given = Given(file, f"recovered {path.name[:12]}", "sftp", hold_test=self.terms.hold_test)
            self.told(ingest(self.store, given, self.clock.now(), wait=self.patient))
        path.unlink(missing_ok=True)

    # -- the drop ---------------------------------------------------------------------------------------------------

    def look(self, drop: Drop) -> None:
        listed = self.listing(drop)
        if self.patient and self.waiting():
            self.clock.wait(self.stop, self.terms.settle)
            listed = self.listing(drop)
        self.outcome.unsettled = [one.shown for one in self.waiting()]
        now = self.clock.now()
        horizon = FAR if self.patient else now
        for one in remote.settled(self.store, now - self.terms.settle, horizon):
            if self.stop.is_set():
                return
            self.fetch(drop, one, listed[one.name])

    def listing(self, drop: Drop) -> dict[bytes, RemoteFile]:
        listed = {one.name: one for one in drop.list()}
        rows = [(one.name, one.text, one.size, one.mtime) for one in listed.values()]
        self.uncover(drop, remote.hidden(self.store, rows))
        remote.look(self.store, rows, self.clock.now())
        return listed

    def waiting(self) -> list[Remote]:
        return remote.unsettled(self.store, self.clock.now() - self.terms.settle)

    def fetch(self, drop: Drop, one: Remote, file: RemoteFile) -> None:
        remote.move_on(self.store, one, "fetching")
        try:
            fetched = drop.fetch(file, self.incoming)
        except SftpFailed as failure:
            remote.again(self.store, one, failure.code, self.terms.every, self.clock.now())
            if failure.code not in _OF_ONE_FILE:
                raise
            self.log.warning("a file of the drop could not be fetched", code=failure.code)
            self.outcome.unsettled.append(one.shown)
            return
        remote.move_on(self.store, one, "fetched", fetched.path.name)
        self.read_in(one, fetched.path)

    def read_in(self, one: Remote, path: Path) -> str:
        """Read a fetched file in; note and return how it ended. Its copy goes once the database has what it holds."""
        with path.open("rb") as file:
            progress = self.progress(one.shown, one.size) if self.progress else None
            given = Given(file, one.shown, "sftp", hold_test=self.terms.hold_test)
            report = ingest(self.store, given, self.clock.now(), wait=self.patient, progress=progress)
            if report.state == "incomplete":
                # It is fetched again; but where the server has moved it away, these bytes are all there is.
                keeping.keep_whole(self.store.path, file, report.sha256)
        self.told(report)
        if report.state == "incomplete":
            remote.again(self.store, one, "incomplete", self.terms.every, self.clock.now())
        else:
            # Of a zip something may have been passed over: what is not here is not deleted there.
            stored = report.state in ("ingested", "known") and not any(
                one.code == "members_passed_over" for one in report.warnings
            )
            remote.move_on(self.store, one, "done", tidy=stored and self.terms.after != "leave")
        path.unlink(missing_ok=True)
        return report.state

    def tidy(self, drop: Drop) -> None:
        """Move or delete on the server what is stored here."""
        if self.terms.after == "leave" or not remote.untidy(self.store):
            return
        self.listing(drop)  # a server that archives what was read has done so by now: then there is nothing to do
        for one in remote.untidy(self.store):
            if self.stop.is_set():
                return
            file = RemoteFile(one.name, one.size, one.mtime)
            try:
                if self.terms.after == "move":
                    drop.move(file, self.terms.move_to or "")
                else:
                    drop.remove(file)
            except SftpFailed as failure:
                if failure.code not in _OF_ONE_FILE:
                    raise
                # What changed is looked at again; a folder that is not there, or may not be written, wants a person.
                if failure.code != "changing":
                    self.outcome.failure = failure
            else:
                remote.forget(self.store, one)

    def retrieve(self, drop: Drop) -> None:
        """Look for files that are gone where the server moves what was opened, if we are told where that is."""
        gone = remote.in_state(self.store, "gone")
        if gone:
            self.missing(self.not_archived(drop, gone))

    def uncover(self, drop: Drop, hidden: list[Remote]) -> None:
        """Likewise for files that others of their names hide: this is the last moment at which they are known."""
        gone = self.not_archived(drop, hidden) if hidden else []
        # One that is not there and was not gone before has only changed.
        if names := [one.shown for one in gone if one.state == "gone"]:
            self.outcome.lost += names
            where = f"another file of its name has come; {BY_HAND}"
            lost(self.store, self.log, names, where, self.clock.now())

    def not_archived(self, drop: Drop, gone: list[Remote]) -> list[Remote]:
        """Fetch and read those that are in the archive; the others."""
        if self.terms.archive is None:
            return gone
        try:
            found = drop.archived(self.terms.archive, [RemoteFile(one.name, one.size, one.mtime) for one in gone])
        except SftpFailed as failure:
            if failure.code != "archive_missing":
                raise
            self.outcome.failure = failure
            return gone
        return [one for one in gone if not self.from_archive(drop, one, found[one.name])]

    def from_archive(self, drop: Drop, one: Remote, candidates: Sequence[RemoteFile]) -> bool:
        """Fetch and read what may be the file; whether there was anything."""
        came = False
        for file in candidates:
            try:
                fetched = drop.fetch(file, self.incoming, archive=self.terms.archive)
            except SftpFailed as failure:
                if failure.code not in _OF_ONE_FILE:
                    raise
                continue
            came = True
            remote.move_on(self.store, one, "fetched", fetched.path.name)
            # Another of its name and size may have been read before; then the next one may be it.
            if self.read_in(one, fetched.path) != "known":
                break
        return came

    def missing(self, gone: list[Remote]) -> None:
        """Tell of what was not found, once, and go on looking for it where there is an archive."""
        self.outcome.lost += [one.shown for one in gone]
        if not self.outcome.lost:
            with self.store.write():
                notices.clear(self.store, "files_lost")
        if names := [one.shown for one in gone if not one.attempts]:
            where = f"{BY_HAND} (or set [sftp] archive)"
            if self.terms.archive is not None:
                where = f"they are looked for in {self.terms.archive} for a week, and were not there"
            lost(self.store, self.log, names, where, self.clock.now())
        for one in gone:
            if self.terms.archive is None:
                remote.forget(self.store, one)
            else:
                remote.missed(self.store, one)

    # -- what is said -----------------------------------------------------------------------------------------------

    def told(self, report: FileReport) -> None:
        self.outcome.reports.append(report)
        came_in(self.log, report)

    def next_at(self) -> int:
        now = self.clock.now()
        if self.outcome.failure is not None:
            return now + min(SOON, self.terms.every)
        wanted = remote.next_wanted(self.store, self.terms.settle)
        usual = now + self.terms.every
        return usual if wanted is None else max(now + 1000, min(usual, wanted))
