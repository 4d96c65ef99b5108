"""What polling costs and brings, for `status`. Reads only."""

from typing import Any

from worker.core.pacing.limiter import RateLimit, paced, spent_today
from worker.store.db.store import Store
from worker.store.state import api

# The latest results, of which the means are told.
LATEST_ROWS = 200


def polling_figures(store: Store, now: int, limit: RateLimit, least_delay_ms: int | None) -> dict[str, Any]:
    """The delay per request, the polls and the delay of the latest results, and what the rate limiter allows.

    ``least_delay_ms``: the least delay per request of the learned schedule; ``None`` with the fixed schedule.
    """
    shared = api.get(store)
    delay_ms = None if least_delay_ms is None else max(least_delay_ms, shared.schedule.delay_per_request_ms)
    (latest,) = store.read(
        """
        SELECT count(*) AS results, avg(CAST(polls AS DOUBLE PRECISION)) AS polls,
            avg(CAST(delay AS DOUBLE PRECISION)) AS delay
        FROM (
            SELECT tasks.polls, CASE WHEN results.ended_at BETWEEN tasks.recorded_at AND results.received_at
                THEN results.received_at - results.ended_at END AS delay
            FROM results JOIN tasks ON tasks.seq = results.task
            WHERE results.source = 'poll' AND results.revision = 1 ORDER BY results.received_at DESC LIMIT :latest
        ) AS lately
        """,
        {"latest": LATEST_ROWS},
    )
    return {
        "schedule": "fixed" if least_delay_ms is None else "learned",
        "delay_per_request_s": None if delay_ms is None else round(delay_ms / 1000, 1),
        "results": latest["results"],
        "polls_per_result": None if latest["polls"] is None else round(latest["polls"], 2),
        "delay_s": None if latest["delay"] is None else round(latest["delay"] / 1000, 1),
        "configured_per_second": limit.rate,
        "requests_per_second": round(paced(limit, shared.limiter).rate, 3),
        "requests_today": spent_today(shared.limiter, now),
        "daily_budget": limit.daily,
    }
