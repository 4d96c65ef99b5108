"""A database, a drop on a real OpenSSH server, and rounds between them, at times that the tests set."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.kept_log import KeptLog
from tests.support.sshd import Sshd
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.clock import Clock
from worker.daemon.drop import one_round
from worker.rounds.drop.work import DropOutcome, DropRules
from worker.store.batch import keeping
from worker.store.db.store import Store

SETTLE, EVERY = 30_000, 300_000


class SetClock(Clock):
    """The time of day is set by the test; waiting for a file to settle sets it forward."""

    at = 1_800_000_000_000

    def now(self) -> int:
        return self.at

    def wait(self, event: threading.Event, ms: int) -> bool:
        if ms == SETTLE:
            self.at += ms
            return event.is_set()
        return super().wait(event, ms)


class DropHouse:
    """A database, a drop, and rounds between them."""

    def __init__(self, folder: Path, server: Sshd) -> None:
        self.server, self.path = server, folder / "data" / "cdpoll.db"
        self.drop = server.drop
        self.clock, self.log, self.stop = SetClock(), KeptLog(), threading.Event()
        self.rules = DropRules(server.settings("*.x12", "*.x12_*"), SETTLE, EVERY)

    def put(self, name: str, text: str | bytes, age: int = 100) -> Path:
        path = self.drop / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
        return path

    def round(self, *, patient: bool = False, wait: int = 0, **changes: Any) -> DropOutcome:
        """One round, ``wait`` ms after the last."""
        self.clock.at += wait
        with Store(self.path) as store:
            rules = replace(self.rules, **changes)
            return one_round(store, rules, self.clock, self.stop, self.log, patient=patient)

    def states(self, *, patient: bool = True, **changes: Any) -> list[tuple[str, str]]:
        return [(one.name, one.state) for one in self.round(patient=patient, **changes).reports]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as conn:
            return conn.execute(sql).fetchall()

    def incoming(self) -> list[str]:
        return sorted(path.name for path in (self.path.parent / keeping.INCOMING).iterdir())


def batch(*members: str) -> str:
    return interchange(
        group(*(a_set(subscriber(ACTIVE, member=one), control=f"{n:04d}") for n, one in enumerate(members)))
    )


@contextmanager
def emptied(server: Sshd) -> Iterator[None]:
    """What a test has put into the drop is taken away after it."""
    yield
    for path in server.drop.rglob("*"):
        if path.is_file():
            path.unlink()
