"""When each path of a discovery is done, and what it will have found: decided when the task begins, from the seed.

How long a path of each family takes is in :mod:`sandbox.times`.

The paths of a serial task run side by side. Those of a chained task run one after the other; once one has found
coverage, the later ones are skipped.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from sandbox.steering import Course
from sandbox.times import DEFAULT, Times
from worker.core.instant import duration

CACHE_MS = duration("72h")
CACHED_FAMILIES = ("RTCOB", "CoverageInsight")

UNFIT = "the request does not meet the conditions of this path"
ALREADY = "coverage was already found by an earlier path"
CACHED = "an equal request was submitted within the last 72 hours"

# The spans of the words that ask for a slow path; NOW, SECONDS and NEVER need none.
_PACES = {
    "MINUTES": (duration("2m"), duration("30m")),
    "HOURS": (duration("1h"), duration("23h")),
    "DAYS": (duration("1d"), duration("3d")),
}
_ENDS = {
    "eligible": 24,
    "ineligible": 20,
    "patient_unknown": 42,
    "payer_unavailable": 5,
    "payer_not_in_system": 3,
    "processing_error": 6,
}
_PAYERS = {
    "Medicare": [("SBXMCARE", "INVENTED MEDICARE")],
    "Commercial": [("SBXCOM1", "FIRST INVENTED HEALTH"), ("SBXCOM2", "SECOND INVENTED HEALTH")],
    "Medicaid": [("SBXMCAID", "INVENTED STATE MEDICAID")],
    "HMO": [("SBXHMO1", "INVENTED CARE HMO")],
    "RTCOB": [("SBXCOB1", "INVENTED MUTUAL"), ("SBXCOB2", "INVENTED NATIONAL")],
    "CoverageInsight": [("SBXCI1", "INVENTED EMPLOYEES FUND")],
    "SearchOptions": [("SBXREG1", "INVENTED REGIONAL PLAN")],
}

# The tasks our pretended customer has set up at the vendor: type, and the paths with the chance that one qualifies.
TASKS: dict[str, tuple[tuple[str, float], ...]] = {
    "serial": (
        ("Medicare", 1.0),
        ("Commercial", 1.0),
        ("RTCOB", 0.4),
        ("CoverageInsight", 0.12),
        ("Search - Name, birth date, and state", 0.2),
    ),
    "chained": (("Medicaid", 1.0), ("HMO", 0.7), ("SearchOptions", 0.3)),
    "extra": (("Medicare", 1.0), ("HMO", 0.8)),
}
NAMES = {
    "serial": "Medicare + Commercial + RTCOB + CoverageInsight",
    "chained": "Medicaid + HMO",
    "extra": "Medicare + HMO",
}


@dataclass(frozen=True, slots=True)
class Path:
    """One path as it will have gone. ``end`` is ``None`` if it never ends; ``reason`` only where it is skipped
    (then ``status`` is ``""``). Instants are milliseconds UTC."""

    id: str
    name: str
    family: str
    begin: int
    end: int | None
    status: str
    payer: tuple[str, str]
    transaction_id: str
    reason: str = ""
    control: int = 0

    def list_at(self, now: int) -> str:
        """The list of ``discoveryPaths`` that this path stands in at ``now``."""
        if self.end is None or now < self.end:
            return "pending"
        if self.reason:
            return "skipped"
        return "successful" if self.status == "eligible" else "unsuccessful"


class Tempo(NamedTuple):
    """How long paths take: drawn from ``times``, then divided by ``speed``."""

    speed: float = 1.0
    times: Times = DEFAULT


def family(name: str) -> str:
    """The family a path name belongs to; ``Search - …`` names are generated from the search options."""
    return "SearchOptions" if name.startswith("Search - ") else name


def new_id(chance: random.Random) -> str:
    """A random UUID (version 4) from ``chance``."""
    bits = chance.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | (0x4 << 76) | (0x2 << 62)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def plan(
    setup: str,
    course: Course,
    begin: int,
    tempo: Tempo,
    chance: random.Random,
    cached: Callable[[str, int], bool],
) -> tuple[Path, ...]:
    """The paths of one task of the given set-up (a key of ``TASKS``) that begins at ``begin``.

    ``cached(family, at)`` tells whether the vendor's request cache still holds an equal request at that moment.
    """
    chosen = [(name, chance.random() < share) for name, share in TASKS[setup]]
    if course.pace in ("HOURS", "DAYS", "NEVER"):
        chosen = _with_slow_path(chosen, "CoverageInsight")
    elif course.pace == "MINUTES":
        chosen = _with_slow_path(chosen, "RTCOB")
    elif course.pace:
        chosen = [(name, fit and family(name) not in CACHED_FAMILIES) for name, fit in chosen]
    fits = [name for name, fit in chosen if fit and course.end != "SKIPPED"]
    takes = _takes(fits, course.pace, chance, tempo.times)
    ends = _ends(fits, course.end, chance)
    if setup != "serial" and course.pace in ("MINUTES", "HOURS", "DAYS", "NEVER"):
        # coverage found early would keep the slow path from running
        ends |= {name: "patient_unknown" for name in fits[:-1] if ends[name] == "eligible"}
    paths: list[Path] = []
    at, found = begin, False
    for name, _ in chosen:
        path = Path(
            id=new_id(chance),
            name=name,
            family=family(name),
            begin=at,
            end=at,
            status="",
            payer=chance.choice(_PAYERS[family(name)]),
            transaction_id=new_id(chance),
            control=chance.randrange(1, 1_000_000_000),
        )
        if name not in fits:
            path = replace(path, begin=begin, end=begin, reason=UNFIT)
        elif found:
            path = replace(path, reason=ALREADY)
        elif path.family in CACHED_FAMILIES and cached(path.family, at) and course.end != "FOUND":
            path = replace(path, reason=CACHED)
        else:
            lasts = takes[name]
            path = replace(path, end=None if lasts is None else at + math.ceil(lasts / tempo.speed), status=ends[name])
            if setup != "serial":
                # a path that never ends is the last of its chain, so nothing begins after it
                at, found = (at if path.end is None else path.end), path.status == "eligible"
        paths.append(path)
        if path.end is None and setup != "serial":
            break
    return tuple(paths)


def _with_slow_path(chosen: list[tuple[str, bool]], slow: str) -> list[tuple[str, bool]]:
    """Only ``slow`` of the slow paths takes part, and is added where the set-up has none."""
    kept = [(name, family(name) == slow if family(name) in CACHED_FAMILIES else fit) for name, fit in chosen]
    return kept if any(name == slow for name, _ in kept) else [*kept, (slow, True)]


def _takes(fits: list[str], pace: str, chance: random.Random, times: Times) -> dict[str, int | None]:
    """How long each path takes, in the vendor's milliseconds; ``None`` is for ever."""
    takes: dict[str, int | None] = {}
    for name in fits:
        low, high = times[family(name)]
        takes[name] = round(math.exp(chance.uniform(math.log(low), math.log(high))))
    if pace == "NOW":
        return dict.fromkeys(fits, 0)
    slow = next((name for name in fits if family(name) in CACHED_FAMILIES), None)
    if pace == "NEVER" and slow:
        takes[slow] = None
    elif pace in _PACES and slow:
        takes[slow] = chance.randint(*_PACES[pace])
    return takes


def _ends(fits: list[str], end: str, chance: random.Random) -> dict[str, str]:
    """The transaction status each path ends with."""
    weights = dict(_ENDS)
    if end == "UNSEARCHED":
        weights = {"processing_error": 1, "payer_unavailable": 1}
    elif end in ("NOTHING", "FOUND"):
        weights = {"ineligible": 1, "patient_unknown": 2}
    ends = {name: chance.choices(list(weights), list(weights.values()))[0] for name in fits}
    if end == "FOUND" and fits:
        # the last path, so that a chained task runs its whole course
        ends[fits[-1]] = "eligible"
    return ends
