"""A sweep that a person asks for. It has no checkpoint: what was recorded stays, and recording again is harmless."""

from dataclasses import dataclass

from worker.core.backfill import MOST_PAGES, PAGE_CAP, Memory, after, begun, query_of
from worker.core.listed_rows import Narrowing, Owner, sorted_rows
from worker.core.vendor.page import Page
from worker.rounds.backfill.lister import Listed, Lister
from worker.rounds.backfill.taking import Taker
from worker.store.db.store import Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """What began from ``begin`` to ``end`` (ms), and which rows of it. ``dry_run``: nothing is recorded."""

    begin: int
    end: int
    owner: Owner
    narrowing: Narrowing
    dry_run: bool = False


@dataclass(slots=True)
class Counts:
    """Discoveries by what became of them, each once; ``skipped``: not asked for, or without an id that can be used."""

    pages: int = 0
    received: int = 0
    recorded: int = 0
    known: int = 0
    foreign: int = 0
    skipped: int = 0


class HandSweep:
    """One request at a time, for which the caller has a slot."""

    def __init__(self, store: Store, lister: Lister, taker: Taker, wanted: Wanted) -> None:
        self.sweep = begun(wanted.begin, wanted.end)
        self.counts = Counts()
        self.over = False
        self.failures = 0
        """Requests in a row that brought no page."""
        self.flaw: str | None = None
        """What is wrong with the sweep as a whole, as an error's code."""
        self._store = store
        self._lister = lister
        self._taker = taker
        self._wanted = wanted
        self._memory = Memory()
        self._seen: set[str] = set()

    def ask(self, now: int) -> Listed | None:
        """Ask for the next page, and record what it names; what was heard, where that is no page."""
        query = query_of(self.sweep, self._memory, self._wanted.narrowing.correlation_id)
        listed = self._lister.ask(query, now)
        page = listed.said
        if not isinstance(page, Page):
            with self._store.write():
                self._lister.settle(self._store, listed, now)
            if listed.code == "too_large" and self._memory.limit > 1:
                self._memory = self._memory._replace(limit=max(1, self._memory.limit // 4))
                return None
            self.failures += 1
            return listed
        step = after(self.sweep, self._memory, page)
        self._take(page, listed, now)
        self.failures = 0
        self.sweep, self._memory = step.sweep, step.memory
        capped = not step.over and self.counts.pages >= MOST_PAGES
        self.over = step.over or capped
        self.flaw = PAGE_CAP if capped else step.memory.flaw
        return None

    def _take(self, page: Page, listed: Listed, now: int) -> None:
        rows = list({row.id: row for row in page.rows if row.id not in self._seen}.values())
        self._seen.update(row.id for row in rows)
        taken = sorted_rows(rows, self._wanted.owner, self._wanted.narrowing, self.sweep.begins_at, self.sweep.ends_at)
        with self._store.write():
            self._lister.settle(self._store, listed, now)
            if self._wanted.dry_run:
                new = self._taker.unrecorded(self._store, taken.taken)
            else:
                new = self._taker.take(self._store, taken.taken, "backfill", now)
        unusable = page.received - len(page.rows)
        counts = self.counts
        counts.pages += 1
        counts.received += len(rows) + unusable
        counts.recorded += new
        counts.known += len(taken.taken) - new
        counts.foreign += len(taken.foreign)
        counts.skipped += len(taken.left) + unusable
