"""What the status page plots: pending tasks by age, time to result by path, polls and the limit, deliveries."""

from datetime import UTC, datetime
from typing import Any

from worker.core.instant import DAY_MS, HOUR_MS, about, from_iso
from worker.core.measures import PATHS, SLOT_MS
from worker.core.problems import counted
from worker.store.views.pending_ages import OLDER
from worker.web.look import Look
from worker.web.plots import Axis, Plot, bars, columns, counts_up_to, lines

Json = dict[str, Any]

_MINUTE_MS = 60_000

NO_DAEMON = "No daemon lives, and it alone counts this."

# A name that is longer is cut in a plot; the table has all of it.
_MOST_CHARS = 20

# Of bars and columns: the share of ink.
_FAINT, _MIDDLE, _FULL = 0.3, 0.6, 0.9


def figures(look: Look) -> list[Plot]:
    """All four."""
    return [pending_by_age(look), time_to_result(look), polls_and_limit(look), deliveries(look)]


def pending_by_age(look: Look) -> Plot:
    title, groups = "Pending tasks by age", look.pending_ages
    if not groups:
        return Plot(title, "They are not counted yet.")
    total = sum(one["n"] for one in groups)
    counted_at = " Counted once a minute." if look.measures else ""
    if not total:
        return Plot(title, f"No task is pending.{counted_at}")
    named = [(one["up_to"] if one["up_to"] == OLDER else f"≤ {one['up_to']}", int(one["n"])) for one in groups]
    said = f"{counted(total, 'task')} pending, by when they were recorded; {named[-1][1]} of them more than 30 d ago."
    said += counted_at
    rows = tuple((name, f"{n:,}") for name, n in named)
    return Plot(title, said, columns(named), ("Age", "Tasks"), rows)


def time_to_result(look: Look) -> Plot:
    title = "Time to result, by path"
    if not look.measures:
        return Plot(title, NO_DAEMON)
    told = look.measures.get("time_to_result", {})
    known = [(path, told[path]) for path in PATHS if path in told and told[path]["counts"][-1]]
    if not known:
        return Plot(title, f"No result has come since the daemon was started{_started(look)}.")
    bounds = known[0][1]["bounds"]
    shares = [(_PATH_WORDS.get(path, path), one, _within(one, 0.9), _within(one, 0.5)) for path, one in known]
    ticks = {n: about(int(bound * 1000)) for n, bound in enumerate(bounds, 1) if n % 2}
    axis = Axis([*ticks, len(bounds) + 1], lambda n: ticks.get(int(n), "more"))
    drawn = bars([(name, (float(most), float(half))) for name, _, most, half in shares], axis, (_FAINT, _FULL))
    said = (
        "How long after a discovery began its result was here: half of them within the full bar, nine tenths within"
        f" the faint one; by the slowest path that the task waited for. Since the daemon was started{_started(look)}."
    )
    rows = tuple(
        (name, f"{one['counts'][-1]:,}", _bound(bounds, half), _bound(bounds, most)) for name, one, most, half in shares
    )
    return Plot(title, said, drawn, ("Path", "Results", "Half within", "Nine tenths within"), rows)


_PATH_WORDS = {"unseen": "not seen"}


def _within(histogram: Json, share: float) -> int:
    """The number of the bound, from 1, up to which that share of all values lies; one more than all for none."""
    counts = histogram["counts"]
    return next(n for n, count in enumerate(counts, 1) if count >= share * counts[-1])


def _bound(bounds: list[float], number: int) -> str:
    return (
        f"more than {about(int(bounds[-1] * 1000))}" if number > len(bounds) else about(int(bounds[number - 1] * 1000))
    )


def _started(look: Look) -> str:
    at = None if look.picture is None else from_iso(look.picture["daemon"]["started_at"])
    return "" if at is None else f", {about(look.now - at)} ago"


