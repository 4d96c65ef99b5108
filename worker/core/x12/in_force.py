"""When a coverage is in force: what its dates say, against the date that the inquiry asked for."""

from functools import lru_cache
from typing import Literal

from worker.core.x12.dates import Period, day
from worker.core.x12.value import Whole

_BEGINS = {"346": "plan", "348": "benefit", "356": "eligibility", "193": "period", "539": "policy", "340": "COBRA"}
_ENDS = {"347": "plan", "349": "benefit", "357": "eligibility", "194": "period", "540": "policy", "341": "COBRA"}
_LIMITS = _BEGINS | _ENDS
"""DTP01 of days on which something begins or ends, with what it is: an end belongs to the begin of the same thing."""
_SPANS = {"290": "coordination", "291": "span", "292": "span", "307": "span"}
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
    unclear: Literal["", "ended_since", "begins_later"] = ""
    """They had ended on the day of the answer, or begin after it, and it is unclear which day was asked for: a plan
    date (291) or a span of eligibility (307) may be it, or tell of the plan."""


@lru_cache(maxsize=512)
def asked_span(dates: tuple[Period, ...], answered: str) -> tuple[str, str]:
    """First and last day (``YYYY-MM-DD``) that the inquiry asked for.

    The answer repeats the inquiry's date as service (472), eligibility (307) or plan date (291); without any of these
    it is the day of the answer, ``answered`` as ``CCYYMMDD``. A single date of plan or eligibility may as well be the
    day on which it began, so it reaches to the day of the answer.
    """
    made = day(answered)
    one = _asked(dates)
    if one is None:
        return (made, made) if made else _ALWAYS
    return one.first, max(one.last, made) if one.qualifier != "472" and not one.ranged else one.last


def _asked(dates: tuple[Period, ...]) -> Period | None:
    """The date that repeats the inquiry's."""
    for qualifier in _ASKED:
        for one in dates:
            if one.qualifier == qualifier and one.first and one.last:
                return one
    return None


@lru_cache(maxsize=512)
def in_force(own: tuple[Period, ...], dates: tuple[Period, ...], answered: str) -> InForce:
    """Whether a benefit with dates of its own, or with the patient's, is in force: much the same for many patients.

    ``own`` are the dates under the benefit, ``dates`` those of the patient, ``answered`` is the day of the answer. What
    has no dates is in force, and so is what is unclear. Of the patient's dates those count that say when a plan began
    or ended, and spans (290, 291, 292, 307), unless they are the days that were asked for.
    """
    asked, repeated = asked_span(dates, answered), _asked(dates)
    spans = [one for one in dates if one.qualifier in _SPANS and one.ranged and one.first != one.last]
    limits = tuple([one for one in dates if one.qualifier in _LIMITS or (one in spans and one != repeated)])
    telling = tuple([one for one in own if one.qualifier in _TELLING]) or limits
    begins, ends = _from_to(telling, asked)
    if not (begins and ends):
        more = _from_to(limits, asked)
        begins, ends = begins or more[0], ends or more[1]
    if repeated in spans and repeated is not None and repeated.qualifier == "291" and not telling:
        begins, ends = repeated.first, repeated.last  # a plan's own span, most likely
    now, made = _reaches(telling, asked), day(answered)
    unclear: Literal["", "ended_since", "begins_later"] = ""
    if now and made and repeated is not None and repeated.qualifier != "472":
        if repeated in spans and repeated.first > made:
            unclear = "begins_later"
        elif (repeated in spans and repeated.last < made) or (
            (repeated.qualifier == "291" or not repeated.ranged) and not _reaches(telling, (made, made))
        ):
            unclear = "ended_since"
    return InForce(now, begins, ends, unclear)


def has_ended(dates: tuple[Period, ...], asked: tuple[str, str]) -> bool:
    """Whether the dates of another coverage say that it had ended before the days asked for."""
    spans = _spans(tuple([one for one in dates if one.qualifier in _TELLING])).values()
    return any(all(last and last < asked[0] for _, last in one) for one in spans)


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
