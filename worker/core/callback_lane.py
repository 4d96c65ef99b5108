"""Do the vendor's callbacks arrive? One pure function over the row that says it.

===========  ====================================================  ====================================================
configured   found                                                 then
===========  ====================================================  ====================================================
no           anything                                              it is off; what waited for callbacks is polled
yes          it was off                                            it is **on**: new tasks wait for their callback first
yes          three tasks or more that polls have concluded, and    it is **down**: tasks do not wait
             whose callbacks are missing for ``callback_grace``
yes          anything else                                         as it was
===========  ====================================================  ====================================================

A fresh callback ends a downtime at once, in the transaction that keeps it (worker/store/state/callback_lane.py). One
that is replayed long after the end of its discovery says nothing, and neither does a task that ended before the last
fresh callback: its own may be lost, while others arrive.
"""

from typing import NamedTuple

# One callback may be lost, and two by accident.
MISSING_TASKS = 3

# Where callback_grace is 0: no poll waits, and a callback may still be late by the vendor's five tries: 25 minutes.
DEFAULT_GRACE_MS = 45 * 60_000


class CallbackLane(NamedTuple):
    """Instants in ms. ``on_since``: callbacks are configured since then; ``down_since``: they do not arrive since then.
    A fresh callback is one that comes soon after the end of its discovery."""

    on_since: int | None = None
    last_at: int | None = None  # of any callback
    last_fresh_at: int | None = None
    down_since: int | None = None

    @property
    def waits(self) -> bool:
        """Whether tasks are to wait for their callbacks."""
        return self.on_since is not None and self.down_since is None

    @property
    def heard_at(self) -> int | None:
        """The last instant at which callbacks were known to arrive, or were supposed to."""
        return max((at for at in (self.on_since, self.last_fresh_at) if at is not None), default=None)


def looked_at(lane: CallbackLane, missing: int, now: int, *, configured: bool) -> CallbackLane:
    """The row after a look. ``missing``: tasks whose callbacks should have come since they were last known to."""
    if not configured:
        return lane._replace(on_since=None, down_since=None)
    if lane.on_since is None:
        return lane._replace(on_since=now, down_since=None)
    if lane.down_since is None and missing >= MISSING_TASKS:
        return lane._replace(down_since=now)
    return lane
