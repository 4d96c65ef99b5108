"""Pages of the vendor's list as hints, in the simulated world: as worker/rounds/hints.py asks for them.

Tasks lie in blocks of 100 neighbours; a page holds the tasks of a block, whatever their state. What it shows as
concluded is looked at by id at once, all else keeps its schedule: a page can only make a look earlier.
"""

from collections.abc import Sequence
from heapq import heappop, heappush

from bench.schedules import SECOND, Learned, Task
from worker.core.sweep import MOST_BLOCKS, ROWS, UNTIL_LATER, LastPage, Waiting, groups
from worker.core.worth import page_wait

LONGEST = 900 * SECOND


class Book:
    """All blocks, and when each is next weighed."""

    def __init__(self, world: Sequence[Task], way: Learned, page_cost: int) -> None:
        self.world, self.way, self.page_cost = world, way, page_cost
        self.pages = 0
        self.blocks: list[list[int]] = []
        self.told: dict[int, LastPage] = {}
        self.plans: list[tuple[int, int]] = []

    @property
    def next_at(self) -> int:
        """When a block is next weighed."""
        return self.plans[0][0] if self.plans else UNTIL_LATER

    def waiting(self, now: int) -> int:
        """How many pages pay and are not asked for."""
        kept, paying = [], 0
        while self.plans and self.plans[0][0] <= now:
            block = heappop(self.plans)[1]
            wait = self._wait(block, now)
            if wait is None:
                continue
            paying += wait == 0
            kept.append((now + max(wait, 1) if wait else now, block))
        for plan in kept:
            heappush(self.plans, plan)
        return paying

    def add(self, number: int) -> None:
        """A new task."""
        if not self.blocks or len(self.blocks[-1]) >= ROWS:
            heappush(self.plans, (self.world[number].start, len(self.blocks)))
            self.blocks.append([])
        self.blocks[-1].append(number)

    def weigh(self, now: int) -> int | None:
        """A block whose page pays; those that do not yet are planned anew."""
        while self.plans and self.plans[0][0] <= now:
            block = self.plans[0][1]
            wait = self._wait(block, now)
            if wait == 0:
                return block
            heappop(self.plans)
            if wait is not None:
                heappush(self.plans, (now + max(SECOND, min(wait, LONGEST)), block))
        return None

    def ask(self, block: int, now: int) -> list[int]:
        """The tasks that the page shows as concluded, by number: they are to be looked at."""
        heappop(self.plans)
        self.pages += 1
        self.told[block] = LastPage(now, UNTIL_LATER)
        ended = [n for n in self._open(block) if now - self.world[n].start >= self.world[n].lasts]
        for number in ended:
            self.world[number].hinted = True
        heappush(self.plans, (now + SECOND, block))
        return ended

    def _open(self, block: int) -> list[int]:
        kept = [n for n in self.blocks[block] if self.world[n].seen_at is None and not self.world[n].hinted]
        if block < len(self.blocks) - 1:
            self.blocks[block] = kept
        return kept

    def _wait(self, block: int, now: int) -> int | None:
        """How long until the page pays; ``None``: it never will."""
        numbers = self._open(block)
        if (not numbers and block < len(self.blocks) - 1) or block < len(self.blocks) - MOST_BLOCKS:
            return None
        waiting = [Waiting(t.family, t.start, t.start + t.known) for t in map(self.world.__getitem__, numbers)]
        told = groups(waiting, self.told.get(block), self.way.odds)
        return page_wait(told, now, self.page_cost * self.way.price)
