"""Whole lives of tasks in simulated time: a real poll round over a real store, and a vendor who answers at once."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.discoveries import Discovery
from tests.support.engine import hurry
from tests.support.kept_log import KeptLog
from worker.core.instant import FAR
from worker.core.intake.intake import Recording
from worker.core.pacing.limiter import RateLimit
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.document import Document, read_document
from worker.core.vendor.reply import Concluded, Pending, Reply
from worker.gateways.http.pool import Done, Job
from worker.rounds.poll.poll import PollRound, PollRules
from worker.store.opening import open_store
from worker.store.tasks import polling as tasks
from worker.store.tasks.recording import record

NOW = 1_800_000_000_000
FREE = RateLimit(10_000, 10_000)


@dataclass(frozen=True, slots=True)
class Manner:
    """How the vendor tells of a discovery: whether its start and its end, and how late it is recorded (ms)."""

    start_told: bool = True
    end_told: bool = True
    recorded_after: int = 0


class InstantPool:
    """In the pool's place: every job is answered in the moment it is submitted, and collected in the next pass."""

    free, size, waiting, next_deadline = 1_000, 1_000, False, None
    out: frozenset[int] = frozenset()

    def __init__(self, vendor: "SimulatedVendor") -> None:
        self._vendor = vendor
        self._done: list[Done] = []

    def submit(self, job: Job) -> None:
        self._done.append(Done(job, self._vendor.answer(job.task_id, job.asked_at), 1))

    def collect(self, quick: int = 0) -> list[Done]:
        done, self._done = self._done, []
        return done

    @property
    def heard(self) -> bool:
        return bool(self._done)

    def withdraw(self, before: int) -> list[Job]:
        return []

    def in_time(self, monotonic: int) -> bool:
        return False

    def cut_overdue(self, monotonic: int) -> None:
        pass


@dataclass
class SimulatedVendor:
    """Discoveries by id, and how often each was asked for."""

    manner: Manner
    begun: dict[str, Discovery] = field(default_factory=dict)
    asked: dict[str, list[int]] = field(default_factory=dict)

    def answer(self, task_id: str, now: int) -> Reply:
        self.asked.setdefault(task_id, []).append(now)
        told, start = self.begun[task_id], NOW + self.begun[task_id].start
        started_at = start if self.manner.start_told else None
        if now - start < told.lasts:
            return Pending(
                Document("pending", name="Default", started_at=started_at, pending=told.pending(now - start))
            )
        ended_at = start + told.lasts if self.manner.end_told else None
        body = json.dumps({"id": task_id, "status": "success"}).encode()
        document = read_document(body, task_id)
        assert isinstance(document, Document)
        return Concluded(replace(document, started_at=started_at, ended_at=ended_at))


class Life:
    """One installation. ``delay_per_request_ms`` makes it learn; ``live`` runs until every discovery is concluded."""

    def __init__(
        self,
        folder: Path,
        schedule: Schedule,
        delay_per_request_ms: int | None,
        manner: Manner,
        limit: RateLimit = FREE,
    ) -> None:
        self.store = open_store(folder / f"life-{delay_per_request_ms}.db", create=True)
        hurry(self.store, alone=True)
        self.schedule = schedule
        self.vendor = SimulatedVendor(manner)
        self.pool = InstantPool(self.vendor)
        self.rules = PollRules(schedule, limit, 30_000, delay_per_request_ms)
        self.now = NOW
        self.start()

    def start(self) -> None:
        """As the daemon does: from what is stored."""
        self.round = PollRound(self.store, self.pool, self.rules, KeptLog(), self.now)  # type: ignore[arg-type]
        self.keep()

    def keep(self) -> None:
        with self.store.write():
            self.round.keep_learned()

    def live(self, discoveries: Iterable[Discovery]) -> None:
        """Record each of them when it begins (or later), and poll until all of them are seen."""
        late = self.vendor.manner.recorded_after
        coming = sorted(((NOW + one.start + late, one) for one in discoveries), key=lambda pair: pair[0])
        coming.reverse()
        while coming or tasks.next_due(self.store) is not None:
            while coming and coming[-1][0] <= self.now:
                self.record(coming.pop()[1])
            next_at = self.round.run(self.now, self.now)
            if self.pool.heard:
                continue
            next_at = min(next_at, coming[-1][0] if coming else FAR)
            assert next_at > self.now
            if next_at == FAR:
                return
            self.now = next_at

    def record(self, one: Discovery) -> None:
        self.vendor.begun[one.id] = one
        record(self.store, [Recording(one.id, "id")], (), origin="", now=self.now, schedule=self.schedule)

    @property
    def requests(self) -> int:
        return sum(len(times) for times in self.vendor.asked.values())

    def close(self) -> None:
        self.store.close()
