"""``kill -9`` at chosen moments: what was acknowledged is never lost, and every task is concluded once.

A command dies at a statement of its own (tests/support/mortal.py), or the vendor kills it at one of its requests.
"""

import os
import random
import signal
import threading
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from sandbox.server import Sandbox
from sandbox.wire import Reply, Request
from tests.support import forks
from tests.support.cdpoll_process import DEADLINE, House, begin
from tests.support.mortal import KILLED, Moment
from worker.clock import Clock


def begun(house: House, *args: str, last: Moment | None = None) -> forks.Forked:
    """Start a command that dies at the moment ``last``."""
    with house.log.open("ab") as log, Path(os.devnull).open("r+b") as null:
        streams = (null.fileno(), null.fileno(), log.fileno())
        return forks.start(("--config", str(house.config), *args), house.environment(), streams, last)


class DeadlyVendor:
    """Kills a process at one of the vendor's requests, before or after the answer is made."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._answer = sandbox.vendor.answer
        self._lock = threading.Lock()
        self._victim: int | None = None
        self._left = 0
        self._before = False
        sandbox.vendor.answer = self.answer  # type: ignore[method-assign]

    def aim(self, pid: int, at: int, before: bool) -> None:
        """Kill ``pid`` at the ``at``-th request from now."""
        with self._lock:
            self._victim, self._left, self._before = pid, at, before

    def answer(self, request: Request, now: int) -> Reply:
        with self._lock:
            self._left -= 1
            victim = self._victim if self._left == 0 else None
        if victim is not None and self._before:
            os.kill(victim, signal.SIGKILL)
        reply = self._answer(request, now)
        if victim is not None and not self._before:
            os.kill(victim, signal.SIGKILL)
        return reply


# Every moment of `record` at which something of it may be on the disk.
RECORDING = (
    Moment("BEGIN"),
    Moment("BEGIN", where="after"),
    Moment("INSERT INTO tasks", where="after"),
    Moment("INSERT INTO refs"),
    Moment("INSERT INTO refs", where="after"),
    Moment("COMMIT"),
    Moment("COMMIT", where="within"),
    Moment("COMMIT", where="after"),
)


def record_some(house: House, ids: list[str], seed: int, acknowledged: set[str]) -> None:
    """Record ids a few at a time, until all are acknowledged; of each few the first command dies on its way."""
    chance = random.Random(seed)
    moments = cycle(RECORDING)
    left = list(ids)
    while left:
        some = left[: chance.randint(1, 4)]
        command = ("record", *some, "--ref", some[0])
        moment = next(moments)
        assert begun(house, *command, last=moment).wait(DEADLINE) in KILLED
        found = {i for (i,) in house.rows("SELECT id FROM tasks")} & set(some)
        if moment.where != "within":
            assert found == (set(some) if moment == Moment("COMMIT", where="after") else set()), moment
        assert found in (set(), set(some))
        assert begun(house, *command).wait(DEADLINE) == 0
        acknowledged.update(some)
        left = left[len(some) :]


def last_moments(chance: random.Random) -> Iterator[Moment]:
    """Where a daemon dies that no request kills: at statements of its start, its passes and its commits."""
    while True:
        yield Moment("", chance.randint(1, 80))
        for where in ("before", "within", "after"):
            yield Moment("COMMIT", chance.randint(1, 12), where)


def test_nothing_acknowledged_is_lost_and_every_task_is_concluded_once(tmp_path: Path) -> None:
    # `make test-long` kills more often, and at other moments each time.
    wanted = int(os.environ.get("KILLS", "15"))
    seed = 2026 if wanted == 15 else random.SystemRandom().getrandbits(32)
    print("seed", seed)
    chance = random.Random(seed)
    with Sandbox(Clock(), speed=100) as sandbox:
        endless = begin(sandbox, 4, "SBX-NEVER")
        ids = begin(sandbox, 100, "SBX-SECONDS", first=4)
        deadly = DeadlyVendor(sandbox)
        house = House(tmp_path, sandbox, api_timeout="1s", polling_max_in_flight="8")
        # The four that never end, so that a request can always be waited for.
        house.record(*endless, *ids[:30])
        acknowledged = set(ids[:30])
        recorders = [
            threading.Thread(target=record_some, args=(house, ids[30 + n :: 2], seed + n, acknowledged))
            for n in range(2)
        ]
        for recorder in recorders:
            recorder.start()
        moments = last_moments(chance)
        kills = 0
        while kills < wanted or any(recorder.is_alive() for recorder in recorders):
            if kills % 3:
                daemon = begun(house, "run")
                deadly.aim(daemon.pid, chance.randint(1, 12), chance.random() < 0.5)
            else:
                daemon = begun(house, "run", last=next(moments))
            assert daemon.wait(DEADLINE) in KILLED
            kills += 1
        for recorder in recorders:
            recorder.join()
        assert acknowledged == set(ids), "a recorder failed: see above"
        assert house.value("PRAGMA integrity_check") == "ok"
        assert {i for (i,) in house.rows("SELECT id FROM tasks")} == {*endless, *ids}
        assert {state for (state,) in house.rows("SELECT state FROM tasks WHERE outcome IS NULL")} == {"pending"}
        house.cdpoll("abandon", *endless, check=0)
        house.cdpoll("run", "--until-idle", check=0)
        states = dict(house.rows("SELECT id, state FROM tasks"))
        assert states == dict.fromkeys(endless, "abandoned") | dict.fromkeys(ids, "concluded")
        counted = "SELECT count(*), count(DISTINCT task), max(revision) FROM results WHERE revision > 0"
        assert house.rows(counted) == [(100, 100, 1)], "what is provisional is no result"
        told = {task.id: task.status_at(sandbox.clock.now()) for task in sandbox.tasks}
        outcomes = dict(house.rows("SELECT id, outcome FROM tasks WHERE state = 'concluded'"))
        assert outcomes == {task_id: told[task_id] for task_id in ids}
        assert house.value("SELECT count(*) FROM history WHERE event = 'concluded'") == 100
