"""``kill -9`` at random moments: what was acknowledged is never lost, and every task is concluded once.

The commands run as children of a process that has imported everything already, so that many can be killed in a few
seconds; each child is the real command line from its first line to its end.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sandbox.server import Sandbox
from sandbox.wire import Reply, Request
from tests.support.cdpoll_process import DEADLINE, ROOT, House, begin
from worker.clock import Clock
from worker.core.schedule.hazard import BINS, Curve, packed

# Such tasks end in two seconds or so: pages of the list are worth their requests at once.
SOON_OVER = packed(Curve((5.0,) * BINS, (14_000.0,) * BINS))

STARTER = """
import json, os, sys
import cli.record, cli.run, worker.daemon, worker.store.schema.migrations
from cli.main import call

for line in sys.stdin:
    pid = os.fork()
    if not pid:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os._exit(call(json.loads(line)))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Starter:
    """Runs one command at a time; :meth:`start`, perhaps a kill, then :meth:`end`."""

    def __init__(self, house: House) -> None:
        self._house = house
        with house.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", STARTER],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=house.environment(),
            )

    def start(self, *args: str) -> int:
        assert self.process.stdin is not None
        line = json.dumps(["--config", str(self._house.config), *args])
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        return int(self._line())

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@contextmanager
def starter(house: House) -> Iterator[Starter]:
    one = Starter(house)
    try:
        yield one
    finally:
        one.process.communicate(timeout=DEADLINE)


def kill(pid: int) -> None:
    """Kill it, unless it has ended already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


class DeadlyVendor:
    """Kills a process at one of the vendor's requests, before or after the answer is made."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._answer = sandbox.vendor.answer
        self._lock = threading.Lock()
        self._victim: int | None = None
        self._left = 0
        self._before = False
        self.pages = 0
        sandbox.vendor.answer = self.answer  # type: ignore[method-assign]

    def aim(self, pid: int, at: int, before: bool) -> None:
        with self._lock:
            self._victim, self._left, self._before = pid, at, before

    def answer(self, request: Request, now: int) -> Reply:
        with self._lock:
            self._left -= 1
            victim = self._victim if self._left == 0 else None
            self.pages += request.path.endswith("/coverage-discovery")
        if victim is not None and self._before:
            kill(victim)
        reply = self._answer(request, now)
        if victim is not None and not self._before:
            kill(victim)
        return reply


def record_some(house: House, ids: list[str], seed: int, acknowledged: set[str], kills: list[int]) -> None:
    """Record ids a few at a time, until all are acknowledged; half of the commands are killed somewhere."""
    chance = random.Random(seed)
    moment = threading.Event()
    with starter(house) as hand:
        left = list(ids)
        while left:
            some = left[: chance.randint(1, 4)]
            pid = hand.start("record", *some, "--ref", some[0])
            if chance.random() < 0.5:
                moment.wait(chance.uniform(0, 0.06))  # the moment is what is random here
                kill(pid)
            code = hand.end()
            assert code in (0, -signal.SIGKILL), code
            if code == 0:
                acknowledged.update(some)
                left = left[len(some) :]
            else:
                kills.append(pid)


def test_nothing_acknowledged_is_lost_and_every_task_is_concluded_once(tmp_path: Path) -> None:
    chance = random.Random(2026)
    with Sandbox(Clock(), speed=100) as sandbox:
        ids = begin(sandbox, 240, "SBX-SECONDS")
        deadly = DeadlyVendor(sandbox)
        house = House(
            tmp_path,
            sandbox,
            api_timeout="1s",
            polling_max_in_flight="8",
            polling_list_hints="yes",
            polling_page_cost="1",
            polling_price_floor="1s",
        )
        house.record(*ids[:30])
        house.rows("UPDATE schedule SET spared = 10000")
        house.rows("INSERT INTO curves (kind, curve) VALUES ('unseen', ?)", SOON_OVER)
        acknowledged = set(ids[:30])
        record_kills: list[int] = []
        recorders = [
            threading.Thread(target=record_some, args=(house, ids[30 + n :: 2], n, acknowledged, record_kills))
            for n in range(2)
        ]
        for recorder in recorders:
            recorder.start()
        kills = 0
        with starter(house) as hand:
            while kills < 30 or any(recorder.is_alive() for recorder in recorders):
                pid = hand.start("run")
                if kills % 3:
                    deadly.aim(pid, chance.randint(1, 12), chance.random() < 0.5)
                # In the end also where there is nothing to ask for, or where the moment comes before any request.
                last = threading.Timer(0.5 if kills % 3 else chance.uniform(0, 0.2), kill, [pid])
                last.start()
                assert hand.end() == -signal.SIGKILL
                last.cancel()
                last.join()
                kills += 1
            for recorder in recorders:
                recorder.join()
            assert acknowledged == set(ids)
            assert len(record_kills) >= 12
            assert house.value("PRAGMA integrity_check") == "ok"
            assert {i for (i,) in house.rows("SELECT id FROM tasks")} == set(ids)
            patience = threading.Timer(DEADLINE, kill, [hand.start("run", "--until-idle")])
            patience.start()
            assert hand.end() == 0, "something was left unfinished"
            patience.cancel()
            patience.join()
        assert house.rows("SELECT DISTINCT state FROM tasks") == [("concluded",)]
        assert house.rows("SELECT count(*), count(DISTINCT task), max(revision) FROM results") == [(240, 240, 1)]
        told = {task.id: task.status_at(sandbox.clock.now()) for task in sandbox.tasks}
        assert dict(house.rows("SELECT id, outcome FROM tasks")) == told
        assert house.value("SELECT count(*) FROM history WHERE event = 'concluded'") == 240
        assert deadly.pages, "no page of the list was asked for"
