"""One round over the SFTP drop: list, fetch what is settled, read it in, and only then touch it on the server.

::

    recover ──► connect ──► list ──► note ──► fetch ──► read in ──► tidy ──► retrieve ──► finish
                            same size and     one file a step,      move or  what is gone
                            time at two       its row says how      delete   from the drop,
                            listings          far it has come                in the archive

Each word is a step, and :meth:`DropRound.run` takes one. A step may put others before those that are still to come: the
listing plans a fetch for each settled file, each fetch plans the reading.

If the process ends in the middle, the next round continues from the rows of the files. It first reads in the bytes in
``incoming/``: the server may have moved the files away when we read them.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from worker.core.instant import iso
from worker.gateways.sftp.drop import Drop, SftpFailed
from worker.rounds.drop.archive import retrieve
from worker.rounds.drop.listing import list_drop, settle
from worker.rounds.drop.messages import over
from worker.rounds.drop.recover import recover
from worker.rounds.drop.tidying import tidy
from worker.rounds.drop.work import DropOutcome, DropWork, Step
from worker.store.batch import remote
from worker.store.batch.lock import IngestLock
from worker.store.state import drop as rounds
from worker.store.state import logins

_AT_ONCE = "a reload of the daemon, or `cdpoll ingest` at a terminal, tries at once"

# After a failure of the connection the next round comes sooner than usual.
RETRY_MS = 60_000

# In one round; each that breaks costs half a minute if the server is silent.
MOST_CONNECTIONS = 8

# Between two rounds at least.
SHORTEST_WAIT_MS = 1_000

# So long a round that a person asks for waits for the end of another one.
OTHER_ROUND_MS = 5_000


class DropRound:
    """A round under way. It holds a lock against other rounds, and the connection, until :meth:`close`."""

    def __init__(self, work: DropWork, connect: Callable[[], AbstractContextManager[Drop]], now: int) -> None:
        """Raises TryLater while another process makes a round; a patient one waits some seconds for its end."""
        self._work = work
        self._connect = connect
        self._held = ExitStack()
        self._line = self._held.enter_context(ExitStack())
        self._drop: Drop | None = None
        self._connections = 0
        patience_ms = OTHER_ROUND_MS if work.patient else 0
        self._held.enter_context(IngestLock(work.store, "round", now, wait=False, patience_ms=patience_ms))
        steps = (recover, self._open, list_drop, settle, tidy, retrieve, _finish)
        work.steps.extend(Step(take) for take in steps)

    @property
    def outcome(self) -> DropOutcome:
        """What was done so far."""
        return self._work.outcome

    @property
    def over(self) -> bool:
        """Whether the last step was taken."""
        return not self._work.steps

    @property
    def bound_ms(self) -> int:
        """The longest that the next step may take."""
        return self._work.steps[0].bound_ms(patient=self._work.patient)

    def run(self, now: int) -> int:
        """Take one step; when the next is wanted (ms), or the next round if this one is over.

        Raises TryLater while another process reads a file in (unless the round is patient), and StorageFailed. Nothing
        is lost by either: what was fetched is read in by the next round.
        """
        step = self._work.steps.popleft()
        try:
            step.take(self._work, now)
        except SftpFailed as failure:
            self.outcome.failure = failure
            self._work.steps.clear()
            self._work.steps.append(Step(_finish))
        if self.over:
            self.close()
            return self.outcome.next_at
        wanted, self._work.wait_until = max(now, self._work.wait_until), 0
        return wanted

    def close(self) -> None:
        """Close the connection and release the lock; the round may be at any step."""
        self._held.close()

    def _open(self, work: DropWork, now: int) -> None:
        waits = logins.next_at(work.store, now)
        if waits and not work.by_hand:
            message = f"the server refused our login; the next attempt is at {iso(waits)}"
            raise SftpFailed("login_waits", message, _AT_ONCE)
        with work.store.write():
            rounds.begin(work.store, now)
        work.connected = self._connected
        self._connected()
        logins.went_well(work.store)

    def _connected(self) -> Drop:
        """The connection; a new one where the last is broken. Some servers hang up after they refused a file."""
        before = self._drop
        if before is not None and not before.broken:
            return before
        self._line.close()
        try:
            if self._connections == MOST_CONNECTIONS:
                what = f"the connection broke {MOST_CONNECTIONS} times in one round"
                raise SftpFailed("cut", what, "the next round goes on with the files that were not tried yet")
            self._connections += 1
            self._drop = self._line.enter_context(self._connect())
        except SftpFailed as failure:
            self._work.no_connection = failure
            raise
        if before is not None:
            self._drop.answers_looks = before.answers_looks
        return self._drop


def _finish(work: DropWork, now: int) -> None:
    failure = work.outcome.failure
    if failure is not None and failure.after_proof:
        with work.store.write():
            at = logins.refused(work.store, now)
        failure.hint = f"{failure.hint} (next attempt at {iso(at)}; {_AT_ONCE})"
    over(work.store, work.log, work.outcome, now, always=work.patient)
    waits = logins.next_at(work.store, now)
    if waits:
        # Another process may be let in meanwhile; then this one goes on after `every`.
        work.outcome.next_at = min(waits, now + work.rules.every)
    elif failure is not None:
        work.outcome.next_at = now + min(RETRY_MS, work.rules.every)
    else:
        wanted, usual = remote.next_wanted(work.store, work.rules.settle), now + work.rules.every
        work.outcome.next_at = usual if wanted is None else max(now + SHORTEST_WAIT_MS, min(usual, wanted))
    with work.store.write():
        rounds.plan(work.store, work.outcome.next_at)
