"""The poll round in simulated time: a real store and real threads, and a script in the vendor's place."""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import DEADLINE
from tests.support.engine import elsewhere, hurry
from tests.support.kept_log import KeptLog
from worker.core.intake.intake import Recording
from worker.core.pacing.limiter import RateLimit
from worker.core.schedule.cadence import Schedule
from worker.core.task import Task
from worker.core.vendor.document import Document, read_document
from worker.core.vendor.reply import Concluded, Heard, Reply, Unreachable
from worker.gateways.http.client import HttpClient, tls_context
from worker.gateways.http.pool import Done, Job, Pool
from worker.rounds.poll.poll import PollRound, PollRules
from worker.store.opening import open_store
from worker.store.tasks.recording import record as record_ids

NOW = 1_800_000_000_000
SCHEDULE = Schedule()
TIMEOUT = 30_000
HOUR = 3_600_000
NO_LIMIT = RateLimit(1000, 1000)
TLS = tls_context(None)

Script = Callable[[Job, int], Reply]


@dataclass(frozen=True, slots=True)
class Setup:
    """How a world is set up.

    A job takes ``takes(job)`` simulated ms, and at most its deadline. ``ahead`` is how many jobs may be handed out
    beyond one for each of the ``size`` threads. ``delay_per_request_ms`` is the least one of the learned schedule.
    ``timeout`` is how many seconds the store waits for the write lock; ``now`` is the first instant.
    """

    limit: RateLimit = NO_LIMIT
    size: int = 4
    takes: Callable[[Job], int] = lambda job: 100
    timeout: float = 30.0
    ahead: int | None = 0
    delay_per_request_ms: int | None = None
    now: int = NOW


class Answers(queue.SimpleQueue[Done]):
    """Where the pool's threads put what they are done with; tells when something is put."""

    def __init__(self, changed: threading.Condition) -> None:
        super().__init__()
        self._changed = changed

    def put(self, item: Done, block: bool = True, timeout: float | None = None) -> None:
        with self._changed:
            super().put(item)
            self._changed.notify_all()


