"""What an outside monitor is told of problems: which ping is next, in the grammar of healthchecks.io.

``start`` when the daemon begins, ``fail`` when an alert begins, ``log`` for what is only worth a note, and the plain
address while no alert stands, once a minute. An alert is a problem that is severe enough; what is acknowledged is none.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from worker.core.problem_kind import Severity
from worker.core.problems import Key, Problem
from worker.core.standing import Shown, without_names

WELL_EVERY_MS = 60_000

WELL = "all is well\n"


class Alert(NamedTuple):
    """A problem that stands; ``acked``: a person has acknowledged it."""

    problem: Problem
    acked: bool


def alert_of(one: Shown) -> Alert:
    """As others may read it: without names of files."""
    return Alert(without_names(one.problem), one.acked is not None)


def severe(problem: Problem, least: Severity) -> bool:
    """Whether it is at least as severe."""
    return least == "warning" or problem.severity == "critical"


Kind = Literal["start", "well", "fail", "log"]


class Ping(NamedTuple):
    """One request; ``body`` is plain text."""

    kind: Kind
    body: str

    @property
    def path(self) -> str:
        """What is appended to the address."""
        return "" if self.kind == "well" else f"/{self.kind}"


class Pinged(NamedTuple):
    """What the monitor knows: the problems it was told of (``None``: not even of the start), whether the last word was
    that an alert stands, and when it last heard that all is well (ms)."""

    codes: frozenset[Key] | None = None
    down: bool = False
    well_at: int | None = None


def next_ping(before: Pinged, found: Sequence[Alert], least: Severity, now: int) -> tuple[Ping, Pinged] | None:
    """What is to be said now, and what the monitor knows then. ``None``: nothing."""
    if before.codes is None:
        return Ping("start", "cdpoll started\n"), Pinged(frozenset())
    stands = [one.problem for one in found if not one.acked]
    codes = frozenset(one.key for one in stands)
    new, over = codes - before.codes, sorted(before.codes - {one.problem.key for one in found})
    alerts = [one for one in stands if severe(one, least)]
    changed = [one for one in stands if one.key in new]
    body = "".join([*map(_line, alerts or stands), *(f"over: {code}\n" for code, _ in over)])
    after = before._replace(codes=codes)
    if any(severe(one, least) for one in changed):
        return Ping("fail", body), after._replace(down=True)
    if before.down and not alerts:
        return Ping("well", body or WELL), after._replace(down=False, well_at=now)
    if new or over:
        noted = "".join([*map(_line, changed), *(f"over: {code}\n" for code, _ in over)])
        return Ping("log", noted), after
    due = before.well_at is None or not 0 <= now - before.well_at < WELL_EVERY_MS
    if not alerts and due:
        return Ping("well", body or WELL), after._replace(well_at=now)
    return None


def _line(problem: Problem) -> str:
    count = f" ({problem.count})" if problem.count > 1 else ""
    return f"{problem.severity}: {problem.code}{count}: {problem.hint}\n"
