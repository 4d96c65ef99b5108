"""When will a discovery like this one be done? Learned for each class of task from what this installation saw.

A task's **class** is what is known of it: the families of the paths that its last body showed as pending, or, where
that tells nothing, the families that its name speaks of. Each class has a curve over the age of the discovery, in
bins of a quarter of a doubling (0 to 1 s, 1 to 1.19 s, 1.19 to 1.41 s … 48 days). For each bin it counts

- ``ended``: how many tasks ended at such an age, and
- ``under``: for how many milliseconds a task of such an age was watched while it had not ended.

Their quotient is the *hazard* h of the bin: the chance, per millisecond, that a task that has come this far ends now.
From hazards follows all that a schedule asks for. Seen pending at age a, a task is done by age b with the chance

    q(a, b) = (F(b) - F(a)) / (1 - F(a)) = 1 - exp(-(the sum of h * time from a to b)),

and by then has been done and unseen for an expected W(a, b) = the integral of q(a, s) over s from a to b.

By hand: with h = 0.1 a second everywhere, a task seen pending at any age is done 10 s later with the chance
1 - exp(-1) = 0.632, and has by then waited 10 - 0.632 / 0.1 = 3.68 s. Of ten tasks that were watched, two ended in a
bin in which all ten together spent 20 s: its hazard is 2 / 20 = 0.1 a second.

Tasks that have not ended count by the time they were watched (they are *right-censored*), so a class of slow tasks is
not taken for a fast one because only its fastest have ended yet. An end that is only known to lie between two polls
is shared out among the bins between them, as the curve itself expects it (one step of the EM algorithm). Where the
vendor's own end lies between the polls, it is taken as it is. What was learned fades: each task that ended counts half
after a thousand later ones of its class. Several processes learn as one would: each adds to the stored counts what it
has seen since it last did, and these fade with each end among that (:func:`together`). A bin in which fewer than five
ended borrows from its neighbours, up to four on each side, until there are five, so that a class shows its shape after
a few dozen tasks and sharpens later. Before there is history the prior stands in (worker/core/schedule/prior.py): in
each bin, half a task that ended, but never more than three tasks that were watched all through it.

This is the occurrence/exposure estimate of a piecewise constant hazard, as in survival analysis.
All ages and durations are milliseconds.
"""

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import exp, expm1, inf, isclose
from typing import NamedTuple

EDGES_MS: tuple[float, ...] = (0.0, *(1000 * 2 ** (quarter / 4) for quarter in range(89)), inf)
BINS = len(EDGES_MS) - 1
_WIDTHS_MS = (*(EDGES_MS[j + 1] - EDGES_MS[j] for j in range(BINS - 1)), EDGES_MS[BINS - 1])
PRIOR_ENDED_TASKS = 0.5  # the prior counts in each bin for at most this number of tasks that ended,
PRIOR_WATCHED_TASKS = 3.0  # and this number that were watched
ENOUGH_ENDS = 5.0  # that a bin needs to stand alone
REACH_BINS = 4  # that it borrows from on each side
FADING_PER_END = 0.5 ** (1 / 1000)

_SLOW = {"rtcob": "rtcob", "coverageinsight": "insight"}
_QUICK = ("medicare", "commercial", "medicaid", "hmo", "searchoptions")


def class_of(pending: Iterable[str], name: str | None = None) -> str:
    """The class of a task: short stable words, joined by ``+``.

    ``pending`` are the names of the paths that the last body showed as pending; empty if there was none yet or it told
    nothing. The families are ``quick`` (done in seconds), ``rtcob``, ``insight`` and ``other``: ``quick+rtcob``. With
    nothing known to be pending the class is ``unseen``, followed by the slow families that the task's name speaks of.
    """
    families = {_family(path) for path in pending}
    if families:
        return "+".join(family for family in ("quick", "rtcob", "insight", "other") if family in families)
    spoken = _plain(name or "")
    return "+".join(["unseen", *(family for word, family in _SLOW.items() if word in spoken)])


