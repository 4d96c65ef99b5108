"""Pages of the vendor's list as hints: which page to ask for, what it shows, and whether the list can be believed.

A page holds up to a hundred *pending* tasks that began from some moment on. What it shows of ours, of those that began
between that moment and its last row:

==========================================  ===========================================================================
on the page, as pending                     remembered, and put to the test by the next look by id. Once the list is
                                            trusted: seen pending; the next look is planned from there, but not put off
                                            beyond a hundred times the age that the task had at its last look by id; for
                                            one task in eight, ten times
on the page, as concluded                   looked at by its id at once
not on it, though shown by an earlier one   gone from the pending ones: looked at by its id at once
since its last look by id
not on it, and never shown                  keeps its schedule
==========================================  ===========================================================================

Only a look by id concludes a task. Those looks also tell whether the list lies. Trust has to be earned
(:class:`Trust`); until then, and from the first task on that the list showed as pending after its end, it puts nothing
off.

Our pending tasks lie in *windows* of neighbours in the order in which they were recorded, each no larger than a page. A
window is asked for when the time that its tasks have been waiting, all together, is worth ``page_cost`` requests
(``page_wait`` in worker/core/schedule/inspection.py): the newest, in which the quick ones end, every few seconds, old ones seldom.
After a page, looks that are due have their turn: as many requests as the page took (:func:`in_turn`).

Durations and instants are milliseconds.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from worker.core.schedule.hazard import Forecast
from worker.core.schedule.inspection import Told
from worker.core.task import Task
from worker.core.vendor.page import LIMIT, Page, PageQuery, Row

ROWS = LIMIT  # of a window: as many as a page holds
MOST_WINDOWS = 2000  # that are thought of: the newest; older tasks keep to their schedule
SOONEST = 1_000
LONGEST = 900_000  # until a window is weighed again: the price may have fallen
MARGIN = 5_000  # between when a task began, or ended, here and there
UNSURE = 60_000  # by so much may a task have begun before we were told of it
APART = 600_000  # a task that began so long before or after its neighbours is not looked for on their page

# Of the latest looks that put the list to the test, so many may prove it wrong.
LATEST, MOST_LIES = 50, 5
EARNED = 5.0  # lies that would have been found of a list that knows nothing, before one is trusted: exp(-5) = 0.7 %
MOST_FAILURES = 3


def begin_of(task: Task) -> int:
    """When the discovery began, as far as we know."""
    last = task.seen_at if task.seen_at is not None else task.recorded_at
    return last - task.age(last)


def shown(task: Task) -> bool:
    """Whether a page has shown the task as pending since its last look by id."""
    return task.seen_at is not None and task.seen_at > (task.last_poll_at or 0)


def query(tasks: Sequence[Task], now: int) -> PageQuery:
    """The page for a window of these tasks, at least one."""
    begins = sorted((begin_of(task), task.started_at is not None) for task in tasks)
    middle = begins[len(begins) // 2][0]
    start = min(begin - (MARGIN if sure else UNSURE) for begin, sure in begins if abs(begin - middle) <= APART)
    return PageQuery(start, max(now, start + SOONEST))


def groups(tasks: Iterable[Task], odds: Callable[[str], Forecast]) -> list[Told]:
    """The tasks of a window, alike ones together, to be weighed; ``odds`` of a class."""
    alike: dict[tuple[str, int, int], list[tuple[int, int]]] = {}
    for task in tasks:
        begin = begin_of(task)
        known = 0 if task.seen_at is None else max(0, task.seen_at - begin)
        alike.setdefault((task.kind, known.bit_length(), begin // 2_000), []).append((known, begin))
    return [
        Told(odds(kind), len(found), fmean(known for known, _ in found), fmean(begin for _, begin in found))
        for (kind, _, _), found in alike.items()
    ]


def in_turn(made: int, page_cost: int, *, due: bool) -> bool:
    """Whether it is the turn of a page, ``made`` requests after the last one; ``due``: looks are.

    A page may always find enough to be worth its requests, and so may the next. So each lets as many requests go to
    looks that are due as it takes itself: those include the first looks at tasks that no page has shown.
    """
    return not due or made >= page_cost


class Shown(NamedTuple):
    """What a page says of the tasks of a window; ``silent`` are those it leaves out without having shown them, or is
    full before it comes to them."""

    pending: list[tuple[Task, Row]]
    concluded: list[Task]
    silent: list[Task]


def compared(page: Page, asked: PageQuery, asked_at: int, tasks: Iterable[Task], denied: Collection[int]) -> Shown:
    """Hold a page against our tasks; ``denied`` are rows of tasks that it has called concluded, and they were not."""
    rows = {row.id: row for row in page.rows}
    starts = [row.started_at for row in page.rows if row.started_at is not None]
    full = page.received >= LIMIT
    last = max(starts, default=asked.start) if full else asked_at
    pending: list[tuple[Task, Row]] = []
    concluded: list[Task] = []
    silent: list[Task] = []
    for task in tasks:
        row = rows.get(task.id)
        if row is not None and row.status == "pending":
            pending.append((task, row))
        elif task.seq in denied:
            continue
        elif row is not None:
            concluded += [task] if row.status in ("success", "failure") else []
        elif asked.start <= begin_of(task) <= last - MARGIN:
            (concluded if shown(task) and task.started_at is not None else silent).append(task)
        elif full and begin_of(task) >= last:
            silent.append(task)
    return Shown(pending, concluded, silent)


class Trust:
    """Whether the list is worth asking, and whether it may put looks off.

    A task still pending proves nothing: a list that shows everything as pending is right about it, too. One that ended
    between two looks by id, and that a page showed as pending between them, is a test: a list that knows nothing fails
    it if the task ended before the page. How likely that was follows from the two looks and the shape of the curve
    between them; how soon such tasks end at all, which nobody knows before there is history, does not matter. A list
    that knows nothing passes tests that had the chances q1, q2, … of failing only with the probability
    (1 - q1) * (1 - q2) * … < exp(-(q1 + q2 + …)). So ``earned`` once the chances of tests passed, since the last one
    that was not, add up to EARNED; after a lie, LATEST more tasks have to be found as shown as well.
    ``reason``: why the list is not asked any more, in words for a person.
    """

    def __init__(self) -> None:
        self._latest: tuple[bool, ...] = ()
        self._chances = 0.0
        self._passed = LATEST  # tasks found as shown since the last lie
        self._failures = 0
        self.reason: str | None = None

    @property
    def earned(self) -> bool:
        """Whether a task that the list shows as pending may be looked at later."""
        return self._chances >= EARNED and self._passed >= LATEST and self.reason is None

    def proved(self, *, true: bool) -> None:
        """A look by id put to the test what the list had said of a task."""
        self._latest = (*self._latest[-LATEST + 1 :], true)
        if self._latest.count(False) >= MOST_LIES:
            wrong, of = self._latest.count(False), len(self._latest)
            self.reason = f"of the latest {of} looks by id, {wrong} found that the list had not told the truth"

    def passed(self, chance: float) -> None:
        """A task that it had shown as pending was so: it is now, or ended later. ``chance``: that this was found false,
        0 of a task that is pending now."""
        self._chances += chance
        self._passed += 1
        self.proved(true=True)

    def lied(self) -> None:
        """A task that it had shown as pending had ended before."""
        self._passed = 0
        self.doubted()
        self.proved(true=False)

    def doubted(self) -> None:
        """A task that it had shown as pending has ended, nobody tells when: a lie would not have been found."""
        self._chances = 0.0

    def answered(self) -> None:
        """A whole page came."""
        self._failures = 0

    def failed(self, code: str, *, unknown: bool) -> None:
        """No page came, for the reason ``code``. ``unknown``: there is no such list, or not for such a question.

        A refusal may be about our credentials, like one of a look, and is a failure among others.
        """
        self._failures += 1
        if unknown:
            self.reason = f"the vendor knows no such list ({code})"
        elif self._failures >= MOST_FAILURES:
            self.reason = f"the list failed {self._failures} times in a row, at last with {code}"
