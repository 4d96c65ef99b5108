"""The lane of the SFTP drop: one round after the other, a step at a time."""

from contextlib import AbstractContextManager, closing
from functools import partial

from worker.config import Config
from worker.config.settings import SftpSection
from worker.core.errors import TryLater
from worker.core.instant import FAR
from worker.core.x12.batch import HoldRules
from worker.daemon.lane import LanePlan, Surroundings
from worker.daemon.orders import Orders
from worker.gateways.sftp.drop import Drop, DropSettings, Server, connect
from worker.rounds.drop.round import DropRound
from worker.rounds.drop.work import FIRST_STEP, DropOutcome, DropRules, DropWork
from worker.store.db.store import Store
from worker.store.state import drop as rounds


def plan(config: Config, orders: Orders) -> LanePlan | None:
    """The lane, where there is a drop. Raises BadConfiguration for a secret that cannot be read."""
    if config.sftp is None or orders.only is not None:
        return None
    return LanePlan("drop", "a round over the drop failed", partial(DropLane, rules_of(config.sftp)))


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
    return DropRules(
        settings,
        sftp.settle_ms,
        sftp.every_ms,
        sftp.after,
        sftp.move_to,
        HoldRules(sftp.hold_test, sftp.receiver or ()),
        sftp.archive,
    )


# How soon it is looked again whether another process, or another host, has ended its round.
LOOK_AGAIN_MS = 5_000


class DropLane:
    """A step of the lane is a step of its round. A run that ends by itself makes a single, patient round.

    Hosts that share a database make one round at a time, and in all as many as one alone. Each begins with a round:
    bytes that were fetched before may lie there.
    """

    def __init__(self, rules: DropRules, store: Store, around: Surroundings) -> None:
        self.idle = False
        self.exit_code = 0
        self._rules = rules
        self._store = store
        self._around = around
        self._round: DropRound | None = None
        self._begun = False

    @property
    def bound_ms(self) -> int:
        """That of the round's next step, by the size of its file (see worker/rounds/drop/work.py)."""
        return FIRST_STEP.bound_ms(patient=self._around.once) if self._round is None else self._round.bound_ms

    def run(self, now: int) -> int:
        if self.idle and self._around.once:
            return FAR
        if self._round is None:
            planned = rounds.planned(self._store) if self._begun else None
            if planned is not None and now < planned <= now + self._rules.every:
                return planned
            work = DropWork(self._store, self._rules, self._around.log, self._around.once)
            try:
                self._round = DropRound(work, lambda: connected(self._rules, self._around), now)
            except TryLater:
                if self._around.once:
                    raise
                return now + LOOK_AGAIN_MS
            self._begun = True
        next_at = self._round.run(now)
        self.idle = self._round.over
        if self.idle:
            failure = self._round.outcome.failure
            self.exit_code = failure.as_error().exit_code if failure is not None else 0
            self._round = None
        return next_at

    def close(self) -> None:
        if self._round is not None:
            self._round.close()


def connected(rules: DropRules, around: Surroundings) -> AbstractContextManager[Drop]:
    """A connection to the drop, for a round."""
    return connect(rules.drop, around.clock, around.stop, moving=around.moves)


def whole_round(work: DropWork, around: Surroundings) -> DropOutcome:
    """All steps of one round in this thread, until it is told to stop. Raises TryLater and StorageFailed."""
    clock, stop = around.clock, around.stop
    under_way = DropRound(work, lambda: connected(work.rules, around), work.store.now(clock))
    with closing(under_way):
        while not stop.is_set():
            next_at = under_way.run(work.store.now(clock))
            if under_way.over:
                break
            clock.wait(stop, next_at - work.store.now(clock))
    return under_way.outcome
