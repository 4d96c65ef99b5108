"""Log lines for edges only: one when polls begin to fail with a code, one when no task has failed with it for a while.

A bad hour of the vendor touches thousands of tasks, and a line for each poll would hide the others. So failures are
counted by code, and the last line has the count.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from worker.core.instant import iso_or_none, words
from worker.core.pacing.breaker import Breaker
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


class Pauses:
    """The lines for a pause that begins, ends, or goes on for another reason.

    Pauses for one reason that follow each other within ``QUIET_MS`` are one storm: its first pause is said when it
    begins and when it ends, and the storm when it is over, with a count.
    """

    def __init__(self) -> None:
        self._reason: str | None = None
        self._ended_at: int | None = None
        self._more = 0  # pauses of the storm after the first

    def lines(self, before: Breaker, after: Breaker, now: int) -> list[LogLine]:
        said: dict[str, object] = {"reason": after.reason, "code": after.code}
        if after.paused and not before.paused:
            if after.reason == self._reason and self._ended_at is not None:
                self._more, self._ended_at = self._more + 1, None
                return []
            self._reason, self._ended_at, self._more = after.reason, None, 0
            return [LogLine("warning", "api paused", {**said, "resumes_at": iso_or_none(after.resumes_at)})]
        if before.paused and not after.paused:
            self._ended_at = now
            more: dict[str, object] = {"was": before.reason, "probes": before.probes}
            return [] if self._more else [LogLine("info", "api answers again", more)]
        if after.reason != before.reason:
            self._reason = after.reason
            return [LogLine("warning", "api still paused, for another reason", said)]
        return self._over(now)

    def _over(self, now: int) -> list[LogLine]:
        if self._ended_at is None or now - self._ended_at < QUIET_MS:
            return []
        reason, more = self._reason, self._more
        self._reason, self._ended_at, self._more = None, None, 0
        return [LogLine("info", "api has kept answering", {"was": reason, "pauses": more + 1})] if more else []


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
