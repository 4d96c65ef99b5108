"""The daemon's loop in this process, on a clock that stands still: passes are made by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.cdpoll_process import House
from tests.support.database import MACHINE
from tests.support.frozen_clock import FrozenClock
from tests.support.kept_log import KeptLog
from worker.clock import Clock
from worker.config import load
from worker.daemon.loop import Loop
from worker.daemon.orders import Orders
from worker.gateways.signals import Signals
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.views.problems import StatusRules, problems


@dataclass(slots=True)
class ByHand:
    """The loop, and what it works with."""

    loop: Loop
    store: Store
    clock: FrozenClock
    log: KeptLog
    signals: Signals

    def problems(self) -> dict[str, str]:
        """What `status` says to a person, by code."""
        found = problems(self.store, self.clock.now(), StatusRules(self.loop.schedule), MACHINE, alive=True)
        return {problem.code: problem.hint for problem in found}


@contextmanager
def loop_by_hand(house: House, orders: Orders | None = None) -> Iterator[ByHand]:
    """The loop at the time at which ids were recorded; its lanes' threads are not started."""
    clock, log, signals = FrozenClock(Clock().now()), KeptLog(), Signals()
    with open_store(house.database, create=True) as store:
        loop = Loop(load(str(house.config), {}), orders or Orders(), clock, signals, store, log)
        try:
            yield ByHand(loop, store, clock, log, signals)
        finally:
            loop.close()
            if loop._notify._socket is not None:
                loop._notify._socket.close()
