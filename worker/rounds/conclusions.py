"""A log line for each conclusion: the task, its outcome, and how old it was. Above ten a second, one line a second."""

from collections import Counter
from collections.abc import Iterable

from worker.core.instant import words
from worker.core.task import Task
from worker.rounds.log_lines import LogLine

MOST_LINES = 10
PERIOD_MS = 1_000


class Conclusions:
    """Counts what concludes. After a second with more than ten, those that follow are told in one line a second, with
    counts, until a second has ten or fewer again."""

    def __init__(self) -> None:
        self._began_at: int | None = None  # of the period
        self._count = 0  # in the period
        self._crowded = False  # whether the period before had more than ten
        self._held: Counter[str] = Counter()  # by outcome: not told yet

    @property
    def tells_at(self) -> int | None:
        """When a line with counts is due (ms)."""
        return self._began_at + PERIOD_MS if self._held and self._began_at is not None else None

    def lines(self, concluded: Iterable[Task], now: int, *, last: bool = False) -> list[LogLine]:
        """The lines that are due. ``last``: also those that are not due yet."""
        over = self._began_at is not None and not 0 <= now - self._began_at < PERIOD_MS
        found = self._told() if over else []
        if over:
            self._crowded, self._began_at, self._count = self._count > MOST_LINES, None, 0
        for task in concluded:
            self._began_at = now if self._began_at is None else self._began_at
            self._count += 1
            if self._crowded or self._count > MOST_LINES:
                self._held[str(task.outcome)] += 1
            else:
                said: dict[str, object] = {"task": task.id, "outcome": task.outcome, "age": words(task.age(now))}
                found.append(LogLine("info", "concluded", said))
        return found + (self._told() if last else [])

    def _told(self) -> list[LogLine]:
        if not self._held:
            return []
        counts: dict[str, object] = {"tasks": self._held.total(), **dict(sorted(self._held.items()))}
        self._held.clear()
        return [LogLine("info", "concluded, too many to name", counts)]
