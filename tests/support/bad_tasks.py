"""Good tasks among bad ones, in simulated time: a real poll round over a real store, and a vendor made of answers.

It has no threads: each request takes the time that its answer is given, and `max_in_flight` of them are under way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.support.engine import hurry
from tests.support.kept_log import KeptLog
from tests.support.poll_world import concluded
from worker.core.intake.intake import Recording
from worker.core.pacing.limiter import RateLimit
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.reply import Garbled, Pending, RateLimited, Refused, Rejected, Reply, Unknown, Unreachable
from worker.gateways.http.pool import Done, Job
from worker.rounds.poll.poll import PollRound, PollRules
from worker.store.opening import open_store
from worker.store.state import api
from worker.store.tasks.recording import record

NOW = 1_800_000_000_000
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
TIMEOUT_MS = 30_000
QUICK_MS = 100
SCHEDULE = Schedule()

# Passes at one instant.
MOST_PASSES = 100

DEFAULTS = RateLimit(1, 5)
FAST = RateLimit(10, 5)


class Said(NamedTuple):
    """What a bad task is answered, and how long that takes."""

    reply: Reply
    takes_ms: int = QUICK_MS


BAD: Mapping[str, Said] = {
    "500": Said(Unreachable("http_500")),
    "503": Said(Unreachable("http_503")),
    "cut": Said(Unreachable("cut")),
    "hangs": Said(Unreachable("timeout"), TIMEOUT_MS),
    "slow 500": Said(Unreachable("http_500"), 10_000),
    "403": Said(Refused("http_403")),
    "401": Said(Refused("http_401_invalid_product")),
    "422": Said(Rejected("http_422")),
    "404": Said(Unknown()),
    "other id": Said(Garbled("wrong_id")),
    "other tenant": Said(Garbled("other_tenant")),
    "no JSON": Said(Garbled("not_json")),
    "HTML": Said(Garbled("html")),
    "redirect": Said(Garbled("redirect")),
    "new word": Said(Garbled("unknown_status", b'{"status": "archived"}')),
    "429": Said(RateLimited("http_429")),
    "429 for 0 s": Said(RateLimited("http_429", 0)),
    "429 for 30 s": Said(RateLimited("http_429", 30_000)),
    "429 for 10 min": Said(RateLimited("http_429", 600_000)),
    "503 for 30 s": Said(RateLimited("http_503", 30_000)),
    "502 for 2 min": Said(RateLimited("http_502", 120_000)),
    "pending": Said(Pending()),
}


ANSWERED = Said(Pending())

OUTAGE: Mapping[str, Said] = {kind: BAD[kind] for kind in ("403", "500", "cut", "429", "429 for 30 s")}


class _Flight(NamedTuple):
    lands_at: int
    done: Done


class _Pool:
    """In the pool's place: at most ``size`` requests are under way, and each lands when its time has come."""

    waiting = False

    def __init__(self, size: int, world: "BadTasks") -> None:
        self.size = size
        self._world = world
        self.flights: list[_Flight] = []

    @property
    def free(self) -> int:
        return self.size - len(self.flights)

    @property
    def out(self) -> frozenset[int]:
        return frozenset(flight.done.job.seq for flight in self.flights)

    @property
    def next_deadline(self) -> int | None:
        return min((flight.done.job.deadline for flight in self.flights), default=None)

    def in_time(self, monotonic: int) -> bool:
        return any(monotonic < flight.done.job.deadline + 1000 for flight in self.flights)

    def submit(self, job: Job) -> None:
        said = self._world.answer(job)
        self.flights.append(_Flight(self._world.now + said.takes_ms, Done(job, said.reply, 1)))

    def collect(self, quick: int = 0) -> list[Done]:
        landed = [flight for flight in self.flights if flight.lands_at <= self._world.now]
        self.flights = [flight for flight in self.flights if flight.lands_at > self._world.now]
        return [flight.done for flight in landed]

    def withdraw(self, before: int) -> list[Job]:
        return []

    def cut_overdue(self, monotonic: int) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Setting:
    """``healthy``: what the health check says; ``learns``: whether the schedule is the learned one."""

    limit: RateLimit = FAST
    max_in_flight: int = 4
    health: Said = ANSWERED
    learns: bool = True
    schedule: Schedule = SCHEDULE


