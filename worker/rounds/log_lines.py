"""The lines of the log that a poll pass brings, beside its conclusions.

Failures are problems: worker/daemon/problem_watch.py logs when they begin and end.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from worker.core.task import Task


class Log(Protocol):
    """The part of a structlog logger that a round uses."""

    def info(self, event: str, **fields: object) -> object: ...
    def warning(self, event: str, **fields: object) -> object: ...
    def error(self, event: str, **fields: object) -> object: ...


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


def lines(changes: Iterable[Change]) -> list[LogLine]:
    """The lines for a pass, to be written once its transaction is committed."""
    found: list[LogLine] = []
    for change in changes:
        if change.revision:
            event = "a differing body for a concluded task is kept as a revision"
            found.append(LogLine("warning", event, {"task": change.old.id}))
        if change.new.state == "abandoned" and change.old.state == "pending":
            event = "abandoned: pending for longer than give_up_after"
            found.append(LogLine("warning", event, {"task": change.old.id}))
    return found
