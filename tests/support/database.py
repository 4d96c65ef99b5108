"""What the tests of the store share: recording, claiming, concluding, and the eyes of a second connection."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.support.engine import changed_rows
from worker.core.intake.intake import Recording
from worker.core.lifecycle import after
from worker.core.pacing.breaker import Breaker
from worker.core.pacing.decide import Collected, decide
from worker.core.pacing.limiter import RateLimit
from worker.core.pacing.policy import Moment, Own, Planner, Policy
from worker.core.pacing.shared import Shared
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.fixed import FixedPlanner
from worker.core.schedule.state import ScheduleState
from worker.core.task import Task
from worker.core.vendor.document import Document, read_document
from worker.core.vendor.reply import Concluded
from worker.core.x12.embedded import derive
from worker.rounds.ingest.deriving import derive_missing
from worker.rounds.poll import reading, writing
from worker.store.conclude import Kept, keep_provisional
from worker.store.conclude import conclude as conclude_task
from worker.store.db.store import Store
from worker.store.tasks import polling as tasks
from worker.store.tasks.recording import Recorded
from worker.store.tasks.recording import record as record_ids
from worker.store.views.problems import Machine

NOW = 1_800_000_000_000
SCHEDULE = Schedule()
ORIGIN = "https://api.example"
MACHINE = Machine(daemon_exists=False, free_bytes=10**12)
LEASE = NOW * 2

DONE: dict[str, Any] = {
    "id": "a",
    "status": "success",
    "discoveryPaths": {
        "successful": [{"id": "p", "name": "Medicare", "transaction": {"status": "eligible", "chcPayerId": "PAY"}}],
        "unsuccessful": [{"name": "HMO", "transaction": {"status": "payer_unavailable"}}],
    },
}


def record(store: Store, *ids: str, now: int = NOW, **about: Any) -> Recorded:
    recordings = [Recording(task_id, "id", **about) for task_id in ids]
    return record_ids(store, recordings, (), origin=ORIGIN, now=now, schedule=SCHEDULE)


def add(store: Store, dues: Sequence[int], first: int = 1) -> None:
    """Tasks t1, t2 …, whose rows are numbered so, due at these instants."""
    with store.write():
        store.many(
            "INSERT INTO tasks (seq, id, origin, state, source, recorded_at, life_from, paused_base, due_at)"
            " VALUES (?, ?, ?, 'pending', 'id', ?, ?, 0, ?)",
            [(n, f"t{n}", ORIGIN, due - 10_000, due - 10_000, due) for n, due in enumerate(dues, first)],
        )


class Claiming:
    """What a pass claims, by its own reading, deciding and writing. Nothing is heard, and nothing is sent."""

    def __init__(self, store: Store, planner: Planner | None = None, delay_per_request_ms: float = 0) -> None:
        self.store = store
        self.policy = Policy(SCHEDULE, RateLimit(1e6, 10_000), 0, planner or FixedPlanner(SCHEDULE))
        self.own = Own(kept_at=NOW)
        self.state = ScheduleState(delay_per_request_ms)

    def taken(
        self,
        slots: int,
        now: int = NOW,
        *,
        under_way: frozenset[int] = frozenset(),
        probing: bool = False,
        only: frozenset[int] | None = None,
    ) -> list[int]:
        """The rows that one pass claims."""
        breaker = Breaker("unreachable", "timeout", now - 1, now, 1) if probing else Breaker()
        shared = Shared(breaker, schedule=self.state)
        moment = Moment(now, now, slots, under_way)
        own = self.own._replace(kept_at=now)
        with self.store.write():
            due = reading.candidates(self.store, own, shared, moment, only)
            decision = decide(self.policy, own, shared, Collected(), due, moment)
            if decision.wants_more:
                due = reading.candidates(self.store, own, shared, moment, only, more=True)
                decision = decide(self.policy, own, shared, Collected(), due, moment)
            writing.write(self.store, decision.intents, now, LEASE)
        self.own = decision.own
        return [task.seq for task in decision.intents.claims]


def concluded(content: dict[str, Any]) -> Concluded:
    document = read_document(json.dumps(content).encode(), None)
    assert isinstance(document, Document)
    return Concluded(replace(document, ended_at=NOW - 1))


def conclude(store: Store, document: dict[str, Any], seq: int = 1, now: int = NOW + 60_000) -> Kept:
    """Conclude the task of a row as a poll does, and read the 271 texts of its body."""
    reply = concluded(document)
    with store.write():
        polled = after(task_of(store, seq), reply, now, SCHEDULE)
        kept = conclude_task(store, polled, reply.document, "poll", now, derive(reply.document.body))
    derive_missing(store, now)
    return kept


def pending(store: Store, content: dict[str, Any], seq: int = 1, now: int = NOW + 30_000) -> int:
    """A poll shows the task as pending with this body; how many rows that changed."""
    document = read_document(json.dumps({**content, "status": "pending"}).encode(), None)
    assert isinstance(document, Document)
    before = changed_rows(store)
    with store.write():
        keep_provisional(store, {seq: document.finished}, "poll", now)
    changed = changed_rows(store) - before
    derive_missing(store, now)
    return changed


def seq_of(store: Store, task_id: str) -> int:
    """The number of the task's row: PostgreSQL leaves out one for each time that a known id was recorded again."""
    return int(store.read("SELECT seq FROM tasks WHERE id = :id", {"id": task_id})[0]["seq"])


def task_of(store: Store, seq: int, paused_total: int = 0) -> Task:
    """The task of a row as it stands now."""
    return tasks.by_seq(store, [seq], paused_total)[seq]
