"""Dates of a 271: D8 (one day) and RD8 (a range), kept as text where they are odd or impossible."""

import re
from datetime import date
from functools import lru_cache

from worker.core.x12.value import Value

DEATH = "442"
"""DTP01 of the date of death."""

_FORMATS = {"D8": 8, "RD8": 17}

_LONGEST_DATE_CHARS = 48
_TIME = r"(?:T\d\d:?\d\d(?::?\d\d)?(?:\.\d+)?Z?|\d\d:\d\d(?::\d\d)?|0{4}(?:00)?)?"
_DAY = rf"(?:(\d{{4}}([-/.]?)\d\d%s\d\d){_TIME})?"
_BETWEEN = "(--?|[\u2013\u2014,;:|/_]|TO|THRU)?"
_LOOSE = re.compile(_DAY % r"\2" + _BETWEEN + _DAY % r"\5", re.ASCII)
"""What can be read in one way only: the year first, with a sign between the parts of a day or none, perhaps with a time
behind it."""


class Period(Value, frozen=True):
    """One DTP. ``first`` and ``last`` are ``YYYY-MM-DD`` and the same for a single day; empty where impossible."""

    qualifier: str = ""
    """DTP01, such as ``291``."""
    first: str = ""
    last: str = ""
    text: str = ""
    """DTP03 as received, where something is odd about it."""
    ranged: bool = False
    """Whether two dates were given: a single one often means "from then on"."""


def any_day(text: str) -> str:
    """``YYYY-MM-DD`` of ``CCYYMMDD``; empty for what is no day, or none that a patient or a plan can have had."""
    if len(text) != 8 or not (text.isascii() and text.isdecimal()) or text < "1850":
        return ""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def day(text: str) -> str:
    """The same for days that many answers have in common; those of birth are too many to remember."""
    return _known_day(text) if len(text) == 8 else ""


_known_day = lru_cache(maxsize=4096)(any_day)


def birth_day(text: str) -> tuple[str, bool]:
    """The day of birth that DMG02 gives, and whether it is written in another form than ``CCYYMMDD``."""
    if found := any_day(text):
        return found, False
    loose = _loose(text)
    return (loose[0] if loose and not loose[2] else ""), True


def period(qualifier: str, form: str, text: str) -> tuple[Period, str]:
    """The :class:`Period` of DTP01, DTP02 and DTP03, and its issue: ``impossible_date``, ``date_format`` or none.

    The text decides over its announced form. A range may lack one of its ends.
    """
    begin, dash, end = text.partition("-")
    first = day(begin[:8] if form in ("DT", "RDT") else begin)
    last = day(end[:8] if form == "RDT" else end) if dash else first
    odd = ""
    if not (first and last):
        odd = "impossible_date"
        if (loose := _loose(text)) is not None:
            first, last, dash = loose
            odd = "date_format"
    elif len(text) != _FORMATS.get(form, len(text)):
        odd = "date_format"
    if first and last and last < first:
        first = last = ""  # a range that runs backwards says nothing of when
        odd = "impossible_date"
    return Period(qualifier, first, last, text if odd else "", bool(dash)), odd


def _loose(text: str) -> tuple[str, str, str] | None:
    """First and last day and the dash between them, of a text with blanks or signs in it; ``None`` for what is none."""
    found = _LOOSE.fullmatch(text.replace(" ", "").upper()) if len(text) <= _LONGEST_DATE_CHARS else None
    if found is None:
        return None
    begin, _, dash, end, _ = found.groups(default="")
    dash = dash or ("-" if end else "")  # two days with nothing, or with a blank, between them
    if not (begin or end):
        return None
    days = [re.sub(r"\D", "", one) for one in (begin, end)]
    first, last = (day(one) for one in days)
    if any(text and not found for text, found in zip(days, (first, last), strict=True)):
        return None
    return first, last if dash else first, dash
