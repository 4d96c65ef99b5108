"""Which of the due tasks are polled first, when there are more of them than slots.

Polls that fell due within the last minute come in the order of their *deadlines*: the due time, and three tenths of the
wait that was planned on top, but no more than 30 s. A poll that was planned 10 s ahead loses much by 3 s, one that was
planned an hour ahead nothing; and while requests are scarce there always is a backlog of some seconds, which is what
the delay per request aims at (worker/core/schedule/delay_per_request.py), so that no slot is lost. It is better made of
polls that can wait.

By hand: a poll planned at 0 s for 12 s, and one planned two minutes ago for 10 s. Their deadlines are at
12 + 0.3 * 12 = 15.6 s and at 10 + 30 = 40 s: the first is made first.

Polls that have been due for more than a minute are *late*. As long as there are any, every other slot goes to the one
that has been due longest: n late polls are worked off in n / (rate / 2) seconds at the latest. The other slots see to
it that after an outage a task of today does not wait behind all those of yesterday. Where slots come one by one, the
two take turns.

Concluded tasks that the vendor is only asked to confirm (worker/core/verification.py) have the longest patience.

Tasks whose last poll failed come last among the fresh ones. When they have waited a minute they are late, and have
their turn among those. So tasks that always fail cost the others at most every other slot.

By hand: 100,000 polls due after an outage, 10 requests a second. 5 a second go to the oldest, so the last of them is
made within 100,000 / 5 = 20,000 s; the other 5 serve what falls due now, at once as long as it is no more than 5 a
second, which the delay per request sees to.
"""

from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import NamedTuple

from worker.core.task import Task

LATE_MS = 60_000
PATIENCE = 0.3  # of the planned wait
MOST_PATIENCE_MS = 30_000

# Of the tasks that are due, those due longest are put in order: of a million that are due, no claim sorts all.
CANDIDATE_ROWS = 128


def deadline(due: int, planned: int) -> float:
    """By when a poll is best made that was planned at one instant to be due at another; ms."""
    return due + max(0, min(PATIENCE * (due - planned), MOST_PATIENCE_MS))


def late_slots(slots: int, made: int) -> int:
    """How many of ``slots`` polls are to be late ones, as long as there are any.

    ``made`` counts the slots given before: of an odd number, the last goes to either in turn.
    """
    return (slots + 1 - made % 2) // 2


class InOrder(NamedTuple):
    """Due tasks: the ``late`` ones, longest due first, and the ``fresh`` ones by their deadlines."""

    late: list[Task]
    fresh: list[Task]


def in_order(due: Iterable[Task], now: int) -> InOrder:
    """Put tasks that are due into the order of claiming."""
    late: list[tuple[int, int, Task]] = []
    fresh: list[tuple[bool, float, int, int, Task]] = []
    for task in due:
        due_at = task.due_at or 0
        if due_at <= now - LATE_MS:
            late.append((due_at, task.seq, task))
        else:
            fresh.append((task.failures > 0, _deadline_of(task), due_at, task.seq, task))
    return InOrder([task for *_, task in sorted(late)], [task for *_, task in sorted(fresh)])


def _deadline_of(task: Task) -> float:
    due_at = task.due_at or 0
    if task.state == "concluded":
        return due_at + MOST_PATIENCE_MS  # its result is here already: it can wait
    return deadline(due_at, task.pending_at if task.pending_at is not None else task.recorded_at)


def probe_order(candidates: Iterable[Task], due_by: int, but: Collection[int], answered: Sequence[int]) -> list[Task]:
    """The order of probes: a task that is itself the trouble proves nothing, so ``but`` these.

    First one that was ``answered`` lately, then the newest, then those due longest. They are asked before they are due.
    But one that fails waits until it is due: otherwise it would be polled again and again, as fast as the limit allows.
    """
    found = [task for task in candidates if task.due_at is not None and (not task.failures or task.due_at <= due_by)]
    found.sort(key=lambda task: (task.failures > 0, task.due_at or 0, task.seq))
    others = [task for task in found if task.seq not in but]
    lately = max(
        (task for task in others if task.seq in answered), key=lambda task: answered.index(task.seq), default=None
    )
    newest = max(
        (task for task in others if not task.failures and task is not lately), key=attrgetter("seq"), default=None
    )
    first = [task for task in (lately, newest) if task is not None]
    return [*first, *(task for task in others if task not in first)]
