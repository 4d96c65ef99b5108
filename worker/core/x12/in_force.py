"""When a coverage is in force: what its dates say, against the date that the inquiry asked for."""

from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from worker.core.x12.dates import DEATH, Period, day
from worker.core.x12.value import Whole

_BEGINS = {"346": "plan", "348": "benefit", "356": "eligibility", "193": "period", "539": "policy", "340": "COBRA"}
_ENDS = {"347": "plan", "349": "benefit", "357": "eligibility", "194": "period", "540": "policy", "341": "COBRA"}
_LIMITS = _BEGINS | _ENDS
"""DTP01 of days on which something begins or ends, with what it is: an end belongs to the begin of the same thing."""
_SPANS = {"290": "coordination", "291": "span", "292": "span", "307": "span"}
"""DTP01 of coordination of benefits, plan, benefit and eligibility: from one day to another."""
_TELLING = _LIMITS | _SPANS
_ELIGIBILITY = ("307", "356", "357")
_ASKED = ("472", "307", "291")
"""DTP01 of the date that repeats the inquiry's, the best first."""
_SHORTEST_PLAN = timedelta(days=27)
"""From the first to the last day of the shortest month."""
_LONGEST_INQUIRY = timedelta(days=5 * 365)
_OLDEST_INQUIRY = timedelta(days=2 * 365)

_ALWAYS = ("0000", "9999-99")


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
def asked_span(dates: tuple[Period, ...], answered: str) -> tuple[str, str]:
    """First and last day (``YYYY-MM-DD``) that the inquiry asked for.

    The answer repeats the inquiry's date as service (472), eligibility (307) or plan date (291); without any of these
    it is the day of the answer, ``answered`` as ``CCYYMMDD``. A single date of plan or eligibility may as well be the
    day on which it began, so it reaches to the day of the answer.
    """
    made = day(answered)
    one = _asked(dates, made)
    if one is None:
        return (made, made) if made else _ALWAYS
    return one.first, max(one.last, made) if one.qualifier != "472" and not one.ranged else one.last


def _asked(dates: tuple[Period, ...], made: str) -> Period | None:
    """The date that repeats the inquiry's."""
    for qualifier in _ASKED:
        for one in dates:
            if one.qualifier == qualifier and one.first and one.last and not _is_of_plan(one, made):
                return one
    return None


def _is_of_plan(one: Period, made: str) -> bool:
    """Whether a date tells of a plan or of eligibility rather than of what was asked for: that is a day of the last two
    years, or a span shorter than a month, or for eligibility a longer one up to the day of the answer."""
    if one.qualifier not in _SPANS or not (one.first and one.last):
        return False
    if not _is_long(one):
        return bool(made) and _length(one.last, made) > _OLDEST_INQUIRY
    long = one.qualifier == "291" or _length(one.first, one.last) > _LONGEST_INQUIRY
    return long or (bool(made) and not one.first <= made <= one.last)


def _is_long(one: Period) -> bool:
    return _length(one.first or one.last, one.last or one.first) >= _SHORTEST_PLAN


def _length(first: str, last: str) -> timedelta:
    return date.fromisoformat(last) - date.fromisoformat(first)


def _limits_of(dates: tuple[Period, ...], repeated: Period | None, made: str) -> tuple[Period, ...]:
    """Of the dates of a patient those that say when a plan began or ended, and spans, unless they are the days asked
    for. A single date under the qualifier of a span may be the day asked for."""
    return tuple(
        [
            one
            for one in dates
            if one.qualifier in _LIMITS
            or (one.qualifier in _SPANS and one != repeated and (_is_span(one) or _is_of_plan(one, made)))
        ]
    )


@lru_cache(maxsize=512)
def in_force(own: tuple[Period, ...], dates: tuple[Period, ...], answered: str) -> InForce:
    """Whether a benefit with dates of its own, or with the patient's, is in force: much the same for many patients.

    ``own`` are the dates under the benefit, ``dates`` those of the patient, ``answered`` is the day of the answer. What
    has no dates is in force, and so is what is unclear. A benefit that does not say when it ends does so with the
    patient's plan or eligibility, unless that ended before the benefit began.
    """
    asked, made = asked_span(dates, answered), day(answered)
    repeated = _asked(dates, made)
    telling = tuple([one for one in own if one.qualifier in _TELLING])
    limits = _limits_of(dates, repeated, made)
    after = _after_plan(telling + limits, own + dates, asked)
    if going_on := after.eligible + after.anew:
        telling = tuple([one for one in telling if not _is_over(one, asked)])
        limits = tuple(dict.fromkeys([*[one for one in limits if not _is_over(one, asked)], *going_on]))
    begins, ends = _from_to(telling, asked)
    limits = tuple([one for one in limits if not _contradicts(one, begins, ends)])
    counted = telling or limits
    if telling and not ends:
        counted += tuple([one for one in limits if _tells_end(one)])
    if not (begins and ends):
        more = _from_to(limits, asked)
        begins, ends = begins or more[0], ends or more[1]
    now = _reaches(counted, asked)
    warning: Literal["", "ended_since", "begins_later"] = ""
    if not now:
        warning = "begins_later" if begins > asked[1] else ""
    elif after.eligible:
        warning = "ended_since"
    elif made and repeated is not None and repeated.qualifier != "472":
        warning = _unclear(counted, repeated, made)
    return InForce(now, begins, ends, warning)


def _unclear(counted: tuple[Period, ...], repeated: Period, made: str) -> Literal["", "ended_since", "begins_later"]:
    """What had changed on the day of the answer, where the date that repeats the inquiry's may be none."""
    span = _is_span(repeated)
    if span and repeated.first > made:
        return "begins_later"
    if span and repeated.last < made:
        return "ended_since"
    single = repeated.qualifier == "291" or not repeated.ranged
    return "ended_since" if single and not _reaches(counted, (made, made)) else ""


