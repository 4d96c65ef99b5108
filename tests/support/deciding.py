"""One pass as values: tasks, what was heard, and what is decided."""

from typing import Any

from tests.support.story import FORBIDDEN
from worker.core.pacing.decide import Collected, Decision, decide
from worker.core.pacing.judge import MISSES_IN_A_ROW, NO_TASK, Finished, Suspicion
from worker.core.pacing.limiter import RateLimit
from worker.core.pacing.policy import Moment, Own, Policy
from worker.core.pacing.shared import Shared
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.fixed import FixedPlanner
from worker.core.task import Task
from worker.core.vendor.reply import Reply

NOW = 1_800_000_000_000
MINUTE, HOUR = 60_000, 3_600_000
LEASE = 35_000
SCHEDULE = Schedule()
POLICY = Policy(SCHEDULE, RateLimit(10, 20), LEASE, FixedPlanner(SCHEDULE))
OWN = Own(kept_at=NOW)
NOTHING, FRESH = Collected(), Shared()
SUSPECTING = OWN._replace(suspicion=Suspicion(excused=((1, FORBIDDEN),)))
MISSING = OWN._replace(suspicion=Suspicion(missed=frozenset(range(1, MISSES_IN_A_ROW + 1))))


def a_task(seq: int, due_at: int | None = NOW, **about: Any) -> Task:
    """A task that was recorded a minute ago."""
    return Task(seq, f"t{seq}", "pending", NOW - MINUTE, NOW - MINUTE, due_at=due_at)._replace(**about)


def polled(seq: int) -> Task:
    """As the row stands while its poll is under way."""
    return a_task(seq, leased_until=NOW + LEASE - 100)


def heard(*replies: tuple[int, Reply], rows: tuple[Task, ...] = ()) -> Collected:
    finished = [Finished(seq, reply, NOW - 100, status=200, trace_id=f"trace-{seq}") for seq, reply in replies]
    return Collected(
        finished, rows={seq: polled(seq) for seq, _ in replies if seq != NO_TASK} | {t.seq: t for t in rows}
    )


def decided(
    collected: Collected = NOTHING,
    *candidates: Task,
    own: Own = OWN,
    shared: Shared = FRESH,
    policy: Policy = POLICY,
    **moment: Any,
) -> Decision:
    """What is decided now; ``free`` threads wait for work."""
    return decide(policy, own, shared, collected, candidates, Moment(NOW, NOW, **({"free": 0} | moment)))


def claimed(decision: Decision) -> list[int]:
    return [task.seq for task in decision.intents.claims]
