"""One simulated installation: the program's own decisions over a store in memory, with a vendor that is made up.

Each pass calls :func:`worker.core.pacing.decide.decide` and applies what it says, as worker/rounds/poll/poll.py does.
A poll takes POLL_MS, as long as a slot at 10 requests a second, so that one pass hears of a poll and claims the next.
Time goes from event to event, in milliseconds.
"""

import statistics
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from bench.discoveries import KINDS, Discovery, reply
from bench.memory_store import MemoryStore
from worker.core.instant import FAR
from worker.core.pacing.claim_order import CANDIDATE_ROWS
from worker.core.pacing.decide import Collected, Intents, decide, floats
from worker.core.pacing.judge import Finished
from worker.core.pacing.limiter import RateLimit, grant
from worker.core.pacing.policy import Moment, Own, Planner, Policy
from worker.core.pacing.shared import Shared
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.hazard import EndCounts
from worker.core.schedule.state import ScheduleState
from worker.core.task import Task
from worker.core.vendor.reply import Reply

THREADS = 16
POLL_MS = 100
LEASE_MS = 35_000

# Which of the due tasks a pass is shown, for a number of slots. Shown no more than these, it claims them all.
Selection = Callable[[MemoryStore, int], Sequence[Task]]


def as_the_program(store: MemoryStore, slots: int) -> Sequence[Task]:
    return store.candidates(max(CANDIDATE_ROWS, slots))


class Contender(NamedTuple):
    """One schedule under test, in a form that another process can be sent."""

    planner: Callable[[], Planner]
    schedule: Schedule = Schedule()
    selection: Selection = as_the_program
    reply: Callable[[Discovery, int], Reply] = reply


class Waits(NamedTuple):
    """What one run gave. Delays in seconds, from the end at the vendor until it was seen."""

    requests: float  # per task
    mean: float
    p95: float
    by_kind: tuple[tuple[float, float], ...]  # requests per task, mean delay
    used: float = 0.0  # share of the limit
    delay_per_request: float = 0.0  # s, at the end


class Installation:
    """A world of discoveries, and a poller that begins at ``opens``: all that arrived before are due as planned."""

    def __init__(
        self, contender: Contender, world: Sequence[Discovery], limit: RateLimit, until: int = FAR, opens: int = 0
    ) -> None:
        self.store = MemoryStore()
        self.now = opens
        self._world, self._until, self._reply = world, until, contender.reply
        self._planner = contender.planner()
        self._policy = Policy(contender.schedule, limit, LEASE_MS, self._planner)
        self._selection = contender.selection
        self._own = Own(kept_at=opens)
        self._shared = Shared(schedule=self._planner.refresh(ScheduleState()))
        self._under_way: deque[tuple[int, int]] = deque()  # when it is heard, and its row
        self._slot_at = opens
        self._arrived = 0

    def passes(self) -> Iterator[Intents]:
        """Make all passes; what each has decided at ``now``."""
        while (moment := self._next_moment()) is not None and moment <= self._until:
            self.now = moment
            self._record()
            self.store.fall_due(moment)
            heard = self._hear()
            slots = 0
            if self.store.backlog and moment >= self._slot_at:
                free = THREADS - len(self._under_way)
                slots = grant(self._policy.limit, self._shared.limiter, moment, free).slots
            backlog = self.store.backlog if floats(self._shared.schedule, moment) else None
            if heard or backlog is not None or slots:
                yield self._pass(heard, Moment(moment, moment, slots, backlog=backlog))
                self._slot_at = grant(self._policy.limit, self._shared.limiter, moment, 0).next_at

    def learned(self) -> dict[str, EndCounts]:
        """The curves of all classes."""
        return self.store.with_curves(self._planner.since())

    def waits(self) -> Waits:
        """The figures. What ended and was not seen has waited until the end of the run."""
        delays: list[list[float]] = [[] for _ in KINDS]
        polls, tasks = [0 for _ in KINDS], [0 for _ in KINDS]
        for seq, row in self.store.rows.items():
            discovery = self._world[seq - 1]
            polls[discovery.kind] += row.polls
            tasks[discovery.kind] += 1
            seen_at = row.last_poll_at if row.state == "concluded" and row.last_poll_at else self._until
            if discovery.end <= seen_at < FAR:
                delays[discovery.kind].append((seen_at - discovery.end) / 1000)
        every_delay = sorted(delay for kind in delays for delay in kind)
        return Waits(
            requests=sum(polls) / max(1, sum(tasks)),
            mean=statistics.fmean(every_delay),
            p95=every_delay[int(0.95 * len(every_delay))],
            by_kind=tuple(
                (polls[kind] / max(1, tasks[kind]), statistics.fmean(delays[kind] or [0.0]))
                for kind in range(len(KINDS))
            ),
            used=sum(polls) / (self._policy.limit.rate * self.now / 1000),
            delay_per_request=self._shared.schedule.delay_per_request_ms / 1000,
        )

    def _next_moment(self) -> int | None:
        """When something can be done: not before there is a slot, while tasks are due."""
        moments = [self._under_way[0][0]] if self._under_way else []
        if self.store.backlog:
            if len(self._under_way) < THREADS:
                moments.append(self._slot_at)
        else:
            if self.store.next_due is not None:
                moments.append(self.store.next_due)
            if self._arrived < len(self._world):
                moments.append(self._world[self._arrived].start)
        return max(self.now, min(moments)) if moments else None

    def _record(self) -> None:
        """Record what has arrived, as worker/store/tasks/recording.py does."""
        while self._arrived < len(self._world) and (found := self._world[self._arrived]).start <= self.now:
            self._arrived += 1
            first_wait = self._shared.schedule.first_wait_ms
            delay = None if first_wait is None else round(self._shared.schedule.delay_per_request_ms)
            due_at = found.start + self._policy.schedule.first_poll(found.id, first_wait)
            task = Task(self._arrived, found.id, "pending", found.start, found.start, due_at=due_at)
            self.store.put(task._replace(delay_per_request_ms=delay))

    def _hear(self) -> list[Finished]:
        heard = []
        while self._under_way and self._under_way[0][0] <= self.now:
            heard_at, seq = self._under_way.popleft()
            heard.append(Finished(seq, self._reply(self._world[seq - 1], self.now), heard_at - POLL_MS))
        return heard

    def _pass(self, finished: Sequence[Finished], moment: Moment) -> Intents:
        heard = Collected(finished, (), {one.seq: self.store.rows[one.seq] for one in finished})
        due = self._selection(self.store, moment.free) if moment.free else ()
        decision = decide(self._policy, self._own, self._shared, heard, due, moment)
        intents = decision.intents
        self.store.write(intents, moment.now)
        self._own, self._shared = decision.own, decision.shared
        if intents.since is not None:
            self._planner.kept(self.store.curves)
        self._planner.learn(intents.observations)
        self._under_way.extend((moment.now + POLL_MS, task.seq) for task in intents.claims)
        return intents


def run(contender: Contender, world: Sequence[Discovery], limit: RateLimit, until: int = FAR) -> Waits:
    """One run, to the last result, or to ``until``."""
    installation = Installation(contender, world, limit, until)
    for _ in installation.passes():
        pass
    return installation.waits()
