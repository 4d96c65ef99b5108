"""What polling costs and brings, for `status`. Reads only."""

from typing import Any

from worker.core.pacing.limiter import RateLimit, paced, spent_today
from worker.store.db.store import Store
from worker.store.state import api

# What the price buys is told by so many of the latest results.
LATEST = 200


def spending(store: Store, now: int, limit: RateLimit, price_floor: int | None) -> dict[str, Any]:
    """The price of a request, what it buys, and what the limiter allows; ``price_floor`` (ms) of a learned schedule."""
    shared = api.get(store)
    price = None if price_floor is None else max(price_floor, shared.schedule.delay_per_request_ms)
    bought = store.one(
        """
        SELECT count(*) AS results, avg(polls) AS polls, avg(delay) AS delay FROM (
            SELECT tasks.polls, CASE WHEN results.ended_at BETWEEN tasks.recorded_at AND results.received_at
                THEN results.received_at - results.ended_at END AS delay
            FROM results JOIN tasks ON tasks.seq = results.task
            WHERE results.source = 'poll' AND results.revision = 1 ORDER BY results.received_at DESC LIMIT :latest
        ) AS lately
        """,
        {"latest": LATEST},
    )
    assert bought is not None
    return {
        "schedule": "fixed" if price_floor is None else "learned",
        "delay_per_request_s": None if price is None else round(price / 1000, 1),
        "results": bought["results"],
        "polls_per_result": None if bought["polls"] is None else round(bought["polls"], 2),
        "delay_s": None if bought["delay"] is None else round(bought["delay"] / 1000, 1),
        "requests_per_second": round(paced(limit, shared.limiter).rate, 3),
        "requests_today": spent_today(shared.limiter, now),
        "daily_budget": limit.daily,
    }
