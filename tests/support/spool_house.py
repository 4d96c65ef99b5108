"""A database, a spool, and the lane between them, turned by hand at times that the tests set."""

import random
import threading
import uuid
from pathlib import Path
from typing import Any

from tests.support.engine import elsewhere
from tests.support.frozen_clock import FrozenClock
from tests.support.kept_log import KeptLog
from worker.core.schedule.cadence import Schedule
from worker.daemon.lane import Surroundings
from worker.daemon.spool_lane import SpoolLane
from worker.gateways.spool.folder import SpoolFolder
from worker.rounds.spool.rules import PATIENCE_MS, SETTLE_MS, SpoolRules
from worker.store.opening import open_store
from worker.store.state import spool as row

EVERY_MS, KEEP_MS = 2_000, 86_400_000


class SpoolHouse:
    """The lane is made anew by :meth:`start`, as where the process is."""

    def __init__(self, folder: Path, *, once: bool = False) -> None:
        self.path = folder / "spool"
        self.database = folder / "data" / "cdpoll.db"
        # Later than the times that the kernel gives to the files of the test.
        self.clock, self.log, self.stop = FrozenClock(), KeptLog(), threading.Event()
        self.rules = SpoolRules(EVERY_MS, KEEP_MS, Schedule(), "https://api.example")
        self.once = once
        self.store = open_store(self.database, create=True)
        self.start()

    def start(self) -> None:
        around = Surroundings(self.clock, self.log, self.stop, self.once)
        folder = SpoolFolder(self.path)
        folder.open()
        self.lane = SpoolLane(folder, self.rules, self.store, around)

    def restart(self) -> None:
        """As after ``kill -9``: nothing of its memory is left."""
        self.lane.close()
        self.start()

    def close(self) -> None:
        self.lane.close()
        self.store.close()

    def leave(self, name: str, data: bytes | str) -> Path:
        path = self.path / "in" / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def look(self, wait_ms: int = 0) -> None:
        """All steps of one look, after some time."""
        self.clock.advance(wait_ms)
        wanted = self.clock.now()
        for _ in range(10_000):
            wanted = self.lane.run(self.clock.now())
            if wanted > self.clock.now() or self.stop.is_set():
                return
        raise AssertionError("the look has no end")

    def settle(self) -> None:
        """What lies there is taken; what cannot be read is still given its time."""
        self.look()
        self.look(SETTLE_MS)

    def judge(self) -> None:
        """Until nothing waits."""
        self.settle()
        self.look(PATIENCE_MS)
        self.look()

    def listed(self, folder: str) -> list[str]:
        """The names there, without the instant before them."""
        found = [path.name for path in (self.path / folder).iterdir() if path.name != ".lane"]
        return sorted(name.partition("Z-")[2] if folder == "done" else name for name in found)

    def bad(self) -> dict[str, str]:
        """The bad files, each with its reason."""
        folder = self.path / "bad"
        found = [name for name in self.listed("bad") if not name.endswith(".why")]
        return {name: (folder / f"{name}.why").read_text() for name in found}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return elsewhere(self.database, sql)

    def ids(self) -> list[str]:
        return [task_id for (task_id,) in self.rows("SELECT id FROM tasks ORDER BY seq")]

    @property
    def seen(self) -> row.SpoolSeen:
        return row.get(self.store)


def new_ids(count: int, seed: int = 1) -> list[str]:
    """Ids as the vendor has them, the same for the same seed."""
    chance = random.Random(seed)
    return [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(count)]
