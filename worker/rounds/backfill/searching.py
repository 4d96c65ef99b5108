"""The search for discoveries of which only the correlation id of their request is known: one request a step."""

from typing import NamedTuple

from worker.core.listed_rows import Owner, of_request
from worker.core.vendor.page import Page, PageQuery
from worker.rounds.backfill.lister import DEADLINE_MS, Listed, Lister
from worker.rounds.backfill.taking import Taker
from worker.store.db.store import Store
from worker.store.tasks import searches

# A lease is a little longer than a request can take.
LEASE_MS = DEADLINE_MS + 10_000

# In last_error of a lookup: the list has shown other requests than the one that was asked for.
FILTER_IGNORED = "filter_ignored"


class SearchRules(NamedTuple):
    """For how long a request is looked for (ms), and whose rows are taken."""

    lookup_for_ms: int
    owner: Owner


class SearchRound:
    """Asks the list for the lookup that has been due for longest."""

    def __init__(self, store: Store, lister: Lister, taker: Taker, rules: SearchRules) -> None:
        self._store = store
        self._lister = lister
        self._taker = taker
        self._rules = rules
        self.failed: Listed | None = None
        """The last request, where it brought no page."""

    def is_due(self, now: int) -> bool:
        return searches.is_due(self._store, now)

    def ask(self, now: int) -> None:
        """One request, for which the caller has a slot. Rows of another request than the one that was asked for are
        left: a vendor that ignores the filter must not give every discovery to one lookup."""
        with self._store.write():
            search = searches.claim(self._store, now, now + LEASE_MS)
        if search is None:
            return  # another process was faster
        # The discoveries may have begun long before the request was handed in here.
        begin = max(0, search.recorded_at - self._rules.lookup_for_ms)
        listed = self._lister.ask(PageQuery(begin, correlation_id=search.correlation_id), now)
        page = listed.said
        if not isinstance(page, Page):
            self.failed = listed
            if not self._lister.stopping:
                self._note(search, listed, listed.code, now)
            return
        self.failed = None
        rows = [row for row in page.rows if of_request(row, search.correlation_id)]
        ours = [row for row in rows if self._rules.owner.owns(row)]
        if not ours and len(rows) < page.received:
            self._note(search, listed, FILTER_IGNORED, now)
            return
        with self._store.write():
            self._lister.settle(self._store, listed, now)
            if ours:
                self._taker.take(self._store, ours, "lookup", now, search.correlation_id)
                searches.listed(self._store, search, now)
            else:
                searches.not_listed(self._store, search, now, self._rules.lookup_for_ms)

    def _note(self, search: searches.Search, listed: Listed, code: str, now: int) -> None:
        wait = self._lister.backoff(listed.said, search.failures + 1)
        with self._store.write():
            self._lister.settle(self._store, listed, now)
            searches.failed(self._store, search, code, now + wait)
