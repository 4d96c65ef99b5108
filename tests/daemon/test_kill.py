"""``kill -9`` at chosen moments: what was acknowledged is never lost, and every task is concluded once.

The commands run as children of a process that has imported everything already, so that many can be killed in a few
seconds; each child is the real command line from its first line to its end. A child dies at a statement of its own
(tests/support/mortal.py), or the vendor kills it at one of its requests.
"""

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

from sandbox.server import Sandbox
from sandbox.wire import Reply, Request
from tests.support.cdpoll_process import DEADLINE, ROOT, House, begin
from tests.support.mortal import KILLED, Moment
from worker.clock import Clock

STARTER = """
import json, os, sys
import cli.record, cli.run, worker.daemon, worker.store.schema.migrations
from cli.main import call
from tests.support.mortal import Moment, die_at

for line in sys.stdin:
    args, moment = json.loads(line)
    pid = os.fork()
    if not pid:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        if moment:
            die_at(Moment(*moment))
        os._exit(call(args))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Starter:
    """Runs one command at a time: :meth:`start`, then :meth:`end`."""

    def __init__(self, house: House) -> None:
        self._house = house
        with house.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", STARTER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                cwd=ROOT,
                env=house.environment(),
            )

    def start(self, *args: str, last: Moment | None = None) -> int:
        """Start a command that dies at the moment ``last``; its process id."""
        assert self.process.stdin is not None
        line = json.dumps([["--config", str(self._house.config), *args], last])
        self.process.stdin.write(line.encode() + b"\n")
        return self._number()

    def end(self) -> int:
        """Wait for the end of the command; its exit code."""
        return self._number()

    def call(self, *args: str, last: Moment | None = None) -> int:
        self.start(*args, last=last)
        return self.end()

    def _number(self) -> int:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], DEADLINE)[0], "the command neither ended nor died"
        return int(self.process.stdout.readline())


@contextmanager
def starter(house: House) -> Iterator[Starter]:
    one = Starter(house)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.communicate()


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
    with starter(house) as hand:
        left = list(ids)
        while left:
            some = left[: chance.randint(1, 4)]
            command = ("record", *some, "--ref", some[0])
            moment = next(moments)
            assert hand.call(*command, last=moment) in KILLED
            found = {i for (i,) in house.rows("SELECT id FROM tasks")} & set(some)
            if moment.where != "within":
                assert found == (set(some) if moment == Moment("COMMIT", where="after") else set()), moment
            assert found in (set(), set(some))
            assert hand.call(*command) == 0
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
    wanted = int(os.environ.get("KILLS", "30"))
    seed = 2026 if wanted == 30 else random.SystemRandom().getrandbits(32)
    print("seed", seed)
    chance = random.Random(seed)
    with Sandbox(Clock(), speed=100) as sandbox:
        endless = begin(sandbox, 4, "SBX-NEVER")
        ids = begin(sandbox, 200, "SBX-SECONDS", first=4)
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
        with starter(house) as hand:
            while kills < wanted or any(recorder.is_alive() for recorder in recorders):
                if kills % 3:
                    deadly.aim(hand.start("run"), chance.randint(1, 12), chance.random() < 0.5)
                else:
                    hand.start("run", last=next(moments))
                assert hand.end() in KILLED
                kills += 1
            for recorder in recorders:
                recorder.join()
            assert acknowledged == set(ids), "a recorder failed: see above"
            assert house.value("PRAGMA integrity_check") == "ok"
            assert {i for (i,) in house.rows("SELECT id FROM tasks")} == {*endless, *ids}
            assert {state for (state,) in house.rows("SELECT state FROM tasks WHERE outcome IS NULL")} == {"pending"}
            for task_id in endless:
                assert hand.call("abandon", task_id) == 0
            assert hand.call("run", "--until-idle") == 0, "something was left unfinished"
        states = dict(house.rows("SELECT id, state FROM tasks"))
        assert states == dict.fromkeys(endless, "abandoned") | dict.fromkeys(ids, "concluded")
        assert house.rows("SELECT count(*), count(DISTINCT task), max(revision) FROM results") == [(200, 200, 1)]
        told = {task.id: task.status_at(sandbox.clock.now()) for task in sandbox.tasks}
        outcomes = dict(house.rows("SELECT id, outcome FROM tasks WHERE state = 'concluded'"))
        assert outcomes == {task_id: told[task_id] for task_id in ids}
        assert house.value("SELECT count(*) FROM history WHERE event = 'concluded'") == 200
