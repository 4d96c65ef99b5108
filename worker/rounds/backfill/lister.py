"""One request to the vendor's list: a slot of the rate limiter, the answer, and what the answer says of the pace.

A list is no poll: it opens no circuit breaker, and ends no pause. While the API is paused, or the budget of the day is
spent, no list is asked for.
"""

import threading
from collections.abc import Callable
from typing import Literal, NamedTuple

from worker.core.pacing.judge import too_fast, usable
from worker.core.pacing.limiter import RateLimit, charge, eased, grant, slowed, spent_today
from worker.core.pacing.shared import Shared
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.page import Page, PageQuery
from worker.core.vendor.reply import RateLimited, Reply
from worker.gateways.http.api import Api
from worker.gateways.http.bounded import bounded
from worker.gateways.http.client import HttpClient
from worker.store.db.store import Store
from worker.store.state import api as shared_state

# The gateway before the vendor cuts a request at 110 s. A token may have to be asked for before.
DEADLINE_MS = 120_000

# A paused API is looked at again so soon after its probe was due.
PROBED_MS = 1_000

# The longest wait after failures: an outage should be noticed to have ended.
LONGEST_BACKOFF_MS = 3_600_000


class Slot(NamedTuple):
    """Whether a request may be made now; else why not, and when to ask again (ms)."""

    given: bool
    again_at: int
    why: Literal["", "slot", "paused", "budget"] = ""


class Listed(NamedTuple):
    """What came of a request that was let go at ``asked_at`` (ms); ``requests``: with tokens and repeats."""

    said: Page | Reply
    requests: int
    asked_at: int

    @property
    def code(self) -> str:
        """Of what is no page."""
        return str(getattr(self.said, "code", "no_list"))


class Lister:
    """The list, as one thread asks for it. The connection is opened with the first request."""

    def __init__(
        self,
        api: Api,
        make_client: Callable[[], HttpClient],
        limit: RateLimit,
        schedule: Schedule,
        stop: threading.Event,
    ) -> None:
        self._api = api
        self._make_client = make_client
        self._limit = limit
        self._schedule = schedule
        self._stop = stop
        self._client: HttpClient | None = None

    def slot(self, store: Store, now: int) -> Slot:
        """Take a slot, in a transaction of its own. One that is not used is lost."""
        refused = self._refusal(shared_state.get(store), now)
        if refused is not None:  # so that waiting takes no write lock
            return refused
        with store.write():
            shared = shared_state.get(store)
            refused = self._refusal(shared, now)
            if refused is None:
                limiter = grant(self._limit, shared.limiter, now, 1).limiter
                shared_state.put(store, shared._replace(limiter=limiter))
        return refused or Slot(True, now)

    def _refusal(self, shared: Shared, now: int) -> Slot | None:
        if shared.breaker.paused:
            return Slot(False, max(shared.breaker.resumes_at or 0, now) + PROBED_MS, "paused")
        slot = grant(self._limit, shared.limiter, now, 1)
        if slot.slots:
            return None
        daily = self._limit.daily
        spent = daily is not None and spent_today(shared.limiter, now) >= daily
        return Slot(False, slot.next_at, "budget" if spent else "slot")

    def ask(self, query: PageQuery, now: int) -> Listed:
        """Ask for one page. Never raises for anything the network or the vendor does."""
        if self._client is None:
            self._client = self._make_client()
        client, sent = self._client, self._client.sent
        with bounded(client, DEADLINE_MS, self._stop):
            said = self._api.page(client, query, now)
        return Listed(said, client.sent - sent, now)

    def settle(self, store: Store, listed: Listed, now: int) -> None:
        """Charge the limiter for what the answer took, and slow or ease the pace; inside a transaction."""
        shared = shared_state.get(store)
        limiter = shared.limiter
        if listed.requests > 1:
            limiter = charge(self._limit, limiter, listed.requests - 1, now)
        if isinstance(listed.said, Page) or usable(listed.said):
            limiter = eased(self._limit, limiter, now)
        elif too_fast(listed.said, limiter.pace) and not shared.breaker.paused:
            limiter = slowed(self._limit, limiter, listed.asked_at, now)
        if limiter != shared.limiter:
            shared_state.put(store, shared._replace(limiter=limiter))

    def backoff(self, said: Page | Reply, failures: int) -> int:
        """The wait (ms) after so many failures in a row, of which ``said`` is the last."""
        asked = said.retry_after if isinstance(said, RateLimited) else None
        return max(asked or 0, self._schedule.backoff(failures, "list", failures, LONGEST_BACKOFF_MS))

    @property
    def stopping(self) -> bool:
        """Whether the process is to end: a request that was cut for that is no failure."""
        return self._stop.is_set()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
