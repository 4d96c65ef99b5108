"""What the steps of one round over the drop share: the rules, the outcome, and the steps that are still to be taken."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from worker.core.errors import StorageFailed, TryLater
from worker.core.instant import FAR
from worker.core.x12.batch import TAKE_ALL, HoldRules
from worker.gateways.sftp.drop import Drop, DropSettings, RemoteFile, SftpFailed
from worker.rounds.ingest.batch_file import Progress
from worker.rounds.ingest.file_report import FileReport
from worker.rounds.log_lines import Log
from worker.store.batch import keeping
from worker.store.db.store import Store
from worker.store.state.leases import LeaseLost

# The codes of failures that end a round. Any other that comes while a file is dealt with concerns that file alone, and
# the round goes on with the next one, over a new connection if need be.
OF_ALL_FILES = {"stopped", "local", "drop_missing", "move_to_missing", "archive_missing"}

# The gateway ends each of its own operations within 30 s, and those that list or fetch when nothing came for so long;
# while something comes, the bound begins anew. A step uses at most eight of them (to ask about a file; to connect, to
# log in and to open SFTP; to ask again, to open, to close and to ask once more), and waits at most 5 s for the lock of
# the database, a few times.
STEP_BOUND_MS = 300_000

# How often a fetch renews the lease of its round.
RENEW_MS = 30_000

# What is read from our own disk is far faster.
SLOWEST_BYTES_PER_MS = 16

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class DropRules:
    """What a round works by. ``after`` is leave, move or delete; ``settle`` and ``every`` are ms."""

    drop: DropSettings
    settle: int
    every: int
    after: str = "leave"
    move_to: str | None = None
    hold: HoldRules = TAKE_ALL
    archive: str | None = None


@dataclass(slots=True)
class DropOutcome:
    """What a round did. ``failure`` is what ended it early; ``next_at`` (ms) is when the next round is wanted."""

    reports: list[FileReport] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Files that are gone from the drop before they came whole, and were not found anywhere."""
    failed: list[tuple[str, SftpFailed]] = field(default_factory=list)
    """Files that could not be fetched, moved or deleted, and why. They are tried again."""
    absent: bool = False
    """The drop's folder is not there, and counts as empty."""
    failure: SftpFailed | None = None
    next_at: int = 0


@dataclass(slots=True)
class DropWork:
    """The state of one round. It is memory only: what must survive the process stands in the rows of the files.

    ``patient``: wait ``settle`` for files that are new and for another process that reads a file in, and try again at
    once those files that wait for their next attempt. ``by_hand``: a person waits for it, so log in even if a refusal
    is not long ago. ``progress`` makes the reporter for a file's (name, size).
    """

    store: Store
    rules: DropRules
    log: Log
    patient: bool = False
    by_hand: bool = False
    progress: Callable[[str, int], Progress | None] | None = None
    outcome: DropOutcome = field(default_factory=DropOutcome)
    steps: "deque[Step]" = field(default_factory=deque)
    wait_until: int = 0
    """The next step is not wanted before this instant (ms)."""
    connected: Callable[[], Drop] | None = None
    """Gives the connection, or a new one where that is broken. The step that sets it comes before all that use it."""
    no_connection: SftpFailed | None = None
    """Why there is none any more."""
    links: list[str] = field(default_factory=list)
    """Links that the latest listing had under names that are meant for us: they are told of, and never followed."""
    listed: dict[bytes, RemoteFile] = field(default_factory=dict)
    """The latest listing, by name."""
    renewed_at: int = 0
    """When a fetch last renewed the lease of the round (ms)."""
    told: dict[bytes, RemoteFile] = field(default_factory=dict)
    """What the server said of each file that was fetched in this round, just before that."""

    def ask(self, question: Callable[[Drop], _Answer]) -> _Answer:
        """Ask the drop something; once more over a new connection, where this one breaks before anything is touched."""
        assert self.connected is not None
        try:
            return question(self.connected())
        except SftpFailed as failure:
            if not failure.repeatable or failure is self.no_connection:
                raise
        return question(self.connected())

    def renew(self) -> None:
        """Keep the lease of the round, or raise TryLater where another host has it by now: it makes the round."""
        with self.store.write():
            pass

    def moving(self, _bytes: int) -> None:
        """A fetch moves: it may last for longer than the lease. Raises :class:`LeaseLost`; where the database cannot be
        asked, the fetch goes on."""
        now = 0 if self.store.clock is None else self.store.clock.now()
        if 0 <= now - self.renewed_at < RENEW_MS:
            return
        self.renewed_at = now
        try:
            self.renew()
        except LeaseLost:
            raise
        except (StorageFailed, TryLater):
            pass

    def of_one_file(self, failure: SftpFailed) -> bool:
        """Whether a failure that came while a file was dealt with concerns that file alone."""
        return failure.code not in OF_ALL_FILES and failure is not self.no_connection

    @property
    def incoming(self) -> Path:
        """The private folder into which files are fetched."""
        return keeping.folder(self.store.path, keeping.INCOMING)

    def first(self, *steps: "Step") -> None:
        """Put ``steps`` before all those that are still to be taken."""
        self.steps.extendleft(reversed(steps))


class Step(NamedTuple):
    """One bounded piece of a round. ``take`` gets the instant (ms) at which it begins.

    ``size`` is that of the file (bytes) that the step reads in; it makes the bound longer.
    """

    take: Callable[[DropWork, int], object]
    size: int = 0

    def bound_ms(self, *, patient: bool) -> int:
        """The longest that the step may take. A patient round waits for another process without a limit."""
        return FAR if patient else STEP_BOUND_MS + max(0, self.size) // SLOWEST_BYTES_PER_MS


# Of the bound of a round that is still to be begun: its first step moves no file.
FIRST_STEP = Step(lambda _work, _now: None)
