"""From ``[sftp]`` to what a round over the drop works by, and the thread that makes these rounds."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from worker.clock import Clock
from worker.config.settings import SftpSection
from worker.core.errors import StorageFailed, TryLater, place_of
from worker.gateways.sftp.drop import DropSettings, Server, connect
from worker.rounds.drop.round import DropRound
from worker.rounds.drop.work import DropOutcome, DropRules, DropWork
from worker.rounds.ingest.batch_file import Progress
from worker.rounds.ingest.deriving import derive_missing
from worker.rounds.log_edges import Log
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import notices


def rules_of(sftp: SftpSection) -> DropRules:
    """The rules as configured. Raises BadConfiguration for a secret that cannot be read."""
    for secret in (sftp.key_passphrase, sftp.password):
        if secret:
            secret.reveal()  # once here, so that a missing secret is an error of the start
    server = Server(
        sftp.host,
        sftp.port,
        sftp.username,
        sftp.known_hosts,
        sftp.algorithms,
        sftp.key_file,
        sftp.key_passphrase.reveal if sftp.key_passphrase else None,
        sftp.password.reveal if sftp.password else None,
    )
    settings = DropSettings(server, sftp.drop, sftp.include, sftp.exclude or ())
    return DropRules(settings, sftp.settle_ms, sftp.every_ms, sftp.after, sftp.move_to, sftp.hold_test, sftp.archive)


def one_round(
    store: Store,
    rules: DropRules,
    clock: Clock,
    stop: threading.Event,
    log: Log,
    *,
    patient: bool = False,
    progress: Callable[[str, int], Progress | None] | None = None,
) -> DropOutcome:
    """All steps of one round, until ``stop`` is set. Raises TryLater and StorageFailed as DropRound does."""
    work = DropWork(store, rules, log, patient, progress)
    with contextlib.closing(DropRound(work, lambda: connect(rules.drop, clock, stop))) as made:
        while not stop.is_set():
            next_at = made.run(clock.now())
            if made.over:
                break
            if (wait := next_at - clock.now()) > 0:
                clock.wait(stop, wait)
    return made.outcome


# After a failure of the storage, or while somebody else reads batches in, ms.
AGAIN = 5_000

LONGEST_WAIT = 60_000


class DropLane:
    """The thread that makes rounds over the drop, with a store of its own; it never delays polling.

    Results whose 271 texts were not read when they were kept are read here as well: both take their time. With
    ``once`` it makes a single round, and waits for files that are still settling.
    """

    def __init__(self, store: tuple[Path, str], rules: DropRules, clock: Clock, log: Log, *, once: bool) -> None:
        self._path, self._journal = store
        self._rules = rules
        self._clock = clock
        self._log = log
        self._once = once
        self._stop = threading.Event()
        self.exit_code = 0  # of the last round, as `run --once` says it
        self._thread = threading.Thread(target=self._work, name="drop", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether the single round has been made."""
        return not self._thread.is_alive()

    def stop(self, patience: float = 40.0) -> None:
        """End; what is under way on the network is let go. Nothing is lost: the next round goes on from there."""
        self._stop.set()
        self._thread.join(patience)

    def _work(self) -> None:
        said: str | None = None
        while not self._stop.is_set():
            try:
                self._rounds()
                return
            except (StorageFailed, TryLater) as error:
                self.exit_code = error.exit_code
                word, hint = type(error).__name__, error.hint
            except Exception as error:
                # Nothing may end this thread in silence; the place is enough to find the fault, and holds no data.
                self.exit_code = 70
                word, hint = f"{type(error).__name__} at {place_of(error)}", "please report that line"
                self._raise_notice(word)
            if said != word and word != "TryLater":
                self._log.warning("a round over the drop failed", error=word, hint=hint, again=not self._once)
            if self._once:
                return
            said = word
            self._clock.wait(self._stop, AGAIN)

    def _raise_notice(self, place: str) -> None:
        """Have `status` say it, if the database can be written; the log says it anyway."""
        with contextlib.suppress(StorageFailed, TryLater), open_store(self._path, self._journal, timeout=5.0) as store:
            detail = f"a fault in cdpoll itself, {place}: please report that line"
            with store.write():
                notices.put(store, "internal_fault", detail, self._clock.now())

    def _rounds(self) -> None:
        with open_store(self._path, self._journal, timeout=5.0) as store:
            while not self._stop.is_set():
                outcome = one_round(store, self._rules, self._clock, self._stop, self._log, patient=self._once)
                self.exit_code = outcome.failure.as_error().exit_code if outcome.failure is not None else 0
                while derive_missing(store) and not self._stop.is_set():
                    pass
                if self._once:
                    return
                # By the monotonic clock: one that is set back must not silence the rounds.
                until = self._clock.monotonic() + max(0, outcome.next_at - self._clock.now())
                while (left := until - self._clock.monotonic()) > 0 and not self._stop.is_set():
                    self._clock.wait(self._stop, min(LONGEST_WAIT, left))
