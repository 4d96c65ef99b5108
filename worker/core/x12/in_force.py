"""When a coverage is in force: what its dates say, against the days that the inquiry asked for."""

from functools import lru_cache
from typing import Literal

from worker.core.x12.asked import asked_span, is_long, limits_of, repeated_date
from worker.core.x12.dates import DEATH, Period, day
from worker.core.x12.spans import (
    BEGINS,
    BETWEEN,
    ENDS,
    TELLING,
    Span,
    from_to,
    is_span,
    meets,
    reaches,
    spans_of,
    tells_end,
)
from worker.core.x12.value import Whole

_ELIGIBILITY = ("307", "356", "357")


class InForce(Whole, frozen=True):
    """What the dates of one benefit come to."""

    now: bool
    """They leave room for the days asked for."""
    begins: str
    """``YYYY-MM-DD``; empty where it is not told."""
    ends: str
    warning: Literal["", "ended_since", "begins_later"] = ""
    """``begins_later``: they begin after the days asked for. Where they are in force, these or ``ended_since`` say that
    they begin after the day of the answer, or had ended on it, and it is unclear whether that counts: a date of plan or
    eligibility (291, 307) may be the day asked for, and eligibility may go on after a plan."""


@lru_cache(maxsize=512)
def in_force(own: tuple[Period, ...], dates: tuple[Period, ...], answered: str) -> InForce:
    """Whether a benefit with dates of its own, or with the patient's, is in force: much the same for many patients.

    ``own`` are the dates under the benefit, ``dates`` those of the patient, ``answered`` is the day of the answer. What
    has no dates is in force, and so is what is unclear. A benefit that does not say when it ends does so with the
    patient's plan or eligibility, unless that ended before the benefit began. Answered on 2026-03-04, by hand::

        own              patient                   in force   begins       ends         warning
        348 2026-01-01   347 2026-12-31            yes        2026-01-01   2026-12-31
        348 2026-01-01   347 2025-12-31            yes        2026-01-01
        348 2026-05-01                             no         2026-05-01                begins_later
                         291 2025                  no         2025-01-01   2025-12-31
                         291 2025, 307 2020 on     yes        2020-01-01                ended_since
                         291 2025, 346 2026-01-01  yes        2026-01-01
        349 2025-12-31   291 2025-07-01            yes                     2025-12-31   ended_since
    """
    asked, made = asked_span(dates, answered), day(answered)
    repeated = repeated_date(dates, made)
    telling = [one for one in own if one.qualifier in TELLING]
    limits = limits_of(dates, repeated, made)
    going_on, before = _after_plan(telling + limits, own + dates, asked)
    if going_on:
        telling = [one for one in telling if not _is_over(one, asked)]
        limits = list(dict.fromkeys([*[one for one in limits if not _is_over(one, asked)], *going_on]))
    begins, ends = from_to(telling, asked)
    limits = [one for one in limits if not _contradicts(one, begins, ends)]
    counted = telling or limits
    if telling and not ends:
        counted = telling + [one for one in limits if tells_end(one)]
    if not (begins and ends):
        first, last = from_to(limits, asked)
        begins, ends = begins or first, ends or last
    if not reaches(counted, asked):
        return InForce(False, begins, ends, "begins_later" if begins > asked[1] else "")
    return InForce(True, begins, ends, "ended_since" if before else _unclear(counted, repeated, made))


def _unclear(counted: list[Period], repeated: Period | None, made: str) -> Literal["", "ended_since", "begins_later"]:
    """What had changed on the day of the answer, where the date that repeats the inquiry's may be none."""
    if repeated is None or repeated.qualifier == "472" or not made:
        return ""
    if is_span(repeated):
        if repeated.first > made:
            return "begins_later"
        if repeated.last < made:
            return "ended_since"
    if reaches(counted, (made, made)):
        return ""
    return "begins_later" if from_to(counted, (made, made))[0] > made else "ended_since"


def _after_plan(limits: list[Period], dates: tuple[Period, ...], asked: Span) -> tuple[list[Period], bool]:
    """What goes on after a plan's span that had ended: eligibility that was there before it ended (and ``True``), else
    what began after it."""
    ended = [one.last for one in limits if _is_over(one, asked)]
    if not ended:
        return [], False
    eligible = [one for one in dates if one.qualifier in _ELIGIBILITY]
    if eligible and all(
        any(span[0] <= min(ended) and meets(span, asked) for span in spans) for spans in spans_of(eligible)
    ):
        return eligible, True
    return [one for one in dates if max(ended) < one.first <= asked[1] and _begins(one)], False


def _is_over(one: Period, asked: Span) -> bool:
    """Whether it is the span of a plan that had ended, such as that of a plan year."""
    return one.qualifier == "291" and is_span(one) and "" < one.last < asked[0]


def _begins(one: Period) -> bool:
    """Whether it says that something began, which is unclear of a single day or a short span of plan or eligibility."""
    return one.qualifier in BEGINS or (one.qualifier in BETWEEN and is_span(one) and is_long(one))


def _contradicts(one: Period, begins: str, ends: str) -> bool:
    """Whether a date of those above is an end before the own begin, or a begin after the own end."""
    if begins and "" < one.last < begins and tells_end(one):
        return True
    return bool(ends) and one.first > ends and one.qualifier not in ENDS


def inherited(own: tuple[Period, ...], above: tuple[Period, ...], answered: str) -> tuple[Period, ...]:
    """The dates of a dependent with those of the subscriber that it has not itself and does not contradict.

    The day that was asked for is no date of its own: under the same qualifier the subscriber's plan may have ended.
    """
    if not own:
        return tuple([one for one in above if one.qualifier != DEATH])
    made = day(answered)
    repeated = repeated_date(own, made)
    if repeated is not None and _begins(repeated):
        repeated = None
    told = {DEATH, *[one.qualifier for one in own if one != repeated]}
    of_plan = limits_of(above, repeated_date(above, made), made)
    more = tuple(
        [
            one
            for one in above
            if one.qualifier not in told and (repeated is None or one.qualifier != repeated.qualifier or one in of_plan)
        ]
    )
    limits = limits_of(own, repeated, made)
    begins, ends = from_to(limits, asked_span(own + more, answered))
    return own + tuple(
        [
            one
            for one in more
            if one.qualifier not in TELLING or not ((ends and tells_end(one)) or _contradicts(one, begins, ends))
        ]
    )