def polls_and_limit(look: Look) -> Plot:
    title = "Polls and their limit, a minute"
    if not look.measures:
        return Plot(title, NO_DAEMON)
    begin = look.now - DAY_MS
    slots = [(at, polls, rate) for at, polls, rate in look.measures.get("slots", []) if begin <= at <= look.now]
    if not slots:
        return Plot(title, "The daemon has just been started.")
    ticks = [at for at in range(begin - begin % (6 * HOUR_MS), look.now + 1, 6 * HOUR_MS) if at >= begin]
    x = Axis(ticks, _hour_and_minute, begin, look.now + _MINUTE_MS)
    total = sum(polls for _, polls, _ in slots)
    said = (
        f"{counted(total, 'poll')} since {_hour_and_minute(slots[0][0])} UTC (solid line), and how many the limit"
        " allows (dashed line). A gap: the daemon made no pass."
    )
    polled, allowed = _a_minute(slots, look.now)
    most = max(value or 0 for _, value in [*polled, *allowed])
    drawn = lines([(polled, "none"), (allowed, "4 3")], x, counts_up_to(most))
    return Plot(title, said, drawn, ("Hour from (UTC)", "Polls", "Limit a minute"), _by_hour(slots))


Slot = tuple[int, int, float]
"""When a stretch of ten minutes began, its polls, and how many a second the limit allowed at the most."""

Steps = list[tuple[float, float | None]]


def _a_minute(slots: list[Slot], now: int) -> tuple[Steps, Steps]:
    """Polls a minute, and how many the limit allows."""
    polled: Steps = []
    allowed: Steps = []
    for at, polls, rate in slots:
        end = min(now, at + SLOT_MS)
        minutes = max(1.0, (end - at) / _MINUTE_MS)
        for line, value in ((polled, polls / minutes), (allowed, rate * 60)):
            _add(line, at, max(end, at + _MINUTE_MS), value)
    return polled, allowed


def _by_hour(slots: list[Slot]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (_hour_and_minute(hour), f"{sum(one[1] for one in inside):,}", f"{max(one[2] for one in inside) * 60:g}")
        for hour in sorted({at - at % HOUR_MS for at, _, _ in slots})
        if (inside := [one for one in slots if one[0] - one[0] % HOUR_MS == hour])
    )


def _add(line: Steps, begin: float, end: float, value: float) -> None:
    """Go on with a line in steps. Two equal ones are one, and a gap breaks the line."""
    if line and line[-1][0] < begin:
        line.append((begin, None))
    if line and line[-1][1] == value:
        line[-1] = (end, value)
    else:
        line += [(begin, value), (end, value)]


def _hour_and_minute(at: float) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M")


def deliveries(look: Look) -> Plot:
    title = "Deliveries by way out"
    ways = look.ways
    if not ways:
        return Plot(title, "No way out is configured.")
    rows = tuple((way["name"], *(f"{way[key]:,}" for key in ("behind", "failed", "dead", "delivered"))) for way in ways)
    heads = ("Way", "Waiting", "Failed", "Dead", "Delivered")
    open_ones = [(_short(way["name"]), _stacked(way)) for way in ways if way["behind"] or way["failed"] or way["dead"]]
    if not open_ones:
        return Plot(title, "Nothing waits to be delivered.", "", heads, rows)
    drawn = bars(_told_apart(open_ones), counts_up_to(max(one[0] for _, one in open_ones)), (_FAINT, _MIDDLE, 1.0))
    said = (
        "What is not delivered: dead letters (full), what failed and is tried again (fainter), what waits (faintest)."
        " Ways on which nothing waits are left out."
    )
    return Plot(title, said, drawn, heads, rows)


def _stacked(way: Json) -> tuple[float, ...]:
    """Each with those that are drawn on it."""
    dead, failed, waiting = way["dead"], way["failed"], way["behind"]
    return float(dead + failed + waiting), float(dead + failed), float(dead)


def _short(name: str) -> str:
    return name if len(name) <= _MOST_CHARS else f"{name[:9]}…{name[-10:]}"


def _told_apart(rows: list[tuple[str, tuple[float, ...]]]) -> list[tuple[str, tuple[float, ...]]]:
    """Names that were cut to equal ones get a number."""
    names = [name for name, _ in rows]
    return [(name if names.count(name) == 1 else f"{name}{n}", values) for n, (name, values) in enumerate(rows, 1)]
