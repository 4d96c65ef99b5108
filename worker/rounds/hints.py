"""Hints from the vendor's list: asks for the pages that pay, and makes due what they show as concluded."""

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from worker.core.lane import Lane
from worker.core.learned import Learned
from worker.core.limit import Limit, charge, grant
from worker.core.page import Page, PageQuery
from worker.core.reply import Concluded, Pending, RateLimited, Refused, Rejected, Reply, Unknown
from worker.core.sweep import MOST_BLOCKS, ROWS, SOONEST, UNTIL_LATER, LastPage, Trust, groups, window
from worker.core.worth import page_wait
from worker.gateways.pool import PAGE, Done, Job
from worker.rounds.saving import Asked
from worker.store import notices, sweeping
from worker.store.db import Store

# Blocks that are weighed in one pass, and the longest a block is left alone; the price may have fallen meanwhile.
WEIGHED, LONGEST = 16, 900_000

# How long to leave the list alone where requests have to be saved first.
POOR = 5_000

# Tasks that the list called concluded, and a look did not: they are not looked at for its sake again.
MOST_DENIED = 10_000

NOTICE = "list_hints_off"


class Hints:
    """What is known of the pages between two passes; nothing of it needs to outlive the process."""

    def __init__(self, store: Store, learned: Learned, limit: Limit, page_cost: int, now: int) -> None:
        self._store = store
        self._learned = learned
        self._limit = limit
        self._page_cost = page_cost
        self._trust = Trust()
        self._weigh: list[tuple[int, int]] = []  # (when, block)
        self._newest = max(-1, sweeping.newest_block(store, ROWS) - MOST_BLOCKS)
        self._told: dict[int, LastPage] = {}
        self._asked: tuple[int, PageQuery] | None = None  # the page in the air, by its block
        self._denied: set[int] = set()
        self._rest_until = now

    @property
    def next_at(self) -> int:
        """When to be called again, if nothing else happens."""
        if self._trust.reason is not None or self._asked is not None:
            return UNTIL_LATER
        return max(self._rest_until, self._weigh[0][0] if self._weigh else self._rest_until + SOONEST)

    def propose(self, lane: Lane, now: int) -> PageQuery | None:
        """A page that pays, if there is one and a slot for it. Only reads; it is asked for by :meth:`ask`."""
        if lane.paused or grant(self._limit, lane.meter, now, 1).slots == 0:
            return None
        if now < self.next_at:
            return None
        if self._learned.spared < self._page_cost:
            self._rest_until = now + POOR
            return None
        self._discover(now)
        for _ in range(WEIGHED):
            if not self._weigh or self._weigh[0][0] > now:
                break
            block = heappop(self._weigh)[1]
            waiting = sweeping.waiting(self._store, block * ROWS, ROWS)
            if not waiting and block < self._newest:
                self._told.pop(block, None)
                continue
            told = self._told.get(block)
            wait = page_wait(groups(waiting, told, self._learned.odds), now, self._page_cost * self._learned.price)
            heappush(self._weigh, (now + max(SOONEST, min(wait, LONGEST)), block))
            if wait == 0 and waiting:
                self._asked = block, window(waiting, told)
                return self._asked[1]
        self._rest_until = now + SOONEST
        return None

    def give_up(self) -> None:
        """The page that was proposed is not asked for now."""
        self._asked = None

    def ask(self, page: PageQuery, lane: Lane, now: int, deadline: int) -> tuple[Lane, list[tuple[Job, None]]]:
        """The job for the page, and the lane that has paid for it; no job where the slot has gone meanwhile."""
        slot = grant(self._limit, lane.meter, now, 1)
        if slot.slots == 0 or lane.paused:
            self.give_up()
            return lane, []
        self._learned.spared -= self._page_cost
        meter = charge(self._limit, slot.meter, self._page_cost - 1, now)
        return lane._replace(meter=meter), [(Job(PAGE, "", now, deadline, page), None)]

    def hear(
        self, pages: Sequence[Done], looks: Sequence[Done], asked: Mapping[int, Asked], lane: Lane, now: int
    ) -> Lane:
        """What pages showed, and what the looks that they brought about said of the list. Inside the transaction."""
        for done in looks:
            claimed = asked.get(done.job.seq)
            if claimed is not None and claimed.task.why == "hint":
                self._looked(done.job.seq, done.reply, now)
        meter = lane.meter
        for done in pages:
            self._heard(done.page or done.reply, done.job.asked_at, now)
            meter = charge(self._limit, meter, max(0, done.requests - 1), now)
        return lane._replace(meter=meter)

    def _heard(self, reply: Page | Reply, asked_at: int, now: int) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return  # from before a reload
        block, query = asked
        if not isinstance(reply, Page):
            self._fail(reply, now)
            return
        self._trust.answered()
        full = reply.received >= query.limit
        starts = [row.started_at for row in reply.rows if row.started_at is not None]
        self._told[block] = LastPage(asked_at, max(starts, default=query.end) if full else UNTIL_LATER)
        shown = {row.id for row in reply.rows if row.status in ("success", "failure")}
        sweeping.make_due(self._store, sorted(shown), self._denied, now)

    def _looked(self, seq: int, reply: Reply, now: int) -> None:
        if isinstance(reply, Concluded):
            self._trust.proved(true=True)
        elif isinstance(reply, Pending | Unknown):
            self._trust.proved(true=False)
            if len(self._denied) < MOST_DENIED:
                self._denied.add(seq)
            self._say(now)

    def _fail(self, reply: Reply, now: int) -> None:
        code = "no_list" if isinstance(reply, Concluded | Pending) else reply.code
        forbidden = isinstance(reply, Refused | Unknown | Rejected)
        if not (isinstance(reply, Refused | RateLimited) and reply.where == "token"):
            self._trust.failed(code, forbidden=forbidden)
        self._rest_until = now + 60_000
        self._say(now)

    def _say(self, now: int) -> None:
        if self._trust.reason is not None:
            notices.put(
                self._store,
                NOTICE,
                f"{self._trust.reason}; looks go on without it. Restart to try again, or set list_hints = no",
                now,
            )

    def _discover(self, now: int) -> None:
        newest = sweeping.newest_block(self._store, ROWS)
        for block in range(self._newest + 1, newest + 1):
            heappush(self._weigh, (now, block))
        self._newest = max(self._newest, newest)