class World:
    """The round, its vendor and the time.

    ``asked`` are the requests, ``sent_at`` the instants at which a thread began them.
    """

    def __init__(self, path: Path, script: Script, setup: Setup) -> None:
        self.path = path
        self.now = setup.now
        self.script = script
        self.takes = setup.takes
        self.asked: list[Job] = []
        self.sent_at: list[int] = []
        self.passes = 0
        self.before_sending: Callable[[Job], None] = lambda job: None
        self.polls: dict[int, int] = {}
        self._changed = threading.Condition()
        self._flying: dict[int, tuple[int, threading.Event]] = {}
        self.woken = 0
        self._closing = False
        self.store = open_store(path, timeout=setup.timeout, create=True)
        hurry(self.store)
        self.pool = Pool(setup.size, lambda: HttpClient(TLS, TIMEOUT), self._ask, self._wake, ahead=setup.ahead)
        self.pool._done = Answers(self._changed)
        self.log = KeptLog()
        rules = PollRules(SCHEDULE, setup.limit, TIMEOUT, setup.delay_per_request_ms)
        self.round = PollRound(self.store, self.pool, rules, self.log, self.now)

    def close(self) -> None:
        with self._changed:
            self._closing = True  # a thread that becomes free may begin what was handed out ahead
            for _, landed in self._flying.values():
                landed.set()
        self.pool.close()
        self.store.close()

    def _ask(self, client: HttpClient, job: Job) -> Heard:
        self.before_sending(job)
        client.sent += 1
        landed = threading.Event()
        with self._changed:
            self.asked.append(job)
            n = self.polls[job.seq] = self.polls.get(job.seq, 0) + 1
            self.sent_at.append(self.now)
            self._flying[job.seq] = (self.now + min(self.takes(job), TIMEOUT), landed)
            self._changed.notify_all()
            if self._closing:
                landed.set()
        assert landed.wait(DEADLINE)
        return Heard(Unreachable("timeout") if self.takes(job) >= TIMEOUT else self.script(job, n))

    def _wake(self) -> None:
        with self._changed:
            self.woken += 1

    def record(self, *ids: str) -> None:
        with open_store(self.path, create=True) as other:
            recordings = [Recording(task_id, "id") for task_id in ids]
            record_ids(other, recordings, (), origin="", now=self.now, schedule=SCHEDULE)

    def run(self, **how: Any) -> int:
        """One pass at the present moment, and everything it sent is on its way when this returns."""
        self.passes += 1
        next_at = self.round.run(self.now, self.now, **how)
        self._settle()
        return next_at

    def land(self) -> int:
        """Let every answer arrive whose time has come, and the threads begin what was handed out ahead; how many.

        They arrive one after the other in the order of their rows, so that a pass hears them in the same order always.
        """
        with self._changed:
            due = sorted(seq for seq, (at, _) in self._flying.items() if at <= self.now)
            for answers, seq in enumerate(due, self.pool._done.qsize() + 1):
                self._flying.pop(seq)[1].set()
                assert self._changed.wait_for(lambda: self.pool._done.qsize() == answers, DEADLINE)  # noqa: B023 - called now
        self._settle()
        return len(due)

    def _settle(self) -> None:
        """Wait until each thread that has something to do is doing it."""
        with self._changed:
            busy = min(self.pool.size, len(self.pool.out) - self.pool._done.qsize())
            assert self._changed.wait_for(lambda: len(self._flying) == busy, DEADLINE)

    def until(self, end: int) -> None:
        """Live until ``end``: pass, wait for what the pass asked for or for an answer, and so on."""
        idle = 0
        while self.now < end:
            sent = len(self.asked)
            landed = self.land()
            next_at = self.run()
            done = landed + len(self.asked) - sent
            idle = 0 if done else idle + 1
            if not done:
                assert next_at > self.now, "nothing could be done, and yet the round wants to be called at once"
            assert idle < 2 or self._flying or next_at > self.now
            arrivals = [at for at, _ in self._flying.values()]
            if next_at > self.now or arrivals:
                self.now = min(end, max(self.now, min([next_at, self.now + 60_000, *arrivals])))

    def task(self, task_id: str) -> dict[str, Any]:
        with open_store(self.path) as other:
            found = other.one("SELECT * FROM tasks WHERE id = ?", [task_id])
            assert found is not None
            return {name: found[name] for name in found.keys()}  # noqa: SIM118 - a row holds values

    def count(self, sql: str) -> int:
        return int(elsewhere(self.path, sql)[0][0])


Make = Callable[..., World]


@contextmanager
def worlds(path: Path) -> Iterator[Make]:
    """A maker of worlds on one database: two of them are two processes."""
    made: list[World] = []

    def make(script: Script, **how: Any) -> World:
        made.append(World(path, script, Setup(**how)))
        return made[-1]

    try:
        yield make
    finally:
        for one in made:
            one.close()


def concluded(task_id: str, status: Any = "success") -> Concluded:
    content = {"id": task_id, "status": status, "discoveryPaths": {"successful": [{"name": "Medicare"}]}}
    document = read_document(json.dumps(content).encode(), task_id)
    assert isinstance(document, Document)
    return Concluded(document)


def concludes(job: Job, n: int) -> Reply:
    return concluded(job.task_id)


def breaking_at(monkeypatch: pytest.MonkeyPatch, world: World, step: str, task_id: str) -> None:
    """Let one step of the planner (its method ``step``) break for this task."""
    whole = getattr(world.round.planner, step)

    def breaks(task: Task, *rest: Any) -> Any:
        if task.id == task_id:
            raise OverflowError(task.seq)
        return whole(task, *rest)

    monkeypatch.setattr(world.round.planner, step, breaks)


def within(limit: RateLimit, instants: list[int]) -> bool:
    """Whether a bucket of ``burst``, filled at ``rate``, never runs dry."""
    level, last = float(limit.burst), instants[0]
    for at in instants:
        level = min(limit.burst, level + (at - last) * limit.rate / 1000) - 1
        last = at
        if level < -0.01:
            return False
    return True
