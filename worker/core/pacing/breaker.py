"""The circuit breaker: the API as a whole is polled, or rests because an answer was about us and not about a task.

A pause holds every request except a step of probes (claiming.py), first when ``resumes_at`` has come, then ever more
slowly. A usable answer to a probe ends it. Time spent in a pause does not count against the life of any task
(``paused_total``).

================  =================================================================================
reason            begins with
================  =================================================================================
rate_limited      429, or 502 to 504 with Retry-After: for as long as was asked, and the own backoff at least
credentials       the token or the proxy refused us, or the API refused a task, and all that was asked then
unreachable       no token to be had, or five tasks in a row without a whole answer, and none to the probes then
================  =================================================================================
"""

from typing import Literal, NamedTuple

PauseReason = Literal["rate_limited", "credentials", "unreachable"]


class Breaker(NamedTuple):
    """Its state. Instants and durations in ms."""

    reason: PauseReason | None = None  # of the present pause
    code: str | None = None  # of the reply that began or last prolonged the pause
    paused_at: int | None = None
    resumes_at: int | None = None
    probes: int = 0
    paused_total: int = 0  # of the pauses that are over

    @property
    def paused(self) -> bool:
        return self.reason is not None

    @property
    def before_the_api(self) -> bool:
        """Whether the API was not even reached: no task can tell anything of a token or a proxy that refuses us."""
        return self.code is not None and self.code.startswith(("token_", "proxy_"))

    def paused_until_now(self, now: int) -> int:
        """All time ever spent in pauses, the present one included."""
        return self.paused_total + (max(0, now - self.paused_at) if self.paused_at is not None else 0)


def pause(breaker: Breaker, reason: PauseReason, code: str, now: int, wait_ms: int) -> Breaker:
    """Begin a pause of ``wait_ms``, or prolong the present one after a probe that failed."""
    return breaker._replace(
        reason=reason,
        code=code,
        paused_at=breaker.paused_at if breaker.paused_at is not None else now,
        resumes_at=now + wait_ms,
        probes=breaker.probes + 1,
    )


def resume(breaker: Breaker, now: int) -> Breaker:
    """The API answers again."""
    return Breaker(paused_total=breaker.paused_until_now(now))