def _family(path: str) -> str:
    plain = _plain(path)
    for word, family in _SLOW.items():
        if plain.startswith(word):
            return family
    return "quick" if plain.startswith(_QUICK) or path.lower().startswith("search -") else "other"


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


@dataclass(frozen=True, slots=True)
class EndCounts:
    """What was seen of one class: see the module's text. ``under`` in ms; both of length ``BINS``.

    ``fades``: what share is left of the counts to which these are added (:func:`together`).
    """

    ended: tuple[float, ...] = (0.0,) * BINS
    under: tuple[float, ...] = (0.0,) * BINS
    fades: float = 1.0


@dataclass(frozen=True, slots=True)
class HazardCurve:
    """The hazard of each bin, per millisecond; all above 0."""

    hazards: tuple[float, ...]

    def pieces(self, start: float, end: float = inf) -> Iterator[tuple[float, float, float]]:
        """The stretches of equal hazard from ``start`` to ``end``: ``(from, to, hazard)``."""
        j = bin_of(start)
        while start < end:
            until = min(EDGES_MS[j + 1], end)
            yield start, until, self.hazards[j]
            start, j = until, j + 1

    def outlook(self, known: float, age: float) -> tuple[float, float]:
        """``(q, W)`` for a task seen pending at ``known``, at ``age``: the chance that it is done, and ms waited."""
        left, waited = 1.0, 0.0
        for start, until, hazard in self.pieces(max(0.0, known), age):
            left, waited = step(left, waited, until - start, hazard)
        return 1 - left, waited

    def share(self, known: float, part: float, age: float) -> float:
        """The chance that a task which was pending at ``known``, and had ended at ``age``, had ended at ``part``."""
        ended = self.outlook(known, age)[0]
        return min(1.0, self.outlook(known, part)[0] / ended) if ended > 0 else 0.0


class Observation(NamedTuple):
    """One poll of a task, for the curve of its class: pending at age ``known`` (0 if it was not polled before).

    At ``age`` it was still pending, or (``ended``) concluded; ``end`` is the age at which the vendor says that it
    ended, if it says so.
    """

    task_class: str
    known: int
    age: int
    ended: bool = False
    end: int | None = None


def step(left: float, waited: float, time: float, hazard: float) -> tuple[float, float]:
    """The chance of being unfinished, and the ms waited, ``time`` later under one hazard."""
    ending = -expm1(-hazard * time)
    return left * (1 - ending), waited + time - left * ending / hazard


def bin_of(age: float) -> int:
    """The number of the bin that ``age`` lies in."""
    return bisect_right(EDGES_MS, max(0.0, age)) - 1


def hazard_curve(counts: EndCounts, prior: tuple[float, ...]) -> HazardCurve:
    """The hazards that ``counts`` show, beside those of the prior. O(bins): some 0.2 ms."""
    hazards = []
    for j, expected in enumerate(prior):
        ended, under = counts.ended[j], counts.under[j]
        for reach in range(1, REACH_BINS + 1):
            if ended >= ENOUGH_ENDS:
                break
            for beside in (j - reach, j + reach):
                if 0 <= beside < BINS:
                    ended += counts.ended[beside]
                    under += counts.under[beside]
        believed = min(PRIOR_ENDED_TASKS / expected, PRIOR_WATCHED_TASKS * _WIDTHS_MS[j])
        hazards.append((ended + believed * expected) / (under + believed))
    return HazardCurve(tuple(hazards))


def learn(counts: EndCounts, known: int, age: int, end: int | None, expected: HazardCurve) -> EndCounts:
    """The counts after a task ended. O(bins).

    It was pending at age ``known`` (0 if it was not polled before), and found concluded at ``age``; ``end`` is the age
    at which the vendor says that it ended, if it says so. The class is the one that it had *before* that poll,
    and ``expected`` the hazard curve for it so far.
    """
    known = max(0, known)
    ended = [count * FADING_PER_END for count in counts.ended]
    under = [time * FADING_PER_END for time in counts.under]
    fades = counts.fades * FADING_PER_END
    if end is not None and known <= end <= max(age, known):
        ended[bin_of(end)] += 1
        return watch(EndCounts(tuple(ended), tuple(under), fades), [(known, end)])
    if age <= known:
        return counts
    _between(ended, under, known, age, expected)
    return EndCounts(tuple(ended), tuple(under), fades)


