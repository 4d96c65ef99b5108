"""The rate limit: GCRA, the leaky bucket kept as one number.

``tat`` is the *theoretical arrival time*, in microseconds since 1970: the moment at which all slots granted so far are
paid for. Slots may be granted as long as ``tat`` is at most ``burst`` slots ahead of now. One number in one row of the
database is the whole state, so several processes share it, and it survives a restart.
"""

from typing import NamedTuple


class Limit(NamedTuple):
    """``rate`` slots per second on the long run, ``burst`` at once after a rest."""

    rate: float
    burst: int

    @property
    def spacing(self) -> int:
        """Microseconds between two slots."""
        return max(1, round(1_000_000 / self.rate))


# How far ahead (µs) charges for extra requests may put ``tat`` before it is taken for a clock set back.
SLACK = 60_000_000


class Grant(NamedTuple):
    slots: int
    tat: int  # µs, to be stored
    next_at: int  # ms: when the next slot comes free


def grant(limit: Limit, tat: int, now: int, wanted: int) -> Grant:
    """Grant up to ``wanted`` slots at ``now`` (ms). A granted slot that is not used is lost, never exceeded.

    A ``tat`` much further ahead than grants and charges put it means that the clock was set back: it is drawn in, so
    that a jump of an hour does not silence the poller for one.
    """
    now_us, spacing = now * 1000, limit.spacing
    full = limit.burst * spacing
    if tat > now_us + full + max(SLACK, 100 * spacing):
        tat = now_us + full - spacing
    tat = max(tat, now_us)
    slots = max(0, min(wanted, (now_us + full - tat) // spacing))
    tat += slots * spacing
    next_at = now_us + max(0, tat + spacing - (now_us + full))
    return Grant(slots, tat, -(-next_at // 1000))
