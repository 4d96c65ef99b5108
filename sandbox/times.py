"""How long each family of paths takes, and the text that changes it.

::

    SPEC    one entry, or several with commas between them; a later one wins
    entry   FAMILY=SHORTEST-LONGEST, or FAMILY=SPAN for always the same

    FAMILY  quick             all that are done in seconds: the next five
            Medicare, Commercial, Medicaid, HMO, SearchOptions (every "Search - …")
            RTCOB, CoverageInsight

    default  quick=2s-30s,RTCOB=1m-30m,CoverageInsight=1h-3d

Each path draws its time from the seed, evenly on a logarithmic scale: as many take 1 to 2 minutes as take 15 to 30.
The speed divides what is drawn. What the words NOW, MINUTES, HOURS, DAYS and NEVER of a member id say comes first.
"""

import difflib
from collections.abc import Mapping

from worker.core.instant import duration

QUICK = ("Medicare", "Commercial", "Medicaid", "HMO", "SearchOptions")

# The shortest and the longest time of each family, in the vendor's milliseconds; both at least 1.
Times = Mapping[str, tuple[int, int]]
DEFAULT: Times = {
    **dict.fromkeys(QUICK, (duration("2s"), duration("30s"))),
    "RTCOB": (duration("1m"), duration("30m")),
    "CoverageInsight": (duration("1h"), duration("3d")),
}
_NAMES = {name.lower(): name for name in ("quick", *DEFAULT)}


def parse(spec: str) -> Times:
    """The times of every family. Raises ValueError whose message holds one line for each mistake."""
    times = dict(DEFAULT)
    wrong: list[str] = []
    for entry in (part.strip() for part in spec.split(",")):
        if entry:
            try:
                times |= _entry(entry)
            except ValueError as why:
                wrong.append(f"{entry}: {why}")
    if wrong:
        raise ValueError("\n".join(wrong))
    return times


def _entry(entry: str) -> dict[str, tuple[int, int]]:
    name, _, spans = (part.strip() for part in entry.partition("="))
    known = _NAMES.get(name.lower())
    if known is None:
        near = difflib.get_close_matches(name.lower(), _NAMES, 1, 0.5)
        hint = f"did you mean {_NAMES[near[0]]}?" if near else "see `help`"
        raise ValueError(f"there is no family {name!r}; {hint}")
    shortest, dash, longest = spans.partition("-")
    try:
        low = duration(shortest)
        high = duration(longest) if dash else low
    except OverflowError:
        raise ValueError("that is too long") from None
    if low < 1:
        raise ValueError("a path takes at least a millisecond")
    if high < low:
        raise ValueError(f"{spans!r} ends before it begins")
    return dict.fromkeys(QUICK if known == "quick" else (known,), (low, high))


def help_text() -> str:
    """The grammar, for people."""
    return (__doc__ or "").split("::", 1)[1].strip("\n") + "\n"