def together(before: EndCounts, since: EndCounts) -> EndCounts:
    """The counts after what was seen ``since`` those of ``before``: as if it had been counted there one by one.

    By hand: 40 ended in a bin before. Since then one ended there and one in another: 40 * 0.9993 ** 2 + 1 are counted.
    """
    ended = (old * since.fades + new for old, new in zip(before.ended, since.ended, strict=True))
    under = (old * since.fades + new for old, new in zip(before.under, since.under, strict=True))
    return EndCounts(tuple(ended), tuple(under), before.fades * since.fades)


def alike(one: EndCounts, other: EndCounts) -> bool:
    """Whether they are the same but for what is rounded where they are stored."""
    pairs = zip((*one.ended, *one.under), (*other.ended, *other.under), strict=True)
    return all(isclose(mine, theirs, rel_tol=1e-4, abs_tol=1.0) for mine, theirs in pairs)


def watch(counts: EndCounts, spans: Iterable[tuple[int, int]]) -> EndCounts:
    """The counts after tasks of a class were seen pending: ``(known, age)``, each last seen so at ``known`` before."""
    under = list(counts.under)
    crossed = [0] * (BINS + 1)  # whole bins: spans that begin to cross here, less those that no longer do
    for known, age in spans:
        start = max(0.0, known)
        if start < age:
            first, last = bin_of(start), bin_of(age)
            if first == last:
                under[first] += age - start
            else:
                under[first] += EDGES_MS[first + 1] - start
                under[last] += age - EDGES_MS[last]
                crossed[first + 1] += 1
                crossed[last] -= 1
    for j, count in enumerate(accumulate(crossed)):
        if count:
            under[j] += count * _WIDTHS_MS[j]
    return EndCounts(counts.ended, tuple(under), counts.fades)


def _between(ended: list[float], under: list[float], known: int, age: int, expected: HazardCurve) -> None:
    """Add one end, somewhere between ``known`` and ``age``: its expected share in each bin, and the time until it."""
    done, _ = expected.outlook(known, age)
    pieces = list(expected.pieces(known, age))
    if done < 1e-9:  # the curve did not expect it: any moment is as good
        pieces = [(start, until, 1e-3 / (age - known)) for start, until, _ in pieces]
        done = -expm1(-1e-3)
    left = 1.0
    for j, (start, until, hazard) in enumerate(pieces, bin_of(known)):
        time = until - start
        ending = -left * expm1(-hazard * time)
        ended[j] += ending / done
        under[j] += max(0.0, (ending / hazard - (1 - done) * time) / done)
        left *= exp(-hazard * time)


def packed(counts: EndCounts) -> str:
    """The counts as JSON text of at most some 2 KB, to be stored; bins without news are left out."""
    seen = {
        j: (float(f"{ended:.6g}"), round(under))
        for j, (ended, under) in enumerate(zip(counts.ended, counts.under, strict=True))
        if ended > 1e-6 or under >= 0.5
    }
    return json.dumps({"bins": BINS, "seen": seen}, separators=(",", ":"))


def unpacked(text: str) -> EndCounts:
    """The counts of :func:`packed`; an empty one where ``text`` is of another time or was damaged. Never raises."""
    ended, under = [0.0] * BINS, [0.0] * BINS
    try:
        found = json.loads(text)
        if found["bins"] != BINS:
            return EndCounts()
        for j, (count, time) in found["seen"].items():
            ended[int(j)], under[int(j)] = float(count), float(time)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return EndCounts()
    sound = all(0 <= value < 1e18 for value in (*ended, *under))  # false for nan and infinity, too
    return EndCounts(tuple(ended), tuple(under)) if sound else EndCounts()
