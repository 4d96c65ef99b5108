"""A database, a drop, and rounds between them, at times that the tests set."""

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.database import MACHINE
from tests.support.engine import elsewhere
from tests.support.frozen_clock import FrozenClock
from tests.support.kept_log import KeptLog
from tests.support.sshd import Sshd
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.daemon.drop_lane import whole_round
from worker.daemon.lane import Surroundings
from worker.gateways.sftp.drop import DropSettings
from worker.place import DatabasePlace
from worker.rounds.drop.work import DropOutcome, DropRules, DropWork
from worker.store.batch import keeping
from worker.store.opening import open_store
from worker.store.views import status as look
from worker.store.views.problems import StatusRules

SETTLE, EVERY = 30_000, 300_000


class SettlingClock(FrozenClock):
    """Waiting for a file to settle lets the time pass; what watches a connection waits until the test does."""

    def __init__(self) -> None:
        super().__init__(held=True)

    def wait(self, event: threading.Event, ms: int) -> bool:
        if ms != SETTLE:
            return super().wait(event, ms)
        self.advance(ms)
        return event.is_set()


class DropRounds:
    """A database, and rounds over a drop that any server has."""

    def __init__(self, folder: Path, drop: DropSettings) -> None:
        self.path = folder / "data" / "cdpoll.db"
        self.place = DatabasePlace(self.path)
        self.clock, self.log, self.stop = SettlingClock(), KeptLog(), threading.Event()
        self.rules = DropRules(drop, SETTLE, EVERY)

    def round(self, *, patient: bool = False, wait: int = 0, **changes: Any) -> DropOutcome:
        """One round, ``wait`` ms after the last."""
        self.clock.at += wait
        with open_store(self.place, create=True) as store:
            work = DropWork(store, replace(self.rules, **changes), self.log, patient)
            return whole_round(work, Surroundings(self.clock, self.log, self.stop, patient))

    def states(self, *, patient: bool = True, **changes: Any) -> list[tuple[str, str]]:
        return [(one.name, one.state) for one in self.round(patient=patient, **changes).reports]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return elsewhere(self.path, sql)

    def incoming(self) -> list[str]:
        return sorted(path.name for path in (self.path.parent / keeping.INCOMING).iterdir())


class DropHouse(DropRounds):
    """The same with a drop on a real OpenSSH server."""

    def __init__(self, folder: Path, server: Sshd) -> None:
        super().__init__(folder, server.settings("*.x12", "*.x12_*"))
        self.drop = server.drop

    def put(self, name: str, text: str | bytes, age: int = 100) -> Path:
        path = self.drop / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
        return path


def batch(*members: str) -> str:
    return interchange(
        group(*(a_set(subscriber(ACTIVE, member=one), control=f"{n:04d}") for n, one in enumerate(members)))
    )


def problems(rounds: DropRounds) -> dict[str, str]:
    """What `status` names of the drop, by its code."""
    with open_store(rounds.path) as store:
        found = look.status(store, rounds.clock.at, StatusRules(every_ms=EVERY), MACHINE)["problems"]
    return {one["code"]: one["hint"] for one in found if one["code"] != "daemon_down"}
