"""Responses of real-time checks that were handed in and named no task, since the last one that did.

One such response is as it should be: not every check sets off a discovery. Many in a row mean that discovery is not
enabled, or that something on the way takes the Link header away.
"""

from collections.abc import Iterable
from typing import NamedTuple

from worker.core.intake.intake import Intake
from worker.store.db.store import Store
from worker.store.state import meta

_KEY = "responses_without_task"

# What shows that a response named a task. An id or a body may come from elsewhere.
_FROM_RESPONSES = frozenset({"link", "headers", "jsonl", "submit"})


class WithoutTask(NamedTuple):
    """``responses`` of them since ``since``, ms; ``None`` where there are none."""

    responses: int
    since: int | None


def without_task(store: Store) -> WithoutTask:
    """How many there were since the last response that named a task."""
    found = meta.get(store, _KEY)
    count, since = found.get("count"), found.get("since")
    if not isinstance(count, int) or not isinstance(since, int):
        return WithoutTask(0, None)
    return WithoutTask(count, since)


def count(store: Store, intakes: Iterable[Intake], now: int) -> None:
    """Count what was just handed in, in its order."""
    silent, named = _counted(intakes)
    if _matters(store, silent, named):
        with store.write():
            _add(store, silent, named, now)


def count_within(store: Store, intakes: Iterable[Intake], now: int) -> None:
    """The same inside the caller's transaction."""
    silent, named = _counted(intakes)
    if _matters(store, silent, named):
        _add(store, silent, named, now)


def _counted(intakes: Iterable[Intake]) -> tuple[int, bool]:
    """How many responses came after the last one that named a task (or came at all), and whether one did."""
    silent, named = 0, False
    for intake in intakes:
        if any(one.source in _FROM_RESPONSES for one in intake.recordings):
            silent, named = 0, True
        else:
            silent += intake.without_task
    return silent, named


def _matters(store: Store, silent: int, named: bool) -> bool:
    return bool(silent or (named and without_task(store).responses))


def _add(store: Store, silent: int, named: bool, now: int) -> None:
    if named:
        meta.forget(store, _KEY)
    before = without_task(store)
    if silent:
        since = now if before.since is None else before.since
        meta.put(store, _KEY, {"count": before.responses + silent, "since": since})
