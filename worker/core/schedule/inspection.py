"""When is the next poll of a task worth its request?

Let q(a, b) be the chance that a task seen pending at age a is done by age b, and W(a, b) the time that it is then
expected to have been done and unseen (both: worker/core/schedule/hazard.py). One number, the **delay per request** d,
says how much waiting a request is worth. A poll at age b costs d and the waiting W before it, and finds the result with
the chance q. So the poll that pays best is the one with the least *cost per result found*:

    poll at the b with the least (d + W(a, b)) / q(a, b).

Where the hazard changes little until the next poll, as for slow tasks, this is "poll when W reaches d": with a
hazard h and h * t small, W = h * t² / 2 and q = h * t, so the least of (d + h t² / 2) / (h t) is at h t² / 2 = d. Where
it changes it does better: once the seconds are over in which the quick ones end, it polls, and does not wait until the
slow ones, too, have added to W. In the simulation (bench/simulation.py) it costs a few per cent more
than the optimum of dynamic programming; "W = d" with the true F cost up to a fifth more at high d.

By hand: hazard 1/3600 a second (an hour on average), d = 20 s. After sqrt(2 * 20 * 3600) = 379 s, W is about 20 s;
the rule says 373 s, where q = 0.098 and W = 18.7 s, so a result costs (20 + 18.7) / 0.098 = 393 s of waiting:
20 / 0.098 = 203 s for the requests, and the 18.7 / 0.098 = 190 s that a result found has waited on average.

Its base is the theory of inspection schedules: R. E. Barlow, L. C. Hunter and F. Proschan, "Optimum checking
procedures", Journal of the Society for Industrial and Applied Mathematics 11 (1963): a device fails at an unknown time
with a known distribution, only inspections show it, each costs, and so does every hour of a failure unseen.

All ages, durations and delays are milliseconds.
"""

from dataclasses import dataclass
from math import inf
from typing import Literal

from worker.core.instant import words
from worker.core.schedule.hazard import EDGES_MS, HazardCurve, bin_of, step

Basis = Literal["learned", "cadence", "shortest", "longest"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The next poll: ``wait`` ms from now; then the result is there with the chance ``likely``. ``waited`` is the W of
    the head of this file (ms), in which a result that is not there counts 0; ``basis`` tells what decided."""

    wait: int
    likely: float
    waited: float
    basis: Basis


def next_poll(known: float, curve: HazardCurve, delay: float, shortest: float, longest: float) -> Choice:
    """The poll that pays best for a task seen pending at age ``known``, ``shortest`` to ``longest`` ms later.

    Walks the bins and stops where no later poll can pay better: some 20 to 80 µs.
    """
    known = max(0.0, known)
    end = known + longest
    left, waited, best, at = 1.0, 0.0, inf, end
    start, j = known, bin_of(known)
    while start < end:
        until, hazard = min(EDGES_MS[j + 1], end), curve.hazards[j]
        time = until - start
        then, so_far = step(left, waited, time, hazard)
        # The cost falls while q² < (1 - q) * hazard * (d + W), and within a bin turns from falling to rising once.
        if (1 - left) ** 2 < left * hazard * (delay + waited):
            moment = time
            if (1 - then) ** 2 > then * hazard * (delay + so_far):
                moment = _turn(left, waited, time, hazard, delay)
            now_left, now_waited = (then, so_far) if moment == time else step(left, waited, moment, hazard)
            if now_left < 1 and (cost := (delay + now_waited) / (1 - now_left)) < best:
                best, at = cost, start + moment
        left, waited, start, j = then, so_far, until, j + 1
        if delay + waited >= best:
            break
    basis: Basis = "learned"
    if at < known + shortest:
        at, basis = known + shortest, "shortest"
    elif at >= known + longest:
        at, basis = known + longest, "longest"
    likely, waited = curve.outlook(known, at)
    return Choice(round(at - known), likely, waited, basis)


def _turn(left: float, waited: float, time: float, hazard: float, delay: float) -> float:
    """The moment within one bin at which the cost per result is least, where it falls at first and rises at last.

    It is the root of (1 - l)² - l * hazard * (d + W), which rises with the time; l: the chance of being unfinished.
    By Newton's steps, and by halves where one would leave what is known to hold the root.
    """
    low, high, at = 0.0, time, time / 2
    while high - low > 1:  # to a millisecond: a bin of an old task is days wide, a cheap poll seconds away
        then, so_far = step(left, waited, at, hazard)
        owed = hazard * (delay + so_far)
        excess = (1 - then) ** 2 - then * owed
        low, high = (low, at) if excess >= 0 else (at, high)
        slope = hazard * then * (1 - then + owed)
        move = excess / slope if slope > 0 else time
        at = at - move if low < at - move < high else (low + high) / 2
        if abs(move) < 0.5:
            break
    return at


def reason_in_words(choice: Choice, task_class: str, known: int, delay_per_request: float) -> str:
    """One line for people: why the next poll is when it is.

    ``choice.waited`` counts a task that is not finished as one that has waited 0. Of those that are finished, which is
    the share ``likely``, each has waited ``waited / likely`` on average.
    """
    seen = f"still pending at the age of {words(known)}" if known > 0 else "not polled yet"
    found = round(choice.waited / choice.likely) if choice.likely > 0 else 0
    outlook = (
        f"{seen}, class {task_class}: {words(choice.wait)} later it has finished with a chance of {choice.likely:.0%},"
        f" and has then waited {words(found)} on average"
    )
    held = {
        "learned": f"; planned with a delay per request of {words(round(delay_per_request))}",
        "cadence": "; as the cadence says, since there is no request credit for an earlier poll",
        "shortest": "; held back to min_interval",
        "longest": "; brought forward to max_interval",
    }
    return outlook + held[choice.basis]
