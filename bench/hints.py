"""Pages of the vendor's list as hints, in the simulated world: which page to ask for, and what it tells.

A page is asked for by the instant from which its tasks started, and tells of up to 100 that are pending, in the order
of their start. One of ours that started between its first instant and its last row and is not on it, though an earlier
page showed it, may have ended: it is looked at by id at once. Only that look concludes.

All open tasks lie in *windows* of neighbours, each no larger than a page. A window is planned as a look is: it is due
when what its tasks have waited on average, added up, reaches the price of a page. So the newest window, in which the
quick ones end, is asked for every second or few, and windows of old tasks seldom.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

from bench.schedules import Learned, Task
from bench.worlds import SECOND
from worker.core.instant import FAR
from worker.core.schedule.hazard import EDGES
from worker.core.schedule.inspection import Told, page_wait
from worker.core.sweep import LONGEST, ROWS


@dataclass(eq=False, slots=True)
class Window:
    """Neighbouring tasks by number, and when they are due."""

    numbers: list[int] = field(default_factory=list)
    due: int = 0
    told: list[Told] = field(default_factory=list)


class Book:
    """All windows in the order of their tasks. The last one is open: new tasks go there."""

    def __init__(self, world: Sequence[Task], way: Learned, page_cost: int) -> None:
        self.world, self.way, self.page_cost = world, way, page_cost
        self.pages = 0
        self.windows = [Window()]
        self.plans: list[tuple[int, int, Window]] = []
        self._tie = count()
        self._put(self.windows[0], 0)

    @property
    def next_at(self) -> int:
        """When a window is next weighed. A plan that another took the place of is left behind here."""
        while self.plans[0][0] != self.plans[0][2].due:
            heappop(self.plans)
        return self.plans[0][0]

    def waiting(self, now: int) -> int:
        """How many pages pay and are not asked for."""
        self._settle(now)
        return sum(window.due <= now for window in self.windows)

    def add(self, number: int) -> None:
        """A new task."""
        self.windows[-1].numbers.append(number)

    def weigh(self, now: int) -> Window | None:
        """The window that has been due longest and pays; those that do not yet are planned anew."""
        while self.next_at <= now:
            window = self.plans[0][2]
            self._describe(window)
            if self._plan(window, now) == 0:
                return window
        return None

    def _settle(self, now: int) -> None:
        """Weigh all that are due."""
        for window in self.windows:
            if window.due <= now:
                self._describe(window)
                self._plan(window, now)

    def ask(self, window: Window, now: int) -> list[int]:
        """The tasks that the page leaves out, by number: they are to be looked at."""
        self.pages += 1
        place = self.windows.index(window)
        if place == len(self.windows) - 1:
            rows, ended = self._newest(place, now)
        else:
            rows, ended = self._from(self._joined(place), now)
        window.numbers = rows
        self.windows = [other for other in self.windows if other.numbers or other is self.windows[-1]]
        shown = [self.world[n] for n in rows if not self._ended(n, now)]
        self.way.told([(task, now - task.start) for task in shown])
        for task in shown:
            task.shown = True
        for number in rows:
            self.world[number].silent = self._ended(number, now)
        for number in ended:
            self.world[number].hinted = True
        self._describe(window)
        self._plan(window, now)
        return ended

    def _newest(self, place: int, now: int) -> tuple[list[int], list[int]]:
        """The last page: what does not fit on it goes to the window before."""
        window = self.windows[place]
        own = self._open(window.numbers)
        if place and len(own) < ROWS:
            before = self.windows[place - 1]
            theirs = self._open(before.numbers)
            taken = ROWS - len(own)
            own, before.numbers = theirs[-taken:] + own, theirs[:-taken]
            self._changed(before, now)
        while len(own) > ROWS:
            room = ROWS - len(self.windows[place - 1].numbers) if place else 0
            if room <= 0:
                self.windows.insert(place, Window())
                place, room = place + 1, ROWS
            over = own[: min(room, len(own) - ROWS)]
            own = own[len(over) :]
            self.windows[place - 1].numbers += over
            self._changed(self.windows[place - 1], now)
        ended = [n for n in own if self._gone(n, now)]
        return [n for n in own if not self._gone(n, now)], ended

    def _joined(self, place: int) -> int:
        """Windows before it that fit on the same page become part of it; the place where it is then."""
        window = self.windows[place]
        while place and len(self.windows[place - 1].numbers) + len(window.numbers) <= ROWS:
            before = self.windows.pop(place - 1)
            window.numbers, before.numbers, before.due = before.numbers + window.numbers, [], FAR
            place -= 1
        return place

    def _from(self, place: int, now: int) -> tuple[list[int], list[int]]:
        """A page from a window's first task on, over the windows after it until it is full."""
        rows: list[int] = []
        ended: list[int] = []
        last = place
        while last < len(self.windows) - 1 and len(rows) < ROWS:
            here = self._open(self.windows[last].numbers)
            for position, number in enumerate(here):
                if self._gone(number, now):
                    ended.append(number)
                elif len(rows) < ROWS:
                    rows.append(number)
                else:
                    here = here[position:]
                    break
            else:
                here = []
            if last > place:
                self.windows[last].numbers = here
                self._changed(self.windows[last], now)
            last += 1
        return rows, ended

    def _open(self, numbers: Iterable[int]) -> list[int]:
        world = self.world
        return [n for n in numbers if world[n].seen_at is None and not world[n].hinted]

    def _gone(self, number: int, now: int) -> bool:
        """Whether a page no longer shows what an earlier one did, and no look came between."""
        return self._ended(number, now) and self.world[number].shown

    def _ended(self, number: int, now: int) -> bool:
        task = self.world[number]
        return now - task.start >= task.lasts

    def _changed(self, window: Window, now: int) -> None:
        self._describe(window)
        if window.numbers:
            self._plan(window, now)
        else:
            window.due = FAR

    def _describe(self, window: Window) -> None:
        """Tasks of one class and of about the same age are one line."""
        groups: dict[tuple[str, int], list[int]] = {}
        for number in self._open(window.numbers):
            task = self.world[number]
            if task.silent:
                continue
            known = max(task.known, task.remembered)
            key = (task.family, bisect_right(EDGES, known) if known else -task.start // (2 * SECOND))
            sums = groups.get(key)
            if sums is None:
                sums = groups[key] = [0, 0, 0]
            sums[0] += 1
            sums[1] += known
            sums[2] += task.start
        window.told = [Told(self.way.odds(family), n, k / n, s / n) for (family, _), (n, k, s) in groups.items()]

    def _plan(self, window: Window, now: int) -> int:
        """Put off the window until it pays; the wait, 0 if it pays now."""
        wait = page_wait(window.told, now, self.page_cost * self.way.price)
        longest = SECOND if window is self.windows[-1] else LONGEST
        self._put(window, now + min(max(wait, SECOND), longest) if wait else now)
        return wait

    def _put(self, window: Window, due: int) -> None:
        window.due = due
        heappush(self.plans, (due, next(self._tie), window))
