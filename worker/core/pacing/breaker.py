"""The API as a whole: open, or paused because an answer was about us and not about a task.

A pause holds every request except one probe at a time, first when ``resumes_at`` has come, then ever more slowly. A
usable answer to a probe ends it. Time spent in a pause does not count against the life of any task (``paused_total``).

================  =================================================================================
reason            begins with
================  =================================================================================
rate_limited      429, or 503 with Retry-After: for as long as the vendor asked, else backoff
credentials       the token refused, or the API refusing two different requests with a fresh token
unreachable       no token to be had, or five tasks in a row without a whole answer
================  =================================================================================
"""

from typing import Literal, NamedTuple

from worker.core.pacing.limiter import Meter

Reason = Literal["rate_limited", "credentials", "unreachable"]


class Lane(NamedTuple):
    """One row of the database. Instants and durations in ms; ``meter`` is the limiter's (see ``limit.py``)."""

    reason: Reason | None = None
    code: str | None = None  # of the reply that began or last prolonged the pause
    paused_at: int | None = None
    resumes_at: int | None = None
    probes: int = 0
    paused_total: int = 0  # of the pauses that are over
    meter: Meter = Meter()

    @property
    def paused(self) -> bool:
        return self.reason is not None

    def paused_until_now(self, now: int) -> int:
        """All time ever spent in pauses, the present one included."""
        return self.paused_total + (max(0, now - self.paused_at) if self.paused_at is not None else 0)


def pause(lane: Lane, reason: Reason, code: str, now: int, wait: int) -> Lane:
    """Begin a pause of ``wait`` ms, or prolong the present one after a probe that failed."""
    return lane._replace(
        reason=reason,
        code=code,
        paused_at=lane.paused_at if lane.paused_at is not None else now,
        resumes_at=now + wait,
        probes=lane.probes + 1,
    )


def resume(lane: Lane, now: int) -> Lane:
    """The API answers again. The limiter's state stays."""
    return Lane(paused_total=lane.paused_until_now(now), meter=lane.meter)
