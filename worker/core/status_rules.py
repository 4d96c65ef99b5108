"""What `status` and the problems measure by, as the configuration says."""

from typing import Literal, NamedTuple

from worker.core.pacing.limiter import RateLimit
from worker.core.schedule.cadence import Schedule


class ConfiguredWay(NamedTuple):
    """A way out: NAME of ``[deliver.NAME]``, its kind, and whether it begins with ``all`` or with what is ``new``."""

    name: str
    kind: str
    start: str = "all"


class StatusRules(NamedTuple):
    """The schedule, the rate limit, how often the drop is listed, and who polls.

    ``delay_per_request_ms``, the least one, is ``None`` without a learned schedule; ``every_ms`` without a drop.
    ``runs``: ``once`` where a timer or a person starts cdpoll, and no daemon is expected.
    ``asks``: there is an API to be polled, at ``origin``. ``ways``: the ways out. ``hook``: `cdpoll deliver` is to
    start a command for problems; ``ping``: the daemon is to ping a monitor. ``keep_ms``: what is older is purged;
    ``None``: nothing is. ``source``: the configuration's file. ``callbacks``: the vendor is to
    deliver. ``spool``: the folder where others leave files. ``backfill``: the daemon sweeps the
    vendor's list.
    """

    schedule: Schedule = Schedule()
    limit: RateLimit = RateLimit(1, 5)
    delay_per_request_ms: int | None = None
    every_ms: int | None = None
    runs: Literal["daemon", "once"] = "daemon"
    asks: bool = True
    ways: tuple[ConfiguredWay, ...] = ()
    hook: bool = False
    keep_ms: int | None = None
    origin: str | None = None
    ping: bool = False
    source: str | None = None
    callbacks: bool = False
    spool: str | None = None
    backfill: bool = False
