"""Instants and durations as text. Inside, both are whole milliseconds: instants since 1970 UTC."""

import re
from datetime import UTC, datetime, timedelta

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

# An instant (ms) that never comes: the next call of what waits for nothing.
FAR = 10**15

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_10000_MS = 253_402_300_800_000
_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw])")
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d+))?\s*([Zz]|[+-]\d\d:?\d\d)?",
)


def iso(ms: int) -> str:
    """``2026-05-01T12:00:00.250Z``; the fraction only where there is one."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{ms % 1000:03d}Z" if ms % 1000 else f"{text}Z"


def iso_or_none(ms: int | None) -> str | None:
    """:func:`iso`, with ``None`` passed through."""
    return None if ms is None else iso(ms)


def from_iso(text: object) -> int | None:
    """Milliseconds of an ISO 8601 instant with up to any number of fractional digits; no zone means UTC.

    ``None`` for anything that is not one, or lies before 1970 (the vendor sends ``""`` and ``null`` for "not yet").
    """
    match = _ISO.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone is None or zone in "Zz" else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{zone}")
        since = (moment - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None
    # The end of the year 9999 in a zone west of Greenwich is in the year 10000 in UTC, which cannot be written.
    since += int((fraction or "0")[:3].ljust(3, "0"))
    return since if 0 <= since < _YEAR_10000_MS else None


def duration(text: str) -> int:
    """Milliseconds of ``30s``, ``5m``, ``1h30m``, ``14d``; units are ms, s, m, h, d and w.

    Raises ``ValueError`` with a line for people when the text is not a duration.
    """
    total, at = 0.0, 0
    stripped = text.strip()
    for match in _DURATION.finditer(stripped):
        if stripped[at : match.start()].strip():
            break
        total += float(match[1]) * _UNITS[match[2]]
        at = match.end()
    if not stripped or at != len(stripped):
        raise ValueError(f"{text!r} is not a duration: write a number with a unit, as in 30s, 5m, 6h or 14d")
    return round(total)


def words(ms: int) -> str:
    """A duration for people, in its two largest units: ``850 ms``, ``12 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if ms < 0:
        return "-" + words(-ms)
    if ms < 1000:
        return f"{ms} ms"
    seconds = ms // 1000
    parts = [
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "min"),
        (seconds % 60, "s"),
    ]
    first = next(i for i, (n, _) in enumerate(parts) if n)
    return " ".join(f"{n} {unit}" for n, unit in parts[first : first + 2] if n)


def about(ms: int) -> str:
    """A duration for a glance, in its largest unit, cut off: ``0 s``, ``59 s``, ``2 h``, ``400 d``."""
    seconds = max(0, ms) // 1000
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def short(ms: int) -> str:
    """A duration as the configuration writes it, exactly: ``90000`` is ``1m30s``, ``0`` is ``0s``."""
    out = ""
    for unit in ("d", "h", "m", "s", "ms"):
        count, ms = divmod(ms, _UNITS[unit])
        out += f"{count}{unit}" if count else ""
    return out or "0s"
