"""Pages of the vendor's list as hints, in the simulated world: which page to ask for, and what it tells.

A page holds the tasks of 100 neighbouring starts. With ``pending_only`` it holds 100 that the vendor shows as pending,
and one of ours that the page skips is looked at by id: it may have ended. In both cases only the look by id concludes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from bench.schedules import SECOND, Learned, Task
from worker.core.forecast import class_of
from worker.core.worth import page_pays, page_worth

ROWS = 100
PAGE_COST = 10


@dataclass(slots=True)
class Block:
    """The tasks of one page, by number; ``since`` is when it was last asked for."""

    since: int
    numbers: list[int] = field(default_factory=list)
    gone: bool = False


class Book:
    """All pages, and when each is next weighed."""

    def __init__(self, world: Sequence[Task], way: Learned, *, pending_only: bool) -> None:
        self.world, self.way, self.pending_only = world, way, pending_only
        self.pages = 0
        self.blocks: list[Block] = []
        self.weigh: list[tuple[int, int]] = []

    def add(self, number: int, now: int) -> None:
        """A new task: on the newest page, or on one of its own."""
        if not self.blocks or len(self.blocks[-1].numbers) >= ROWS:
            heappush(self.weigh, (now + SECOND, len(self.blocks)))
            self.blocks.append(Block(now))
        self.blocks[-1].numbers.append(number)

    def sweep(self, now: int, most: int) -> Iterator[list[int]]:
        """Ask for up to ``most`` pages that pay; for each, the numbers of the tasks to be looked at now."""
        paying: list[tuple[float, int]] = []
        while self.weigh and self.weigh[0][0] <= now:
            place = heappop(self.weigh)[1]
            worth = self._worth(self.blocks[place], now)
            if page_pays(worth, self.way.price, PAGE_COST):
                paying.append((-worth, place))
            else:
                self._again(place, now)
        for _, place in sorted(paying)[most:]:
            heappush(self.weigh, (now + SECOND, place))
        for _, place in sorted(paying)[:most]:
            if self.way.may_spend(PAGE_COST):
                self.pages += 1
                yield self._ask(place, now)
            self._again(place, now)

    def _again(self, place: int, now: int) -> None:
        block = self.blocks[place]
        block.numbers = [n for n in block.numbers if _open(self.world[n])] if self._full(place) else block.numbers
        if self.pending_only:
            self._merge(place)
        if block.numbers and not block.gone:
            heappush(self.weigh, (now + max(SECOND, (now - block.since) // 8), place))

    def _full(self, place: int) -> bool:
        return place < len(self.blocks) - 1

    def _merge(self, place: int) -> None:
        """Pages of pending tasks only: two neighbours that fit on one become one."""
        after = place + 1
        while after < len(self.blocks) - 1 and self.blocks[after].gone:
            after += 1
        if after < len(self.blocks) - 1:
            one, other = self.blocks[place], self.blocks[after]
            if len(one.numbers) + len(other.numbers) <= ROWS:
                one.numbers, one.since = one.numbers + other.numbers, min(one.since, other.since)
                other.numbers, other.gone = [], True

    def _worth(self, block: Block, now: int) -> float:
        unseen = [task for n in block.numbers if _open(task := self.world[n])]
        return page_worth((self.way.odds(task.family), task.known, now - task.start) for task in unseen)

    def _ask(self, place: int, now: int) -> list[int]:
        block, ended = self.blocks[place], []
        block.since = now
        for number in block.numbers:
            task = self.world[number]
            age = now - task.start
            if not _open(task):
                continue
            if age >= task.lasts:
                task.hinted = True
                ended.append(number)
            elif age > task.known:
                self.way.told(task, age)
                task.known, task.family = age, class_of(task.pending(age))
        return ended


def _open(task: Task) -> bool:
    return task.seen_at is None and not task.hinted
