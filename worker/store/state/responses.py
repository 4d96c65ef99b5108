"""Responses of real-time checks that were handed in and named no task, since the last one that did.

One such response is as it should be: not every check sets off a discovery. Many in a row mean that discovery is not
enabled, or that something on the way takes the Link header away.
"""

from typing import NamedTuple

from worker.store.db.store import Store
from worker.store.state import meta

_KEY = "responses_without_task"


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


def add(store: Store, silent: int, now: int, *, named: bool) -> None:
    """Count what was just handed in: ``named`` tells that a response named a task, and ``silent`` how many came after
    it that did not (or came at all)."""
    if not silent and (not named or not without_task(store).responses):
        return
    with store.write():
        if named:
            meta.forget(store, _KEY)
        before = without_task(store)
        if silent:
            since = now if before.since is None else before.since
            meta.put(store, _KEY, {"count": before.responses + silent, "since": since})
