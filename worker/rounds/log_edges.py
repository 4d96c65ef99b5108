"""Log lines for edges only: one when polls begin to fail with a code, one when no task has failed with it for a while.

A bad hour of the vendor touches thousands of tasks, and a line for each poll would hide the others. So failures are
counted by code, and the last line has the count. (Problems are logged by worker/daemon/problem_watch.py.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from worker.core.instant import words
from worker.core.task import Task

# A code that comes again within this time (ms) counts as the same failure.
QUIET_MS = 300_000


class Log(Protocol):
    """The part of a structlog logger that a round uses."""

    def info(self, event: str, **fields: object) -> object: ...
    def warning(self, event: str, **fields: object) -> object: ...
    def error(self, event: str, **fields: object) -> object: ...


@dataclass(slots=True)
class _Failing:
    since: int
    tasks: int = 0  # tasks that have it now
    touched: int = 0  # times a task got it
    clear_at: int | None = None  # when the last task lost it


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for the log; ``level`` is warning or info."""

    level: str
    event: str
    fields: dict[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """What one poll changed; ``revision``: it brought a second, differing body."""

    old: Task
    new: Task
    revision: bool = False


class LogEdges:
    """Counts, in memory; ``standing`` are those the database knew of at the start, as (code, tasks)."""

    def __init__(self, standing: Iterable[tuple[str, int]], now: int) -> None:
        self._known = {code: _Failing(now, count, count) for code, count in standing}

    def lines(self, changes: Iterable[Change], now: int) -> list[LogLine]:
        """The lines that are due after a pass, to be called once its transaction is committed."""
        found: list[LogLine] = []
        for change in changes:
            if change.revision:
                event = "a differing body for a concluded task is kept as a revision"
                found.append(LogLine("warning", event, {"task": change.old.id}))
            if change.new.state == "abandoned" and change.old.state == "pending":
                event = "abandoned: pending for longer than give_up_after"
                found.append(LogLine("warning", event, {"task": change.old.id}))
            found += self.saw(change.old, change.new, now)
        return found + self.settled(now)

    def saw(self, old: Task, new: Task, now: int) -> list[LogLine]:
        """What a poll changed; the lines that are due because of it."""
        if old.last_error == new.last_error:
            return []
        if old.last_error is not None and (failing := self._known.get(old.last_error)):
            failing.tasks = max(0, failing.tasks - 1)
            if not failing.tasks:
                failing.clear_at = now
        if new.last_error is None:
            return []
        fresh = new.last_error not in self._known
        failing = self._known.setdefault(new.last_error, _Failing(now))
        failing.tasks += 1
        failing.touched += 1
        failing.clear_at = None
        return [LogLine("warning", "polls begin to fail", {"code": new.last_error, "task": new.id})] if fresh else []

    def settled(self, now: int) -> list[LogLine]:
        """The lines for failings that have been over for a while."""
        over = {c: t for c, t in self._known.items() if t.clear_at is not None and now - t.clear_at >= QUIET_MS}
        for code in over:
            del self._known[code]
        return [
            LogLine(
                "info",
                "polls no longer fail",
                {"code": code, "times": failing.touched, "lasted": words((failing.clear_at or now) - failing.since)},
            )
            for code, failing in over.items()
        ]