def _is_over(one: Period, asked: tuple[str, str]) -> bool:
    """Whether it is the span of a plan that had ended, such as that of a plan year."""
    return one.qualifier == "291" and _is_span(one) and "" < one.last < asked[0]


class _After(Whole, frozen=True):
    """What goes on after a plan's span that had ended."""

    eligible: tuple[Period, ...] = ()
    """Eligibility that was there before it ended."""
    anew: tuple[Period, ...] = ()
    """What began after it."""


def _after_plan(telling: tuple[Period, ...], dates: tuple[Period, ...], asked: tuple[str, str]) -> _After:
    ended = [one.last for one in telling if _is_over(one, asked)]
    if not ended:
        return _NOTHING_AFTER
    eligible = tuple([one for one in dates if one.qualifier in _ELIGIBILITY])
    spans = _spans(eligible).values()
    if spans and all(any(span[0] <= min(ended) and _meets(span, asked) for span in each) for each in spans):
        return _After(eligible=eligible)
    return _After(anew=tuple([one for one in dates if max(ended) < one.first <= asked[1] and _begins_anew(one)]))


_NOTHING_AFTER = _After()


def _begins_anew(one: Period) -> bool:
    """Whether it says that something began, which is unclear of a single day or a short span of plan or eligibility."""
    return one.qualifier in _BEGINS or (one.qualifier in _SPANS and _is_span(one) and _is_long(one))


def _tells_end(one: Period) -> bool:
    return one.qualifier in _ENDS or _is_span(one)


def _is_span(one: Period) -> bool:
    """Whether it has two days, of which one may be missing."""
    return one.ranged and one.first != one.last


def _contradicts(one: Period, begins: str, ends: str) -> bool:
    """Whether a date of those above is an end before the own begin, or a begin after the own end."""
    if one.qualifier not in _TELLING:
        return False
    if begins and "" < one.last < begins and _tells_end(one):
        return True
    return bool(ends) and one.first > ends and one.qualifier not in _ENDS


def inherited(own: tuple[Period, ...], above: tuple[Period, ...], answered: str) -> tuple[Period, ...]:
    """The dates of a dependent with those of the subscriber that it has not itself and does not contradict."""
    told = {DEATH, *[one.qualifier for one in own]}
    more = tuple([one for one in above if one.qualifier not in told])
    if not own:
        return more
    made = day(answered)
    repeated = _asked(own, made)
    limits = _limits_of(own, None if repeated is not None and _begins_anew(repeated) else repeated, made)
    begins, ends = from_to(limits, asked_span(own + more, answered))
    return own + tuple(
        [
            one
            for one in more
            if not _contradicts(one, begins, ends) and not (ends and one.qualifier in _TELLING and _tells_end(one))
        ]
    )


def out_of_force(dates: tuple[Period, ...], asked: tuple[str, str]) -> Literal["", "ended", "begins_later"]:
    """Whether the dates of another coverage say that it had ended before the days asked for, or begins after them."""
    found: Literal["", "ended", "begins_later"] = ""
    for spans in _spans(tuple([one for one in dates if one.qualifier in _TELLING])).values():
        if all(last and last < asked[0] for _, last in spans):
            return "ended"
        if not any(_meets(span, asked) for span in spans):
            found = "begins_later"
    return found


def from_to(dates: tuple[Period, ...], asked: tuple[str, str]) -> tuple[str, str]:
    """When a coverage with these dates begins and ends; empty where it is not told."""
    return _from_to(tuple([one for one in dates if one.qualifier in _TELLING]), asked)


_Span = tuple[str, str]
"""First and last day, each empty where it is not told."""


def _spans(dates: tuple[Period, ...]) -> dict[str, list[_Span]]:
    """The spans of each thing: an end belongs to the begin before it, and a second begin to a second span."""
    found: dict[str, list[_Span]] = {}
    for one in dates:
        # A single day under the qualifier of a span is a begin without an end, and no part of the other spans.
        alone = not one.ranged and one.qualifier in _SPANS
        spans = found.setdefault(_TELLING[one.qualifier] + (" begins" if alone else ""), [])
        if one.ranged and (one.first != one.last or one.qualifier in _SPANS):
            spans.append((one.first, one.last))  # else one day, written as a range
        elif one.qualifier not in _ENDS:
            if spans and not spans[-1][0]:
                spans[-1] = (one.first, spans[-1][1])  # some tell the end first
            else:
                spans.append((one.first, ""))
        elif spans and not spans[-1][1]:
            spans[-1] = (spans[-1][0], one.last)
        else:
            spans.append(("", one.last))
    return found


def _meets(span: _Span, asked: tuple[str, str]) -> bool:
    return span[0] <= asked[1] and (not span[1] or span[1] >= asked[0])


def _reaches(dates: tuple[Period, ...], asked: tuple[str, str]) -> bool:
    """Whether the dates leave room for the days asked for: one span of each thing that they tell of."""
    return all(any(_meets(span, asked) for span in spans) for spans in _spans(dates).values())


def _from_to(dates: tuple[Period, ...], asked: tuple[str, str]) -> _Span:
    """Begin and end, of several spans of one thing by the one that was asked for, else by the last."""
    best = [max(spans, key=lambda span: (_meets(span, asked), span[1] or span[0])) for spans in _spans(dates).values()]
    begins, ends = [span[0] for span in best if span[0]], [span[1] for span in best if span[1]]
    begin, end = max(begins, default=""), min(ends, default="")
    return ("" if end and end < begin else begin), end
