"""Hints from the vendor's list: asks for the pages that pay, and acts on what they show (worker/core/sweep.py)."""

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from copy import copy
from heapq import heappop, heappush
from typing import Any, NamedTuple

from worker.core.instant import FAR
from worker.core.pacing.breaker import Lane
from worker.core.pacing.judge import too_fast
from worker.core.pacing.limiter import Limit, charge, grant, slowed
from worker.core.schedule.hazard import class_of
from worker.core.schedule.inspection import page_wait
from worker.core.schedule.learned import Learned
from worker.core.sweep import (
    APART,
    LONGEST,
    MARGIN,
    MOST_WINDOWS,
    ROWS,
    SOONEST,
    Trust,
    begin_of,
    compared,
    groups,
    in_turn,
    query,
    shown,
)
from worker.core.task import Task
from worker.core.vendor.page import Page, PageQuery, Row
from worker.core.vendor.reply import Concluded, Pending, RateLimited, Refused, Rejected, Reply, Unknown
from worker.gateways.http.pool import PAGE, Done, Job
from worker.rounds.poll.saving import Asked
from worker.store.db.store import Store
from worker.store.state import notices
from worker.store.tasks import polling as tasks
from worker.store.tasks import sweeping

# Windows that are weighed in one pass: a millisecond each.
WEIGHED = 8

# How long to leave the list alone while looks have their turn, where requests have to be saved first, and after a
# failure.
TURN, POOR, FAILED = 100, 5_000, 60_000

# Tasks that make no page worth asking for until a look by their id: the list has left them out, or they are looked at.
MOST_SILENT = 100_000

# Tasks of which it is remembered what a list that is not trusted has shown, until all are forgotten: thirty megabytes.
MOST_REMEMBERED = 100_000

NOTICE = "list_hints_off"

# What a transaction may change and its failure takes back. Shallow copies of these are independent of what they copy.
_UNDONE = ("_trust", "_asked", "_rest_until", "_denied", "urgent", "_made", "_written", "_forgets")


class _Remembered(NamedTuple):
    """What a page showed of a pending task: when, its class, and when it began, if that is likely."""

    at: int
    kind: str
    started_at: int | None


