"""Log lines on edges only: the first task that begins to fail in some way, silence, and the end of it with a count.

A vendor's bad hour touches thousands of tasks; a line for each, at every look, would bury what matters. So troubles are
counted by code: one line when a code first appears, one when no task has had it for a while.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from worker.core.instant import iso_or_none, words
from worker.core.lane import Lane
from worker.core.task import Task

# A code that comes again within this time (ms) is the same trouble going on.
QUIET = 300_000


@dataclass(slots=True)
class _Trouble:
    since: int
    failing: int = 0  # tasks that have it now
    touched: int = 0  # times a task got it
    clear_at: int | None = None  # when the last task lost it


@dataclass(frozen=True, slots=True)
class Line:
    """A line for the log; ``level`` is warning or info."""

    level: str
    event: str
    fields: dict[str, object]


def lane_lines(before: Lane, after: Lane) -> list[Line]:
    """The lines for a pause that began, ended, or goes on for another reason."""
    said: dict[str, object] = {"reason": after.reason, "code": after.code}
    if after.paused and not before.paused:
        return [Line("warning", "api paused", {**said, "resumes_at": iso_or_none(after.resumes_at)})]
    if before.paused and not after.paused:
        return [Line("info", "api answers again", {"was": before.reason, "probes": before.probes})]
    if after.reason != before.reason:
        return [Line("warning", "api still paused, for another reason", said)]
    return []


@dataclass(frozen=True, slots=True)
class Change:
    """What one look changed; ``revision``: it brought a second, differing body."""

    old: Task
    new: Task
    revision: bool = False


class Troubles:
    """Counts, in memory; ``standing`` are those the database knew of at the start, as (code, tasks)."""

    def __init__(self, standing: Iterable[tuple[str, int]], now: int) -> None:
        self._known = {code: _Trouble(now, count, count) for code, count in standing}

    def lines(self, changes: Iterable[Change], now: int) -> list[Line]:
        """The lines that are due after a pass, to be called once its transaction is committed."""
        found: list[Line] = []
        for change in changes:
            if change.revision:
                event = "a differing body for a concluded task is kept as a revision"
                found.append(Line("warning", event, {"task": change.old.id}))
            if change.new.state == "abandoned" and change.old.state == "pending":
                event = "abandoned: pending for longer than give_up_after"
                found.append(Line("warning", event, {"task": change.old.id}))
            found += self.saw(change.old, change.new, now)
        return found + self.settled(now)

    def saw(self, old: Task, new: Task, now: int) -> list[Line]:
        """What a look changed; the lines that are due because of it."""
        if old.last_error == new.last_error:
            return []
        if old.last_error is not None and (trouble := self._known.get(old.last_error)):
            trouble.failing = max(0, trouble.failing - 1)
            if not trouble.failing:
                trouble.clear_at = now
        if new.last_error is None:
            return []
        fresh = new.last_error not in self._known
        trouble = self._known.setdefault(new.last_error, _Trouble(now))
        trouble.failing += 1
        trouble.touched += 1
        trouble.clear_at = None
        return [Line("warning", "looks begin to fail", {"code": new.last_error, "task": new.id})] if fresh else []

    def settled(self, now: int) -> list[Line]:
        """The lines for troubles that have been over for a while."""
        over = {c: t for c, t in self._known.items() if t.clear_at is not None and now - t.clear_at >= QUIET}
        for code in over:
            del self._known[code]
        return [
            Line(
                "info",
                "looks no longer fail",
                {"code": code, "times": trouble.touched, "lasted": words((trouble.clear_at or now) - trouble.since)},
            )
            for code, trouble in over.items()
        ]
