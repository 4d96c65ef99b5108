"""What all processes that poll one API share: its circuit breaker, rate limiter, and the numbers of the schedule."""

from typing import NamedTuple

from worker.core.pacing.breaker import Breaker
from worker.core.pacing.limiter import LimiterState
from worker.core.schedule.state import ScheduleState


class Shared(NamedTuple):
    """One row of the database, read and written in the transaction of a poll pass."""

    breaker: Breaker = Breaker()
    limiter: LimiterState = LimiterState()
    schedule: ScheduleState = ScheduleState()
