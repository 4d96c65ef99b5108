"""Dates of a 271: D8 (one day) and RD8 (a range), kept as text where they are impossible."""

from datetime import date
from functools import lru_cache

from worker.core.x12.value import Value

_FORMATS = {"D8": 8, "RD8": 17}


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


def period(qualifier: str, form: str, text: str) -> tuple[Period, str]:
    """The :class:`Period` of DTP01, DTP02 and DTP03, and its issue: ``impossible_date``, ``date_format`` or none.

    The text decides over its announced form.
    """
    begin, dash, end = text.partition("-")
    first = day(begin[:8] if form in ("DT", "RDT") else begin)
    last = day(end[:8] if form == "RDT" else end) if dash else first
    if last and last < first:
        first = last = ""  # a range that runs backwards says nothing of when
    known = bool(first and last)
    odd = "" if known else "impossible_date"
    if known and len(text) != _FORMATS.get(form, len(text)):
        odd = "date_format"
    return Period(qualifier, first, last, text if odd else "", bool(dash)), odd
