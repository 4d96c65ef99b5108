"""Which tasks are polled now, and which probes are sent while it is open whether the API answers us.

A step of probes asks several different ones at once, because one may be in trouble of its own: a task that was answered
lately, the newest, and the vendor's health check. Where tasks were refused, a third task takes the place of the health
check, for a credential may be allowed that and nothing else.

While the API rests, a task that was recorded meanwhile is worth a probe before its time: it may be the first one that
is not in trouble of its own. Not where the API has asked for the rest, or where the token or the proxy was refused.
"""

from collections.abc import Sequence
from typing import NamedTuple

from worker.core.pacing.breaker import Breaker
from worker.core.pacing.claim_order import in_order, late_slots, probe_order
from worker.core.pacing.judge import NO_TASK, Suspicion
from worker.core.pacing.limiter import grant
from worker.core.pacing.policy import Moment, Own, Planner, Policy
from worker.core.pacing.shared import Shared
from worker.core.schedule.state import ScheduleState
from worker.core.task import PollPlan, Task

# Planning one poll anew takes a tenth of a millisecond, and the write lock is held meanwhile.
MOST_REPLANNED_TASKS = 200

# A step of probes, at most.
PROBE_REQUESTS = 3

# Probes before their time: no more than one step in this time.
EARLY_PROBE_EVERY_MS = 10_000


class Claimed(NamedTuple):
    """``slots`` were granted for ``tasks`` and, with ``health_check``, one request about no task."""

    slots: int = 0
    tasks: tuple[Task, ...] = ()
    replanned: tuple[tuple[Task, PollPlan], ...] = ()
    health_check: bool = False


def may_send(breaker: Breaker, suspicion: Suspicion, moment: Moment) -> bool:
    """False while a pause lasts, or a probe (or what left before it) is still under way."""
    if breaker.resumes_at is not None and moment.now < breaker.resumes_at:
        return False
    return not ((breaker.paused or suspicion.open) and moment.awaited)


def early_probe_at(breaker: Breaker, own: Own) -> int | None:
    """From when a task that was recorded in the pause may be asked, before the pause is over; ``None``: not at all."""
    if not breaker.paused or breaker.reason == "rate_limited" or breaker.before_the_api:
        return None
    # An eighth of the time that the pause has lasted: where new tasks keep coming, an API that refuses all would
    # otherwise get a request every ten seconds for ever.
    lasted = own.early_at - (breaker.paused_at or 0)
    return own.early_at + max(EARLY_PROBE_EVERY_MS, lasted // 8)


def recorded_in_pause(breaker: Breaker, tasks: Sequence[Task]) -> list[Task]:
    """Those of ``tasks`` that were recorded since the API is paused, and not polled yet."""
    since = breaker.paused_at or 0
    return [task for task in tasks if not task.polls and task.recorded_at >= since]


def claim(
    policy: Policy, own: Own, shared: Shared, candidates: Sequence[Task], moment: Moment
) -> tuple[Own, Shared, Claimed]:
    """Tasks for the slots there are. While the API rests or is suspected to refuse us, a step of probes."""
    if shared.breaker.paused or own.suspicion.open:
        return _probes(policy, own, shared, candidates, moment)
    slots = grant(policy.limit, shared.limiter, moment.now, moment.free).slots
    if slots <= 0:
        return own, shared, Claimed()
    due = [task for task in candidates if task.due_at is not None and task.due_at <= moment.due_by]
    late, fresh = in_order(due, moment.now)
    queue = _Queue(policy.planner, shared.schedule, moment)
    for_late = late_slots(slots, own.slots_given)
    early = queue.take(fresh, slots - for_late)
    claimed = queue.take(late, slots - len(early)) + early
    claimed += queue.take(fresh, slots - len(claimed))
    own = own._replace(slots_given=own.slots_given + slots)
    claims = Claimed(slots, tuple(claimed), tuple(queue.replanned))
    return own, shared._replace(schedule=queue.state), claims


def _probes(
    policy: Policy, own: Own, shared: Shared, candidates: Sequence[Task], moment: Moment
) -> tuple[Own, Shared, Claimed]:
    breaker, suspicion = shared.breaker, own.suspicion
    found = probe_order(candidates, moment.due_by, suspicion.seqs, own.answered)
    checks, most = not (suspicion.refused or breaker.reason == "credentials"), PROBE_REQUESTS
    if not may_send(breaker, suspicion, moment):
        early_at = early_probe_at(breaker, own)
        found = [task for task in recorded_in_pause(breaker, found) if (task.due_at or 0) <= moment.due_by]
        if not found or early_at is None or moment.now < early_at or moment.awaited:
            return own, shared, Claimed()
        own = own._replace(early_at=moment.now)
        checks, most = False, 1
    elif breaker.before_the_api:
        checks, most = False, 1
    if breaker.paused:
        found = found or probe_order(candidates, moment.due_by, (), ())  # it has to be one of those again
        if all((task.due_at or 0) > moment.due_by for task in candidates):
            return own, shared, Claimed()  # nothing waits for the pause to end
    wanted = max(1, min(most, len(found) + checks))
    slots = grant(policy.limit, shared.limiter, moment.now, min(moment.free, wanted)).slots
    if slots <= 0:
        return own, shared, Claimed()
    health_check = not found or (checks and slots > 1)
    tasks = tuple(found[: slots - health_check])
    asked = frozenset(task.seq for task in tasks) | (frozenset({NO_TASK}) if health_check else frozenset())
    own = own._replace(suspicion=suspicion._replace(asked=asked))
    return own, shared, Claimed(slots, tasks, health_check=health_check)


class _Queue:
    """Takes tasks in order, and leaves out those that are planned anew. Lives within one call."""

    def __init__(self, planner: Planner, state: ScheduleState, moment: Moment) -> None:
        self._planner = planner
        self._now = moment.now
        self._for_failing = moment.for_failing
        self.state = state
        self.replanned: list[tuple[Task, PollPlan]] = []

    def take(self, tasks: list[Task], most: int) -> list[Task]:
        """Up to ``most`` tasks from the front of the list; all that were considered are taken off it."""
        taken: list[Task] = []
        considered = 0
        for task in tasks:
            if len(taken) >= most or len(self.replanned) >= MOST_REPLANNED_TASKS:
                break
            considered += 1
            if task.failures and self._for_failing <= 0:
                continue
            try:
                made = self._planner.replan(task, self.state, self._now)
            except Exception:
                made = None  # one row that breaks our own code stops no others; it is polled as it was planned
            if made is None:
                taken.append(task)
                self._for_failing -= task.failures > 0
            else:
                plan, self.state = made
                self.replanned.append((task, plan))
        del tasks[:considered]
        return taken
