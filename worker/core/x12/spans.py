"""The spans that the dates of a coverage tell of: from one day to another, of a plan, a benefit, eligibility, …"""

from collections.abc import Iterable
from typing import Literal

from worker.core.x12.dates import Period

BEGINS = {"346": "plan", "348": "benefit", "356": "eligibility", "193": "period", "539": "policy", "340": "COBRA"}
ENDS = {"347": "plan", "349": "benefit", "357": "eligibility", "194": "period", "540": "policy", "341": "COBRA"}
"""DTP01 of days on which something begins or ends, with what it is: an end belongs to the begin of the same thing."""
BETWEEN = {"290": "coordination", "291": "span", "292": "span", "307": "span"}
"""DTP01 of coordination of benefits, plan, benefit and eligibility: from one day to another."""
TELLING = BEGINS | ENDS | BETWEEN
"""DTP01 of all dates that say when a coverage is in force; the others say nothing of that."""

Span = tuple[str, str]
"""First and last day (``YYYY-MM-DD``), each empty where it is not told."""


def is_span(one: Period) -> bool:
    """Whether it has two days, of which one may be missing."""
    return one.ranged and one.first != one.last


def tells_end(one: Period) -> bool:
    return one.qualifier in ENDS or is_span(one)


def spans_of(dates: Iterable[Period]) -> Iterable[list[Span]]:
    """The spans of each thing that the dates tell of: an end belongs to the begin before it, and a second begin to a
    second span."""
    found: dict[str, list[Span]] = {}
    for one in dates:
        thing = TELLING.get(one.qualifier)
        if thing is None:
            continue
        if not one.ranged and one.qualifier in BETWEEN:
            thing += " begins"  # a single day there is a begin without an end, and no part of the other spans
        spans = found.setdefault(thing, [])
        before = spans[-1] if spans else None
        if one.ranged and (one.first != one.last or one.qualifier in BETWEEN):
            spans.append((one.first, one.last))  # else one day, written as a range
        elif one.qualifier not in ENDS:
            if before and not before[0]:
                spans[-1] = (one.first, before[1])  # some tell the end first
            else:
                spans.append((one.first, ""))
        elif before and not before[1]:
            spans[-1] = (before[0], one.last)
        else:
            spans.append(("", one.last))
    return found.values()


def meets(span: Span, asked: Span) -> bool:
    return span[0] <= asked[1] and (not span[1] or span[1] >= asked[0])


def reaches(dates: Iterable[Period], asked: Span) -> bool:
    """Whether the dates leave room for the days asked for: one span of each thing that they tell of."""
    return all(any(meets(span, asked) for span in spans) for spans in spans_of(dates))


def from_to(dates: Iterable[Period], asked: Span) -> Span:
    """When a coverage with these dates begins and ends: of several spans of one thing by the one that was asked for,
    else by the last."""
    best = [max(spans, key=lambda span: (meets(span, asked), span[1] or span[0])) for spans in spans_of(dates)]
    begins = max([first for first, _ in best if first], default="")
    ends = min([last for _, last in best if last], default="")
    return ("" if ends and ends < begins else begins), ends


def out_of_force(dates: Iterable[Period], asked: Span) -> Literal["", "ended", "begins_later"]:
    """Whether the dates of another coverage say that it had ended before the days asked for, or begins after them."""
    found: Literal["", "ended", "begins_later"] = ""
    for spans in spans_of(dates):
        if all(last and last < asked[0] for _, last in spans):
            return "ended"
        if not any(meets(span, asked) for span in spans):
            found = "begins_later"
    return found
