"""The sweep of the daemon: one request a step, from the checkpoint in the row ``backfill``.

What a page names is recorded in the transaction that moves the checkpoint. So a process that dies asks for one page
again, and loses none.
"""

from typing import NamedTuple

from worker.core.backfill import MOST_PAGES, PAGE_CAP, Memory, Sweep, after, begun, query_of
from worker.core.instant import iso
from worker.core.listed_rows import Narrowing, Owner, sorted_rows
from worker.core.poll_errors import in_words
from worker.core.vendor.page import Page
from worker.rounds.backfill.lister import Listed, Lister
from worker.rounds.backfill.taking import Taker
from worker.rounds.log_lines import Log
from worker.store.db.store import Store
from worker.store.state import backfill
from worker.store.state.backfill import BackfillRow


class SweepRules(NamedTuple):
    """How often a sweep begins, how far it reaches back behind the last one (ms), and which rows it takes."""

    every_ms: int
    overlap_ms: int
    owner: Owner
    narrowing: Narrowing


class SweepRound:
    """Goes on with the sweep that the row tells of, or begins one when it is due."""

    def __init__(self, store: Store, lister: Lister, taker: Taker, rules: SweepRules, log: Log) -> None:
        self._store = store
        self._lister = lister
        self._taker = taker
        self._rules = rules
        self._log = log
        self._memory = Memory()
        self._expected: Sweep | None = None  # the checkpoint that the memory belongs to
        self.failed: Listed | None = None
        """The last request, where it brought no page."""

    def next_at(self, now: int) -> int:
        """When the next request is due (ms); it may have been."""
        at = backfill.get(self._store).next_at
        # Further ahead than any wait is a time from before the clock was set back.
        longest = now + max(self._rules.every_ms, 86_400_000)
        return now if at is None or at > longest else at

    def ask(self, now: int) -> None:
        """One request, for which the caller has a slot."""
        row = backfill.get(self._store)
        sweep = row.sweep
        if sweep is None:
            row, sweep = self._begun(row, now)
        elif self._expected is not None and sweep[:4] == self._expected[:4]:
            sweep = self._expected  # as this process remembers it
        else:
            self._memory = Memory()
        listed = self._lister.ask(query_of(sweep, self._memory, self._rules.narrowing.correlation_id), now)
        if not isinstance(listed.said, Page):
            if not self._lister.stopping:
                self._note_failure(row, sweep, listed, now)
            return
        step = after(sweep, self._memory, listed.said)
        taken = sorted_rows(step.fresh, self._rules.owner, self._rules.narrowing, sweep.begins_at, sweep.ends_at)
        capped = not step.over and row.pages + 1 >= MOST_PAGES
        flaw = PAGE_CAP if capped else step.memory.flaw
        with self._store.write():
            self._lister.settle(self._store, listed, now)
            new = self._taker.take(self._store, taken.taken, "backfill", now)
            row = row.with_sweep(step.sweep)._replace(
                next_at=now,
                pages=row.pages + 1,
                received=row.received + len(step.fresh),
                recorded=row.recorded + new,
                foreign_rows=row.foreign_rows + len(taken.foreign),
                failures=0,
                last_error=flaw,
            )
            if step.over or capped:
                row = self._ended(row, step.sweep, now)
            backfill.put(self._store, row)
        self.failed, self._memory, self._expected = None, step.memory, step.sweep
        if step.over or capped:
            self._expected = None
            self._tell(row, sweep, step.sweep, flaw)

    def _begun(self, row: BackfillRow, now: int) -> tuple[BackfillRow, Sweep]:
        through = now if row.through_at is None else min(row.through_at, now)
        sweep = begun(through - self._rules.overlap_ms, now)
        row = row.with_sweep(sweep)._replace(next_at=now, pages=0, received=0, recorded=0, foreign_rows=0)
        self._memory = Memory()
        with self._store.write():
            backfill.put(self._store, row)
        return row, sweep

    def _ended(self, row: BackfillRow, sweep: Sweep, now: int) -> BackfillRow:
        next_at = max(now, sweep.ends_at + self._rules.every_ms)
        return row.with_sweep(None)._replace(through_at=sweep.reached_at, ended_at=now, next_at=next_at)

    def _note_failure(self, row: BackfillRow, sweep: Sweep, listed: Listed, now: int) -> None:
        self.failed, self._expected = listed, sweep
        wait = self._lister.backoff(listed.said, row.failures + 1)
        if listed.code == "too_large" and self._memory.limit > 1:
            self._memory = self._memory._replace(limit=max(1, self._memory.limit // 4))
            wait = 0
        with self._store.write():
            self._lister.settle(self._store, listed, now)
            row = row._replace(failures=row.failures + 1, last_error=listed.code, next_at=now + wait)
            backfill.put(self._store, row)

    def _tell(self, row: BackfillRow, sweep: Sweep, last: Sweep, flaw: str | None) -> None:
        counts = {"pages": row.pages, "received": row.received, "recorded": row.recorded, "foreign": row.foreign_rows}
        window = {"begin": iso(sweep.begins_at), "end": iso(last.reached_at)}
        if flaw is not None:
            self._log.warning("a sweep over the vendor's list is not sure", **window, **counts, why=in_words(flaw))
        elif row.recorded:
            self._log.info("a sweep over the vendor's list found tasks that were not recorded", **window, **counts)
