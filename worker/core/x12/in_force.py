"""When a coverage is in force: what its dates say, against the date that the inquiry asked for."""

from functools import lru_cache

from worker.core.x12.dates import Period, day
from worker.core.x12.value import Whole

_BEGINS = frozenset(("346", "348", "356", "193", "539", "340"))
_ENDS = frozenset(("347", "349", "357", "194", "540", "341"))
_LIMITS = _BEGINS | _ENDS
"""DTP01 of days on which a plan, a benefit, eligibility, a period, a policy or COBRA begins or ends."""
_SPANS = frozenset(("290", "291", "292", "307"))
"""DTP01 of coordination of benefits, plan, benefit and eligibility: from one day to another."""
_TELLING = _LIMITS | _SPANS
_ASKED = ("472", "307", "291")
"""DTP01 of the date that repeats the inquiry's, the best first."""

_ALWAYS = ("0000", "9999-99")


class InForce(Whole, frozen=True):
    """What the dates of one benefit come to."""

    now: bool
    """They leave room for the days asked for."""
    begins: str
    """``YYYY-MM-DD``; empty where it is not told."""
    ends: str


def asked_span(dates: tuple[Period, ...], created: str) -> tuple[str, str]:
    """First and last day (``YYYY-MM-DD``) that the inquiry asked for.

    The answer repeats the inquiry's date as service (472), eligibility (307) or plan date (291); without any of these
    it is the day the answer was made, ``created`` as ``CCYYMMDD``. A single plan date may as well be the day the plan
    began, so it reaches to the day of the answer.
    """
    made = day(created)
    one = _asked(dates)
    if one is None:
        return (made, made) if made else _ALWAYS
    return one.first, max(one.last, made) if one.qualifier == "291" and not one.ranged else one.last


def _asked(dates: tuple[Period, ...]) -> Period | None:
    """The date that repeats the inquiry's."""
    for qualifier in _ASKED:
        for one in dates:
            if one.qualifier == qualifier and one.first and one.last:
                return one
    return None


@lru_cache(maxsize=512)
def in_force(own: tuple[Period, ...], dates: tuple[Period, ...], created: str) -> InForce:
    """Whether a benefit with dates of its own, or with the patient's, is in force: much the same for many patients.

    ``own`` are the dates under the benefit, ``dates`` those of the patient, ``created`` is BHT04. What has no dates is
    in force, and so is what is unclear. Of the patient's dates those count that say when a plan began or ended, and
    spans (290, 291, 292, 307), unless they are the days that were asked for.
    """
    asked, repeated = asked_span(dates, created), _asked(dates)
    spans = tuple([one for one in dates if one.qualifier in _SPANS and one.ranged and one.first != one.last])
    limits = tuple([one for one in dates if one.qualifier in _LIMITS or (one in spans and one != repeated)])
    telling = tuple([one for one in own if one.qualifier in _TELLING]) or limits
    begins, ends = _from_to(telling, asked)
    if not (begins and ends):
        for more in (_from_to(limits, asked), _from_to(spans, asked)):
            begins, ends = begins or more[0], ends or more[1]
    return InForce(_reaches(telling, asked), begins, ends)


def has_ended(dates: tuple[Period, ...], asked: tuple[str, str]) -> bool:
    """Whether the dates of another coverage say that it had ended before the days asked for."""
    # A range ends under a qualifier of beginnings, too.
    ends = [
        one.last for one in dates if one.last and (one.qualifier in _ENDS or (one.ranged and one.qualifier in _TELLING))
    ]
    return bool(ends) and max(ends) < asked[0]


def from_to(dates: tuple[Period, ...], asked: tuple[str, str]) -> tuple[str, str]:
    """When a coverage with these dates begins and ends; empty where it is not told."""
    return _from_to(tuple([one for one in dates if one.qualifier in _TELLING]), asked)


def _reaches(dates: tuple[Period, ...], asked: tuple[str, str]) -> bool:
    """Whether the dates leave room for the days asked for."""
    first, last = asked
    ranges: dict[bool, list[bool]] = {}
    for one in dates:
        if one.ranged:
            meets = one.first <= last and (first <= one.last or not one.last)
            # Spans of benefits and limits of the plan are two things, and both must leave room.
            ranges.setdefault(one.qualifier in _SPANS, []).append(meets)
        elif one.qualifier in _ENDS:
            if one.last and one.last < first:
                return False
        elif one.first > last:
            return False
    return all(map(any, ranges.values()))


def _from_to(dates: tuple[Period, ...], asked: tuple[str, str]) -> tuple[str, str]:
    first, last = asked
    ranges = sorted(
        [one for one in dates if one.ranged],
        key=lambda one: (one.first <= last and (first <= one.last or not one.last), one.qualifier in _LIMITS, one.last),
    )
    begins = [one.first for one in dates if one.first and not one.ranged and one.qualifier not in _ENDS]
    ends = [one.last for one in dates if one.last and not one.ranged and one.qualifier in _ENDS]
    best = ranges[-1] if ranges else Period()
    return max(begins, default=best.first), min(ends, default=best.last)
