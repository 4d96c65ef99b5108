"""The keys of a JSON line for ``cdpoll record``, and what is said where one is not known or its value looks wrong."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from worker.core.intake.link import mentions

# What names tasks, and what is said about them.
NAMING = ("link", "location", "headers", "body", "id")
ABOUT = ("ref", "correlation_id", "trace_id", "trace_number", "originator_id", "member_id", "birth_date", "subtenant")

_QUOTABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_BIRTH_DATE = re.compile(r"([0-9]{4})(-?)([0-9]{2})\2([0-9]{2})")
_OLDEST_YEAR, _LATEST_YEAR = 1850, 2100


class UnknownKey(NamedTuple):
    """A key that is none of ours: what is said of it, and whether its value may name a task, or is the caller's own
    key, which would be lost with it."""

    words: str
    may_name: bool
    is_ref: bool


def unknown_keys(record: Mapping[str, object]) -> Iterator[UnknownKey]:
    """Those of a line."""
    for key in record.keys() - {*NAMING, *ABOUT}:
        shown = key if _QUOTABLE.fullmatch(key) else "one of its keys"
        like = _near(key)
        value = record[key]
        says = value not in (None, "", [], {}) and not isinstance(value, bool)
        may_name = says and (like in NAMING or mentions(str(value)))
        what = f"did you mean {like}?" if like else "it may name a task" if may_name else "it is ignored"
        yield UnknownKey(f"{shown} is not a key that is read: {what}", may_name, says and like == "ref")


@lru_cache(maxsize=1000)
def _near(key: str) -> str | None:
    import difflib  # only needed once something is wrong

    found = difflib.get_close_matches(key.lower(), (*NAMING, *ABOUT), 1, 0.7)
    return found[0] if found else None


def birth_date_note(text: str | None) -> str | None:
    """What is said of a birth date that no answer of a batch can agree with."""
    if text is None:
        return None
    written = _BIRTH_DATE.fullmatch(text.strip())
    if written is None:
        return "birth_date is not written YYYY-MM-DD: answers of batches will not match its task"
    year, month, day = int(written[1]), int(written[3]), int(written[4])
    try:
        date(year, month, day)
        possible = _OLDEST_YEAR <= year <= _LATEST_YEAR
    except ValueError:
        possible = False
    return None if possible else "birth_date is a day that cannot be: answers of batches will not match its task"
