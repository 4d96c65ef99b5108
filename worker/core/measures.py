"""What polling measures of itself since the process began: counts, histograms, and how much was asked of late.

The daemon keeps them in memory, and its summary file tells them: the metrics are made from that. A restart begins anew,
as it is with counters of Prometheus.
"""

from bisect import bisect_left
from itertools import accumulate
from typing import Any, NamedTuple

from worker.core.vendor.reply import (
    Concluded,
    Garbled,
    Pending,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
)

Json = dict[str, Any]

REPLY_NAMES: dict[type, str] = {
    Pending: "pending",
    Concluded: "concluded",
    Unknown: "unknown",
    Rejected: "rejected",
    Garbled: "garbled",
    Unreachable: "unreachable",
    RateLimited: "rate_limited",
    Refused: "refused",
}
"""How each reply is called in metrics."""

DURATION_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 110.0)
LATENESS_BOUNDS_S = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0)
DELAY_BOUNDS_S = (1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
RESULT_BOUNDS_S = (10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 10800.0, 21600.0, 86400.0, 259200.0, 604800.0)

PATHS = ("quick", "rtcob", "insight", "other", "unseen")
"""The families of paths by which results are told apart: the slowest one that a task's last pending body showed;
``unseen``: it was never seen pending, or without the names of its paths."""

_SLOWEST_FIRST = ("insight", "rtcob", "other", "quick")

# How much was asked is told of each ten minutes, for a day.
SLOT_MS = 600_000
MOST_SLOTS = 144


def path_of(task_class: str) -> str:
    """The path of a task's class, as :func:`worker.core.schedule.hazard.class_of` has it: ``quick+rtcob`` waits for
    ``rtcob``."""
    families = task_class.split("+")
    if families[0] == "unseen":
        return "unseen"
    return next((one for one in _SLOWEST_FIRST if one in families), "other")


class Histogram:
    """How many values were at most each of ``bounds``, and their sum. A value past the last bound counts as well.

    By hand, with the bounds 1 and 5: after 0.5, 1 and 7 the counts up to each bound are 2, 2 and, of all, 3.
    """

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.sum = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def add(self, value: float) -> None:
        """A value less than 0 (the clock was set) counts as 0."""
        value = max(0.0, value)
        self._counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def told(self) -> Json:
        """``counts``: of values up to each bound, and of all."""
        return {"bounds": list(self.bounds), "counts": list(accumulate(self._counts)), "sum": round(self.sum, 3)}


class PollSlot(NamedTuple):
    """Ten minutes from ``at`` (ms): the polls in it, and the most that the limit allowed, a second."""

    at: int
    polls: int
    allowed_per_second: float


class Measures:
    """One for each process that polls; it outlives a reload. The poll lane's thread alone uses it."""

    def __init__(self) -> None:
        self.polls = dict.fromkeys(REPLY_NAMES.values(), 0)
        self.duration = Histogram(DURATION_BOUNDS_S)
        self.lateness = Histogram(LATENESS_BOUNDS_S)
        self.result_delay = Histogram(DELAY_BOUNDS_S)
        self.time_to_result = {path: Histogram(RESULT_BOUNDS_S) for path in PATHS}
        self._slots: list[PollSlot] = []
        self._counted = 0  # polls that the slots have

    def heard(self, reply: Reply) -> None:
        """A poll of a task has brought this, and it is saved."""
        self.polls[REPLY_NAMES[type(reply)]] += 1

    def sample(self, now: int, allowed_per_second: float) -> None:
        """Note how many polls there were since the last call."""
        polls = sum(self.polls.values())
        at = now - now % SLOT_MS
        if not self._slots or self._slots[-1].at != at:
            self._slots = [slot for slot in self._slots if slot.at < at][1 - MOST_SLOTS :]
            self._slots.append(PollSlot(at, 0, allowed_per_second))
        last = self._slots[-1]
        allowed = max(last.allowed_per_second, allowed_per_second)
        self._slots[-1] = PollSlot(at, last.polls + polls - self._counted, allowed)
        self._counted = polls

    def told(self) -> Json:
        """All of it, for JSON."""
        return {
            "polls": dict(self.polls),
            "duration": self.duration.told(),
            "lateness": self.lateness.told(),
            "result_delay": self.result_delay.told(),
            "time_to_result": {path: one.told() for path, one in self.time_to_result.items()},
            "slots": [list(slot) for slot in self._slots],
        }
