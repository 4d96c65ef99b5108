"""What the steps of one round over the drop share: the rules, the outcome, and the steps that are still to be taken."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from worker.core.instant import FAR
from worker.gateways.sftp.drop import Drop, DropSettings, RemoteFile, SftpFailed
from worker.rounds.ingest.batch_file import Progress
from worker.rounds.ingest.file_report import FileReport
from worker.rounds.log_edges import Log
from worker.store.batch import keeping
from worker.store.db.store import Store

# The codes of failures that concern one file: the round goes on with the next file.
OF_ONE_FILE = {"changing", "vanished", "permission", "refused"}

# The gateway ends each of its own operations within 30 s. A step uses at most five of them (to connect, to log in, to
# open SFTP, to list, to close), and waits at most 5 s for the lock of the database, a few times.
STEP_BOUND_MS = 300_000

# The gateway gives up a download that is slower than this; what is read from our own disk is far faster.
SLOWEST_BYTES_PER_MS = 16


@dataclass(frozen=True, slots=True)
class DropRules:
    """What a round works by. ``after`` is leave, move or delete; ``settle`` and ``every`` are ms."""

    drop: DropSettings
    settle: int
    every: int
    after: str = "leave"
    move_to: str | None = None
    hold_test: bool = False
    archive: str | None = None


@dataclass(slots=True)
class DropOutcome:
    """What a round did. ``failure`` is what ended it early; ``next_at`` (ms) is when the next round is wanted."""

    reports: list[FileReport] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Files that are gone from the drop before they came whole, and were not found anywhere."""
    failure: SftpFailed | None = None
    next_at: int = 0


@dataclass(slots=True)
class DropWork:
    """The state of one round. It is memory only: what must survive the process stands in the rows of the files.

    ``patient``: wait ``settle`` for files that are new and for another process that reads a file in, and try again at
    once those files that wait for their next attempt. ``progress`` makes the reporter for a file's (name, size).
    """

    store: Store
    rules: DropRules
    log: Log
    patient: bool = False
    progress: Callable[[str, int], Progress | None] | None = None
    outcome: DropOutcome = field(default_factory=DropOutcome)
    steps: "deque[Step]" = field(default_factory=deque)
    wait_until: int = 0
    """The next step is not wanted before this instant (ms)."""
    connection: Drop | None = None
    listed: dict[bytes, RemoteFile] = field(default_factory=dict)
    """The latest listing, by name."""

    @property
    def drop(self) -> Drop:
        """The connection; the step that opens it comes before all that use it."""
        assert self.connection is not None
        return self.connection

    @property
    def incoming(self) -> Path:
        """The private folder into which files are fetched."""
        return keeping.folder(self.store.path, keeping.INCOMING)

    def first(self, *steps: "Step") -> None:
        """Put ``steps`` before all those that are still to be taken."""
        self.steps.extendleft(reversed(steps))


class Step(NamedTuple):
    """One bounded piece of a round. ``take`` gets the instant (ms) at which it begins.

    ``size`` is that of the file (bytes) that the step moves or reads; it makes the bound longer.
    """

    take: Callable[[DropWork, int], object]
    size: int = 0

    def bound_ms(self, *, patient: bool) -> int:
        """The longest that the step may take. A patient round waits for another process without a limit."""
        return FAR if patient else STEP_BOUND_MS + max(0, self.size) // SLOWEST_BYTES_PER_MS


# Of the bound of a round that is still to be begun: its first step moves no file.
FIRST_STEP = Step(lambda _work, _now: None)
