"""The dates of HTTP (RFC 9110, 5.6.7), read without the ``email`` package, which takes longer to import than to use."""

import re
from datetime import UTC, datetime

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)"
_FORMS = (
    # The first is often written by hand: without a day of the week, with one digit, with another name for the zone.
    re.compile(
        rf"(?:[a-z]{{3}}, )?(?P<d>\d\d?) (?P<m>[a-z]{{3}}) (?P<y>\d{{4}}) {_TIME} (?:gmt|utc?|z|[+-]0000)", re.ASCII
    ),
    re.compile(rf"[a-z]{{6,9}}, (?P<d>\d\d)-(?P<m>[a-z]{{3}})-(?P<y>\d\d) {_TIME} gmt", re.ASCII),
    re.compile(rf"[a-z]{{3}} (?P<m>[a-z]{{3}}) (?P<d>[ \d]\d) {_TIME} (?P<y>\d{{4}})", re.ASCII),
)


def http_date(text: str) -> int | None:
    """Milliseconds UTC of an HTTP date in any of its three forms; ``None`` for anything else.

    The day of the week is not checked. Of a year with two digits, 70 to 99 are in the last century. A leap second
    counts as the second before it.
    """
    lowered = text.strip().lower()
    found = next((match for form in _FORMS if (match := form.fullmatch(lowered))), None)
    if found is None or found["m"] not in _MONTHS:
        return None
    year = int(found["y"])
    if len(found["y"]) == 2:
        year += 1900 if year >= 70 else 2000
    try:
        moment = datetime(
            year,
            _MONTHS.index(found["m"]) + 1,
            int(found["d"]),
            int(found["H"]),
            int(found["M"]),
            59 if found["S"] == "60" else int(found["S"]),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return round(moment.timestamp()) * 1000