class Hints:
    """What is known of the windows between two passes; nothing of it needs to outlive the process."""

    def __init__(self, store: Store, learned: Learned, limit: Limit, page_cost: int, now: int) -> None:
        self._store = store
        self._learned = learned
        self._limit = limit
        self._page_cost = page_cost
        self._trust = Trust()
        self._starts: list[int] = []  # the first row of each window, in order
        self._weigh: list[tuple[int, int]] = []  # (when, first row of a window)
        self._asked: tuple[PageQuery, list[Task]] | None = None  # the page in the air, and the tasks it is to tell of
        self._silent: set[int] = set()
        self._remembered: dict[int, _Remembered] = {}  # by row: what was shown by a list that is not trusted
        self._written = True  # whether rows may tell what a page has shown: also those of the last process
        self._forgets: tuple[int, int] | None = None  # (row, instant): rows below forget what pages showed until then
        self._denied: set[int] = set()
        self._lead: int | None = None  # of the clock over one that never jumps
        self._rest_until = now
        self._made = page_cost  # requests since the last page
        self._before: dict[str, Any] = {}
        self._new_silent: list[int] = []
        self.urgent: set[int] = set()  # rows that a page has made due
        self._open(sweeping.back_from_newest(store, MOST_WINDOWS * ROWS), now)

    @property
    def next_at(self) -> int:
        """When to be called again, if nothing else happens."""
        if self._trust.reason is not None or self._asked is not None:
            return FAR
        return max(self._rest_until, self._weigh[0][0] if self._weigh else self._rest_until + SOONEST)

    def watch_clock(self, now: int, monotonic: int) -> None:
        """Forget what is remembered by another clock: held against ends, it would make lies of truths."""
        before, self._lead = self._lead, now - monotonic
        if before is not None and abs(self._lead - before) > MARGIN:
            self._remembered.clear()

    def propose(self, lane: Lane, now: int) -> PageQuery | None:
        """A page that pays, if there is one and a slot for it. Only reads; it is asked for by :meth:`ask`."""
        if self._rest_until > now + FAILED or (self._weigh and self._weigh[0][0] > now + LONGEST):
            # Nothing waits for so long: the clock was set back.
            self._rest_until = now
            self._remembered.clear()
            self._weigh = sorted((now, first) for _, first in self._weigh)
        if now < self.next_at or lane.paused or grant(self._limit, lane.meter, now, 1).slots == 0:
            return None
        if self._learned.spared < self._page_cost:
            self._rest_until = now + POOR
            return None
        if self._made < self._page_cost:
            due_at = tasks.next_due(self._store)
            if not in_turn(self._made, self._page_cost, due=due_at is not None and due_at <= now):
                self._rest_until = now + TURN
                return None
        for _ in range(WEIGHED):
            if not self._weigh or self._weigh[0][0] > now:
                break
            first = heappop(self._weigh)[1]
            found = self._tasks_of(first, now)
            if found is None:
                continue
            telling = [task for task in found if task.seq not in self._silent]
            wait = page_wait(groups(telling, self._learned.odds), now, self._page_cost * self._learned.price)
            longest = SOONEST if first == self._starts[-1] else LONGEST
            heappush(self._weigh, (now + max(SOONEST, min(wait, longest)), first))
            if wait == 0 and telling:
                self._asked = query(telling, now), found
                return self._asked[0]
        self._rest_until = min(now + SOONEST, self._weigh[0][0] if self._weigh else now + SOONEST)
        return None

    @property
    def forgetting(self) -> bool:
        """Whether there is more to forget, in the next transaction."""
        return self._forgets is not None

    def count(self, looks: int) -> None:
        """So many looks have been let go."""
        self._made += looks

    def begin(self, *, proposed: bool) -> None:
        """A transaction begins, perhaps with a page that was proposed for it."""
        self._before = {name: copy(getattr(self, name)) for name in _UNDONE}
        if proposed:
            self._before["_asked"] = None
        self._new_silent.clear()

    def go_back(self) -> None:
        """It failed: what was heard in it will be heard again."""
        for name, value in self._before.items():
            setattr(self, name, value)
        self._learned.trusting = self._trust.earned
        self._silent.difference_update(self._new_silent)

    def give_up(self) -> None:
        """The page that was proposed is not asked for now."""
        self._asked = None

    def take_back(self) -> None:
        """Nor is the one that was handed out: what was spared for it is there again, and so is its turn."""
        self.give_up()
        self._learned.spared += self._page_cost
        self._made = self._page_cost

    def ask(
        self, page: PageQuery, lane: Lane, now: int, deadline: int, *, allowed: bool = True
    ) -> tuple[Lane, list[tuple[Job, None]]]:
        """The job for the page, and the lane that has paid for it; no job where the slot has gone meanwhile."""
        slot = grant(self._limit, lane.meter, now, 1)
        if not allowed or slot.slots == 0 or lane.paused or self._learned.spared < self._page_cost:
            self.give_up()
            return lane, []
        self._learned.spared -= self._page_cost
        self._made = 0
        meter = charge(self._limit, slot.meter, self._page_cost - 1, now)
        return lane._replace(meter=meter), [(Job(PAGE, "", now, deadline, page), None)]

    def hear(self, heard: Sequence[Done], asked: Mapping[int, Asked], lane: Lane, now: int) -> Lane:
        """What pages showed, and what looks by id say of the list. Inside the transaction."""
        on = self._trust.reason is None
        for done in heard:
            claimed = asked.get(done.job.seq)
            if claimed is not None:
                self._looked(claimed.task, done.reply, now)
        meter = lane.meter
        for done in heard:
            if done.job.page is None:
                continue
            self._heard(done.page or done.reply, min(done.job.asked_at, now), now)
            meter = charge(self._limit, meter, max(0, done.requests - 1), now)
            if too_fast(done.reply):
                meter = slowed(self._limit, meter, done.job.asked_at, now)
        if on and self._trust.reason is not None:
            self._switch_off(self._trust.reason, now)
        self._learned.trusting = self._trust.earned
        if self._forgets is not None:
            below = sweeping.forget(self._store, *self._forgets, now)
            self._forgets = (below, self._forgets[1]) if below else None
        return lane if meter is lane.meter else lane._replace(meter=meter)

    def _tasks_of(self, first: int, now: int) -> list[Task] | None:
        """The tasks that a page from a window's first one on would tell of; ``None`` where the window is no more."""
        place = bisect_right(self._starts, first) - 1
        if place < 0 or self._starts[place] != first:
            return None
        found = [self._as_shown(task) for task in tasks.pending_from(self._store, first, ROWS)]
        newest = place == len(self._starts) - 1
        if not newest and (not found or found[0].seq >= self._starts[place + 1]):
            del self._starts[place]
            return None
        if newest and len(found) == ROWS and sweeping.newest(self._store) > found[-1].seq:
            self._open(found[-1].seq + 1, now)
        return found

    def _open(self, first: int, now: int) -> None:
        insort(self._starts, first)
        heappush(self._weigh, (now, first))

    def _heard(self, reply: Page | Reply, asked_at: int, now: int) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return  # from before a failed transaction
        if not isinstance(reply, Page):
            self._fail(reply, now)
            return
        self._trust.answered()
        rows = {task.seq: task for task in self._untouched(asked[1], asked_at)}
        said = compared(reply, asked[0], asked_at, map(self._as_shown, rows.values()), self._denied)
        self._show([(rows[task.seq], row) for task, row in said.pending], asked_at)
        self.urgent.update(sweeping.make_due(self._store, said.concluded, now))
        if len(self._silent) < MOST_SILENT:
            self._new_silent += [task.seq for task in (*said.silent, *said.concluded) if task.seq not in self._silent]
            self._silent.update(self._new_silent)

    def _untouched(self, asked: Sequence[Task], asked_at: int) -> list[Task]:
        """Those of the tasks that nobody has looked at since the page was asked for, or is looking at, as they are."""
        now = {task.seq: task for task in tasks.pending_from(self._store, asked[0].seq, 2 * ROWS)}
        found = [now[task.seq] for task in asked if task.seq in now]
        return [task for task in found if task.why != "lease" and (task.seen_at or 0) <= asked_at]

    def _show(self, pending: Sequence[tuple[Task, Row]], at: int) -> None:
        """A page has shown these tasks, as they stand in the database, as pending."""
        seen = [_seen(task, row, at) for task, row in pending]
        if self._trust.earned:
            self._written = True
            self._learned.told([task for task, _ in pending], at)
            sweeping.show_pending(self._store, seen, at)
            return
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered.update((seq, _Remembered(at, kind, started_at)) for seq, kind, started_at in seen)

    def _as_shown(self, task: Task) -> Task:
        """The task as the latest page showed it, if it has not been seen pending since."""
        found = self._remembered.get(task.seq)
        if found is None or found.at <= (task.seen_at or 0):
            return task
        return task._replace(seen_at=found.at, kind=found.kind, started_at=task.started_at or found.started_at)

    def _looked(self, task: Task, reply: Reply, now: int) -> None:
        """A look by id puts to the test what the list had said of the task, as it was before."""
        self._silent.discard(task.seq)
        if task.why == "hint":
            if isinstance(reply, Concluded):
                self._trust.proved(true=True)
            else:
                self._denied.add(task.seq)
                if isinstance(reply, Pending | Unknown):
                    self._trust.proved(true=False)
        as_shown = self._as_shown(task)
        if not shown(as_shown) or not isinstance(reply, Pending | Concluded):
            return
        assert as_shown.seen_at is not None
        at = as_shown.seen_at - MARGIN
        if isinstance(reply, Pending):
            self._trust.passed(0.0)
        elif reply.ended_at is None:
            self._trust.doubted()
            self._forget(now)
        elif reply.ended_at < at:
            self._trust.lied()
            self._forget(now)
        else:
            self._trust.passed(self._chance(task, at, now))

    def _chance(self, task: Task, at: int, now: int) -> float:
        """That a task which ended between two looks by id had done so by then, as far as its class tells."""
        begin = begin_of(task)
        known = (task.last_poll_at or task.recorded_at) - begin
        return self._learned.odds(task.kind).share(known, at - begin, now - begin)

    def _fail(self, reply: Reply, now: int) -> None:
        if isinstance(reply, Concluded | Pending):
            return  # no such thing comes of a page
        if not (isinstance(reply, Refused | RateLimited) and reply.where == "token"):
            self._trust.failed(reply.code, unknown=isinstance(reply, Unknown | Rejected))
        self._rest_until = now + FAILED

    def _switch_off(self, reason: str, now: int) -> None:
        self._forget(now)
        said = f"{reason}; looks go on without it. Restart to try again, or set list_hints = no"
        notices.put(self._store, NOTICE, said, now)

    def _forget(self, now: int) -> None:
        """What pages have put off is to be planned anew, without them."""
        if self._written:
            self._forgets = sweeping.newest(self._store) + 1, now
        self._written = False


def _seen(task: Task, row: Row, asked_at: int) -> tuple[int, str, int | None]:
    """The row, its class, and when it began: if the page tells something likely."""
    likely = row.started_at is not None and task.recorded_at - APART <= row.started_at <= asked_at
    return task.seq, class_of(row.pending, row.name or task.name), row.started_at if likely else None
