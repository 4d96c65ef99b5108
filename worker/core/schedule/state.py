"""The few numbers of a schedule that all processes share; they stand in the row `api` of the database."""

from typing import NamedTuple


class ScheduleState(NamedTuple):
    """What a schedule goes by beside its curves. It is read and written in the transaction of a poll pass.

    ``credit`` counts requests (credit.py). ``first_wait_ms`` is the wait from recording to the first poll; ``None``: as
    the cadence says. The load of all processes together makes the delay per request float: ``asked`` are the requests
    granted since it last did, at ``floated_at``, when ``backlog`` polls were due and not made.
    """

    delay_per_request_ms: float = 0.0
    credit: int = 0
    first_wait_ms: int | None = None
    floated_at: int = 0
    asked: int = 0
    backlog: int = 0
