"""Which days the inquiry asked for, as its answer repeats them, and which dates of the patient are not those."""

from datetime import date, timedelta
from functools import lru_cache

from worker.core.x12.dates import Period, day
from worker.core.x12.spans import BEGINS, BETWEEN, ENDS, Span, is_span

_ASKED = ("472", "307", "291")
"""DTP01 of the date that repeats the inquiry's, the best first."""
_MONTH = timedelta(days=27)
"""From the first to the last day of the shortest month."""
_TWO_YEARS = timedelta(days=2 * 365)
_FIVE_YEARS = timedelta(days=5 * 365)
_ALWAYS = ("0000", "9999-99")


@lru_cache(maxsize=512)
def asked_span(dates: tuple[Period, ...], answered: str) -> Span:
    """First and last day that the inquiry asked for.

    The answer repeats the inquiry's date as service (472), eligibility (307) or plan date (291); without any of these
    it is the day of the answer, ``answered`` as ``CCYYMMDD``. A single date of plan or eligibility may as well be the
    day on which it began, so it reaches to the day of the answer.
    """
    made = day(answered)
    one = repeated_date(dates, made)
    if one is None:
        return (made, made) if made else _ALWAYS
    return one.first, max(one.last, made) if one.qualifier != "472" and not one.ranged else one.last


def repeated_date(dates: tuple[Period, ...], made: str) -> Period | None:
    """The date that repeats the inquiry's; ``made`` is the day of the answer."""
    for qualifier in _ASKED:
        for one in dates:
            if one.qualifier == qualifier and one.first and one.last and not _is_of_plan(one, made):
                return one
    return None


def _is_of_plan(one: Period, made: str) -> bool:
    """Whether a date tells of a plan or of eligibility rather than of what was asked for.

    ::

        DTP01      how long            it tells of the plan
        472        any                 never
        291, 307   less than a month   where it was over two years before the answer
        291        a month or more     always
        307        up to five years    where it leaves out the day of the answer
                   longer              always
    """
    if one.qualifier == "472":
        return False
    if not is_long(one):
        return _is_old(one, made)
    if one.qualifier == "291" or _length(one.first, one.last) > _FIVE_YEARS:
        return True
    return bool(made) and not one.first <= made <= one.last


def limits_of(dates: tuple[Period, ...], repeated: Period | None, made: str) -> list[Period]:
    """Of the dates of a patient those that say when a plan began or ended, and spans, unless they are the days asked
    for. A single date under the qualifier of a span may be the day asked for, unless it is old."""
    return [
        one
        for one in dates
        if one.qualifier in BEGINS
        or one.qualifier in ENDS
        or (one.qualifier in BETWEEN and one != repeated and (is_span(one) or _is_old(one, made)))
    ]


def is_long(one: Period) -> bool:
    """Whether it has a month or more."""
    return _length(one.first or one.last, one.last or one.first) >= _MONTH


def _is_old(one: Period, made: str) -> bool:
    return bool(one.last and made) and _length(one.last, made) > _TWO_YEARS


def _length(first: str, last: str) -> timedelta:
    return date.fromisoformat(last) - date.fromisoformat(first)
