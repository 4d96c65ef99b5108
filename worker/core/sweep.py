"""Pages of the vendor's list as hints: which page to ask for, and whether the list can be believed.

A list can only make a look *earlier*. A task that a page shows as concluded is looked at by its id at once, and that
look alone concludes it; one that is shown as pending, or left out, keeps its schedule. So a list that lies, lags,
shifts or leaves out costs its requests and nothing else.

Tasks are taken in *blocks* of neighbours in the order in which they were recorded. A page of the tasks that began when
those of a block did tells of up to a hundred at once, and is worth the time that they have been waiting, all together
(``page_wait`` in worker/core/worth.py). It is asked for when that reaches ``page_cost`` times the price of a request.

Durations and instants are milliseconds.
"""

from collections import deque
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import NamedTuple

from worker.core.forecast import Forecast
from worker.core.page import PageQuery
from worker.core.worth import Told

ROWS = 100  # of a block, and of a page
MOST_BLOCKS = 2000  # that are thought of: the newest; older tasks keep to their schedule
SOONEST = 1_000
MARGIN = 2_000  # between when a task began here and there
APART = 600_000  # a task that began so long before or after its neighbours is not looked for on their page
UNTIL_LATER = 10**15

# Of the latest hints, so many may prove wrong.
LATEST, MOST_LIES = 50, 5
MOST_FAILURES = 3


class Waiting(NamedTuple):
    """A pending task as far as a page matters to it: its class, when it began, and when it was last seen pending."""

    kind: str
    begin: int
    seen_at: int


class LastPage(NamedTuple):
    """What the last page of a block told: of the tasks that began up to ``upto``, as they were ``at``."""

    at: int
    upto: int


def window(tasks: Sequence[Waiting], told: LastPage | None) -> PageQuery:
    """The query for the page of a block with these tasks, at least one; it goes on where a full page ended."""
    begins = sorted(task.begin for task in tasks)
    middle = begins[len(begins) // 2]
    near = [begin for begin in begins if abs(begin - middle) <= APART]
    start = near[0]
    if told is not None and near[0] <= told.upto < near[-1]:
        start = told.upto
    return PageQuery(start - MARGIN, near[-1] + MARGIN, status=None)


def groups(tasks: Sequence[Waiting], told: LastPage | None, odds: Callable[[str], Forecast]) -> list[Told]:
    """The tasks of a block by class and by the time since they were last seen, to be weighed; ``odds`` of a class."""
    alike: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for task in tasks:
        seen_at = task.seen_at if told is None or task.begin > told.upto else max(task.seen_at, told.at)
        known = max(0, seen_at - task.begin)
        alike.setdefault((task.kind, known.bit_length()), []).append((known, task.begin))
    return [
        Told(odds(kind), len(found), fmean(known for known, _ in found), fmean(begin for _, begin in found))
        for (kind, _), found in alike.items()
    ]


class Trust:
    """Whether the list is worth asking. ``reason``: why not any more, in words for a person."""

    def __init__(self) -> None:
        self._latest: deque[bool] = deque(maxlen=LATEST)
        self._failures = 0
        self.reason: str | None = None

    def proved(self, *, true: bool) -> None:
        """A look by id followed a hint: was the task concluded, as the list had it?"""
        self._latest.append(true)
        if self._latest.count(False) >= MOST_LIES:
            wrong, of = self._latest.count(False), len(self._latest)
            self.reason = f"of the latest {of} tasks that the list showed as concluded, {wrong} were still pending"

    def answered(self) -> None:
        """A whole page came."""
        self._failures = 0

    def failed(self, code: str, *, forbidden: bool) -> None:
        """No page came, for the reason ``code``."""
        self._failures += 1
        if forbidden:
            self.reason = f"the vendor refuses its list ({code})"
        elif self._failures >= MOST_FAILURES:
            self.reason = f"the list failed {self._failures} times in a row, at last with {code}"
