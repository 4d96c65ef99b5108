"""Dates of a 271: D8 (one day) and RD8 (a range), kept as text where they are impossible."""

from datetime import date
from functools import lru_cache
from typing import NamedTuple

_FORMATS = {"D8": 8, "RD8": 17}


class Period(NamedTuple):
    """One DTP. ``first`` and ``last`` are ``YYYY-MM-DD`` and the same for a single day; empty where impossible."""

    qualifier: str
    """DTP01, such as ``291``."""
    first: str
    last: str
    text: str
    """DTP03 as received."""
    ranged: bool
    """Whether two dates were given: a single one often means "from then on"."""
    issues: tuple[str, ...] = ()
    """``impossible_date``, ``date_format``."""


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


def period(qualifier: str, form: str, text: str) -> Period:
    """The :class:`Period` of DTP01, DTP02 and DTP03. The text decides over its announced form."""
    begin, dash, end = text.partition("-")
    first = day(begin[:8] if form in ("DT", "RDT") else begin)
    last = day(end[:8] if form == "RDT" else end) if dash else first
    issues = []
    if last and last < first:
        first = last = ""  # a range that runs backwards says nothing of when
    if not (first and last):
        issues.append("impossible_date")
    elif len(text) != _FORMATS.get(form, len(text)):
        issues.append("date_format")
    return Period(qualifier, first, last, text, bool(dash), tuple(issues))
