"""The looks that are due and not made, in the simulation, and which is made first."""

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Literal

from bench.schedules import Task
from worker.core.pacing.claim_order import LATE_MS, deadline, late_slots

# "deadlines" is the program's rule (worker/core/pacing/claim_order.py), the others are what it is held against.
Order = Literal["oldest", "newest", "deadlines"]


class Queue:
    """Tasks by number."""

    def __init__(self, world: Sequence[Task], order: Order) -> None:
        self._world, self._order = world, order
        self._here: set[int] = set()
        self._by_due: deque[tuple[int, int]] = deque()
        self._by_deadline: list[tuple[float, int, int]] = []

    def __len__(self) -> int:
        return len(self._here)

    def looks(self) -> list[int]:
        """All of them."""
        return list(self._here)

    def add(self, number: int) -> None:
        """One that falls due, in the order in which they do."""
        task = self._world[number]
        if task.seen_at is not None:
            return
        self._here.add(number)
        self._by_due.append((task.due, number))
        if self._order == "deadlines":
            by = deadline(task.due, task.start + task.known)
            heappush(self._by_deadline, (by, task.due, number))

    def drop(self, number: int) -> None:
        """It is looked at, or not due any more."""
        self._here.discard(number)

    def next(self, now: int, made: int) -> int | None:
        """The look that is to be made next, ``made`` having been made; it stays until it is dropped."""
        if not self._here:
            return None
        if self._order == "newest":
            while not self._there(*self._by_due[-1]):
                self._by_due.pop()
            return self._by_due[-1][1]
        while not self._there(*self._by_due[0]):
            self._by_due.popleft()
        due, oldest = self._by_due[0]
        if self._order == "oldest" or (late_slots(1, made) and due <= now - LATE_MS):
            return oldest
        while self._by_deadline:
            _, due, number = self._by_deadline[0]
            if self._there(due, number) and due > now - LATE_MS:
                return number
            heappop(self._by_deadline)
        return oldest

    def _there(self, due: int, number: int) -> bool:
        return number in self._here and self._world[number].due == due
