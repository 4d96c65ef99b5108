"""The rows of a simulated installation: what worker/store keeps in SQLite, and reads and writes for a poll pass.

A row is either waiting for its due time, or due, or being polled, or concluded. Instants are milliseconds.
"""

from collections import OrderedDict
from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import chain, islice

from worker.core.pacing.claim_order import LATE_MS
from worker.core.pacing.decide import Intents
from worker.core.schedule.hazard import EndCounts, together
from worker.core.task import Task


class MemoryStore:
    """``rows`` by their number, ``curves`` by class."""

    def __init__(self) -> None:
        self.rows: dict[int, Task] = {}
        self.curves: dict[str, EndCounts] = {}
        self._waiting: list[tuple[int, int]] = []  # a heap of (due_at, seq)
        # Tasks that are due, those due longest first; moved from one to the other after LATE_MS.
        self._late: OrderedDict[int, Task] = OrderedDict()
        self._fresh: OrderedDict[int, Task] = OrderedDict()

    @property
    def backlog(self) -> int:
        """How many polls are due and not made."""
        return len(self._late) + len(self._fresh)

    @property
    def next_due(self) -> int | None:
        """When the next task falls due, of those that are not due yet."""
        return self._waiting[0][0] if self._waiting else None

    def put(self, task: Task) -> None:
        """Write a row that is not due."""
        self.rows[task.seq] = task
        if task.due_at is not None:
            heappush(self._waiting, (task.due_at, task.seq))

    def fall_due(self, now: int) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            _, seq = heappop(self._waiting)
            self._fresh[seq] = self.rows[seq]
        while self._fresh and (next(iter(self._fresh.values())).due_at or 0) <= now - LATE_MS:
            seq, task = self._fresh.popitem(last=False)
            self._late[seq] = task

    def longest_due(self, most: int) -> list[Task]:
        return list(islice(chain(self._late.values(), self._fresh.values()), most))

    def latest_due(self, most: int) -> list[Task]:
        return list(islice(chain(reversed(self._fresh.values()), reversed(self._late.values())), most))

    def candidates(self, most: int) -> list[Task]:
        """Those due longest and, where these are late and take all places, as many that fell due of late: what
        worker/rounds/poll/reading.py reads."""
        found = self.longest_due(most)
        if len(found) == most and self._late:
            first = max(0, most - len(self._late))
            found += islice(self._fresh.values(), first, first + most)
        return found

    def write(self, intents: Intents, now: int) -> None:
        """What worker/rounds/poll/writing.py does."""
        for save in intents.saves:
            self.put(save.new)
        for conclusion in intents.conclusions:
            self.rows[conclusion.new.seq] = conclusion.new
        for task, plan in intents.replanned:
            self._take(task)
            due_at, delay = now + plan.wait_ms, plan.delay_per_request_ms
            self.put(task._replace(due_at=due_at, reason=plan.reason, delay_per_request_ms=delay))
        for task in intents.claims:
            self._take(task)
        self.curves = self.with_curves(intents.since or {})

    def with_curves(self, since: Mapping[str, EndCounts]) -> dict[str, EndCounts]:
        """What worker/store/state/curves.py does."""
        added = {name: together(self.curves.get(name, EndCounts()), learned) for name, learned in since.items()}
        return self.curves | added

    def _take(self, task: Task) -> None:
        if self._late.pop(task.seq, None) is None:
            del self._fresh[task.seq]