class BadTasks:
    """One installation. ``asked`` are the instants of all requests, by id (empty: the health check)."""

    def __init__(self, path: Path, setting: Setting) -> None:
        self.now = NOW
        self.setting = setting
        self.says: dict[str, Callable[[int], Said]] = {}
        self.asked: dict[str, list[int]] = {}
        self.concluded_at: dict[str, int] = {}
        self.outage: Said | None = None
        self.store = open_store(path, create=True)
        hurry(self.store, alone=True)
        self.pool = _Pool(setting.max_in_flight, self)
        rules = PollRules(setting.schedule, setting.limit, TIMEOUT_MS, 20_000 if setting.learns else None)
        self.round = PollRound(self.store, self.pool, rules, KeptLog(), NOW)  # type: ignore[arg-type]
        self._next_at = NOW
        self._passes_now = 0

    def close(self) -> None:
        self.store.close()

    def record_bad(self, kinds: Sequence[str]) -> list[str]:
        """Tasks that are always answered so; their ids."""
        ids = [f"bad-{len(self.says) + n}-{kind}" for n, kind in enumerate(kinds)]
        for task_id, kind in zip(ids, kinds, strict=True):
            self.says[task_id] = lambda _, said=BAD[kind]: said  # type: ignore[misc]
        self._record(ids)
        return ids

    def record_good(self, task_id: str, lasts_ms: int = 0) -> None:
        """A task that the vendor concludes after this time."""
        ends_at, done = self.now + lasts_ms, concluded(task_id)

        def says(now: int) -> Said:
            if now < ends_at:
                return Said(Pending())
            return Said(done)

        self.says[task_id] = says
        self._record([task_id])

    def _record(self, ids: Sequence[str]) -> None:
        recordings = [Recording(task_id, "id") for task_id in ids]
        record(self.store, recordings, (), origin="", now=self.now, schedule=self.setting.schedule)
        self._next_at = self.now

    def answer(self, job: Job) -> Said:
        self.asked.setdefault(job.task_id, []).append(self.now)
        if self.outage is not None:
            return self.outage
        if not job.task_id:
            return self.setting.health
        said = self.says[job.task_id](self.now)
        if job.task_id not in self.concluded_at and said.reply == concluded(job.task_id):
            self.concluded_at[job.task_id] = self.now + said.takes_ms
        return said

    def until(self, done: Callable[[], bool], within_ms: int) -> int:
        """Live until ``done``; how long that took. Fails after ``within_ms``."""
        begun = self.now
        while not done():
            assert self.now - begun <= within_ms, f"not within {within_ms / 1000} s"
            self._step(begun + within_ms + 1)
        return self.now - begun

    def live(self, ms: int) -> None:
        end = self.now + ms
        while self.now < end:
            self._step(end)

    def _step(self, end: int) -> None:
        landing = min((flight.lands_at for flight in self.pool.flights), default=end)
        at = min(end, max(self.now, min(self._next_at, landing, self.now + MINUTE_MS)))
        self._passes_now = self._passes_now + 1 if at == self.now else 0
        assert self._passes_now < MOST_PASSES, "it spins"
        self.now = at
        self._next_at = self.round.run(self.now, self.now)

    @property
    def rests(self) -> bool:
        """Whether the vendor has asked for a rest that is not over."""
        breaker = api.get(self.store).breaker
        return breaker.reason == "rate_limited" and self.now < (breaker.resumes_at or 0)

    def poll_each_once(self, ids: Sequence[str], within_ms: int) -> None:
        """Live until each of these was polled and answered, and no rest that the vendor has asked for is left."""
        self.until(lambda: all(task_id in self.asked for task_id in ids) and not self.pool.flights, within_ms)
        self.until(lambda: not self.rests, HOUR_MS)

    @property
    def requests(self) -> int:
        return sum(map(len, self.asked.values()))
