"""How the numbers of metrics are read from a look: each function gives a reader, or is one."""

import platform
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, get_args

from worker import __version__
from worker.core.instant import from_iso
from worker.core.measures import PATHS, REPLY_NAMES
from worker.core.pacing.breaker import PauseReason
from worker.core.problems import KINDS, kind_of
from worker.store.views.verdicts import pause_reason
from worker.web.look import Look

Json = dict[str, Any]

REASONS: tuple[str, ...] = get_args(PauseReason)


class Value(NamedTuple):
    """One number, with the values of the metric's labels."""

    number: float
    labels: tuple[str, ...] = ()


def at(*path: str) -> Callable[[Look], Iterator[Value]]:
    """The number that stands there in the picture, if one does."""

    def read(look: Look) -> Iterator[Value]:
        found = _found(look, path)
        if found is not None:
            yield Value(float(found))

    return read


def _found(look: Look, path: tuple[str, ...]) -> Any:
    found: Any = look.picture
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def each(section: str, keys: Iterable[str]) -> Callable[[Look], Iterator[Value]]:
    """One number for each of the keys of a section of the picture."""

    def read(look: Look) -> Iterator[Value]:
        found = (look.picture or {}).get(section)
        return (Value(found[key], (key,)) for key in keys if key in found) if found else iter(())

    return read


class Told(NamedTuple):
    """What `Histogram.told` says, with the values of the metric's labels."""

    histogram: Json
    labels: tuple[str, ...] = ()


def measured(name: str) -> Callable[[Look], Iterator[Told]]:
    def read(look: Look) -> Iterator[Told]:
        if name in look.measures:
            yield Told(look.measures[name])

    return read


def time_to_result(look: Look) -> Iterator[Told]:
    told = look.measures.get("time_to_result", {})
    return (Told(told[path], (path,)) for path in PATHS if path in told)


def instant(*path: str) -> Callable[[Look], Iterator[Value]]:
    def read(look: Look) -> Iterator[Value]:
        found = from_iso(_found(look, path))
        if found is not None:
            yield Value(found / 1000)

    return read


def build(_: Look) -> Iterator[Value]:
    yield Value(1, (__version__, platform.python_version(), sqlite3.sqlite_version))


def readable(look: Look) -> Iterator[Value]:
    yield Value(look.unreadable is None)


def callbacks_down(look: Look) -> Iterator[Value]:
    told = _found(look, ("callbacks",))
    if told:
        yield Value(told["down_since"] is not None)


def token(look: Look) -> Iterator[Value]:
    left = _found(look, ("token", "expires_in_s"))
    if left is not None:
        yield Value(look.now // 1000 + left)


def polls(look: Look) -> Iterator[Value]:
    told = look.measures.get("polls")
    return (Value(told.get(name, 0), (name,)) for name in REPLY_NAMES.values()) if told else iter(())


def paused(look: Look) -> Iterator[Value]:
    if look.picture is not None:
        reason = pause_reason(look.picture["api"])
        yield from (Value(reason == one, (one,)) for one in REASONS)


def budget_left(look: Look) -> Iterator[Value]:
    polling = None if look.picture is None else look.picture["polling"]
    if polling and polling["daily_budget"] is not None:
        yield Value(max(0, polling["daily_budget"] - polling["requests_today"]))


def way_number(key: str) -> Callable[[Look], Iterator[Value]]:
    def read(look: Look) -> Iterator[Value]:
        return (Value(float(way[key]), (way["name"],)) for way in look.ways)

    return read


def daemons(key: str) -> Callable[[Look], Iterator[Value]]:
    def read(look: Look) -> Iterator[Value]:
        told = (look.picture or {}).get("daemons", [])
        return (Value(float(one[key]), (one["name"],)) for one in told)

    return read


def deliveries(look: Look) -> Iterator[Value]:
    for way in look.ways:
        for state, key in (("waiting", "behind"), ("failed", "failed"), ("dead", "dead")):
            yield Value(way[key], (way["name"], state))


def problems(look: Look) -> Iterator[Value]:
    """All codes, so that a series exists before its problem does. ``failing_http_500`` counts as ``failing``."""
    counted = dict.fromkeys(KINDS, 0)
    for one in [] if look.picture is None else look.picture["problems"]:
        code = kind_of(one["code"]).code
        if code in counted:
            counted[code] += one["count"]
    return (Value(n, (code, KINDS[code].severity)) for code, n in counted.items())
