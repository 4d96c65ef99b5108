"""Several daemons of one database, turned by hand: each with a name, a host and files of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.support.cdpoll_process import House
from tests.support.frozen_clock import FrozenClock
from tests.support.kept_log import KeptLog
from tests.support.loop_by_hand import ByHand
from worker.clock import Clock
from worker.config import load
from worker.core.status_rules import StatusRules
from worker.daemon.loop import Loop
from worker.daemon.orders import Orders
from worker.daemon.problem_watch import EVERY_MS
from worker.gateways.signals import Signals
from worker.place import DatabasePlace
from worker.rounds.machine import from_outside
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.views import status

ROOM_BYTES = 10**12


class Daemons:
    """``place``: a server; ``None``: the file of ``house``, which several then share as one host's processes cannot."""

    def __init__(self, house: House, place: DatabasePlace | None) -> None:
        self.house = house
        self.clock = FrozenClock(Clock().now())
        self._place = place
        self._stack = ExitStack()

    def opened(self, name: str) -> Store:
        """The database as that host opens it."""
        files = self.house.folder / name
        files.mkdir(exist_ok=True)
        if self._place is None:
            store = open_store(self.house.database, create=True)
            store.daemon, store.file = name, files / "cdpoll.db"
        else:
            assert self._place.server is not None
            server = self._place.server._replace(daemon=name)
            store = open_store(self._place._replace(path=files / "cdpoll.db", server=server))
        return self._stack.enter_context(store)

    def start(self, name: str) -> ByHand:
        """A daemon that has made its first pass. It polls nothing."""
        log, signals, store = KeptLog(), Signals(), self.opened(name)
        loop = Loop(load(str(self.house.config), {}), Orders(), self.clock, signals, store, log)
        self._stack.callback(loop.close)
        if loop._poll is not None:
            loop._poll.close()
            loop._poll = None
        made = ByHand(loop, store, self.clock, log, signals)
        loop._put_in_order()
        loop.step()
        return made

    def turn(self, *living: ByHand, ms: int = EVERY_MS) -> None:
        """Time passes, and these make a pass."""
        self.clock.advance(ms)
        for one in living:
            one.loop.step()

    def picture(self, store: Store) -> status.Json:
        """What `status` says on that host."""
        now = self.clock.now()
        machine, _ = from_outside(store, now)
        return status.status(store, now, StatusRules(), machine._replace(free_bytes=ROOM_BYTES))

    def codes(self, store: Store) -> list[tuple[str, str | None]]:
        return [(one["code"], one["daemon"]) for one in self.picture(store)["problems"]]

    def close(self) -> None:
        self._stack.close()


@contextmanager
def several(house: House, place: DatabasePlace | None) -> Iterator[Daemons]:
    found = Daemons(house, place)
    try:
        yield found
    finally:
        found.close()


def told(by: ByHand) -> list[tuple[str, object]]:
    """What its log has said of problems since the last call."""
    lines = [(event, fields.get("code")) for event, fields in by.log.lines if event.startswith("problem")]
    by.log.lines.clear()
    return lines
