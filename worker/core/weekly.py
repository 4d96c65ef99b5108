"""A time of the week, in UTC: ``Sunday 03:00``."""

import re
from typing import NamedTuple

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MINUTE_MS = 60_000
_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS
_FIRST_DAY = DAYS.index("Thursday")  # 1 January 1970


class Weekly(NamedTuple):
    """``weekday``: 0 is Monday. ``minute``: of the day."""

    weekday: int
    minute: int

    def __str__(self) -> str:
        return f"{DAYS[self.weekday]} {self.minute // 60:02}:{self.minute % 60:02}"

    def latest(self, now: int) -> int:
        """The last time (ms) that it was so, this instant included."""
        first = (self.weekday - _FIRST_DAY) % 7 * _DAY_MS + self.minute * _MINUTE_MS
        return now - (now - first) % _WEEK_MS


def read_weekly(text: str) -> Weekly:
    """Raises ValueError for what is none. The name of the day may be cut to three letters."""
    found = re.fullmatch(r"([A-Za-z]{3,9}) ([01][0-9]|2[0-3]):([0-5][0-9])", text)
    name = found[1].lower() if found else ""
    days = [number for number, day in enumerate(DAYS) if name in (day.lower(), day[:3].lower())]
    if found is None or not days:
        raise ValueError("no time of the week")
    return Weekly(days[0], int(found[2]) * 60 + int(found[3]))
