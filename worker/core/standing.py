"""Problems that stand: since when, how many they concern, who has acknowledged them, and when the log tells of them.

A problem begins when it is found, and is logged then. Its end is logged when it has been gone for :data:`QUIET_MS`: one
that comes back before that is the same problem, since the same time, and is not logged again. So a problem that comes
and goes many times a minute is two lines, and no problem that stands is silent.

An acknowledged problem is hidden until it concerns more than when it was acknowledged, or returns after its end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from worker.core.problems import Key, Problem, kind_of

QUIET_MS = 60_000


class Standing(NamedTuple):
    """One that stands, or ended less than :data:`QUIET_MS` ago (``ended_at``). Instants in ms.

    ``told``: its beginning was logged. ``acked_n``: how many it concerned when it was acknowledged, or fewer by now.
    """

    code: str
    began_at: int
    n: int
    ended_at: int | None = None
    told: int = 0
    acked_n: int | None = None
    acked_by: str | None = None
    acked_at: int | None = None
    daemon: str = ""

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.code, self.daemon

    def hides(self, count: int) -> bool:
        """Whether it is acknowledged as far as this."""
        return self.acked_n is not None and (count <= self.acked_n or kind_of(self.code).grows_by_itself)

    def acknowledged_as(self, other: "Standing") -> "Standing":
        """The same with what was acknowledged of another row of the code."""
        return self._replace(acked_n=other.acked_n, acked_by=other.acked_by, acked_at=other.acked_at)


@dataclass(frozen=True, slots=True)
class Told:
    """A line for the log: ``problem`` begins, concerns more than was acknowledged, or is over (then ``lasted`` is ms,
    and ``hint`` is empty)."""

    what: Literal["begins", "grows", "over"]
    problem: Problem
    lasted: int = 0


def follow(rows: Mapping[Key, Standing], found: Iterable[Problem], now: int) -> tuple[dict[Key, Standing], list[Told]]:
    """What stands after ``found`` was found to stand, and what the log is to tell."""
    after: dict[Key, Standing] = {}
    told: list[Told] = []
    for problem in found:
        row, line = _goes_on(rows.get(problem.key), problem, now)
        after[row.key] = row
        told += [] if line is None else [line]
    for row in rows.values():
        if row.key in after:
            continue
        ended_at = now if row.ended_at is None or row.ended_at > now else row.ended_at
        if row.told and now - ended_at < QUIET_MS:
            after[row.key] = row._replace(ended_at=ended_at)
        elif row.told:
            told.append(Told("over", Problem(row.code, row.n, "", daemon=row.daemon), max(0, ended_at - row.began_at)))
    return after, told


def _goes_on(row: Standing | None, problem: Problem, now: int) -> tuple[Standing, Told | None]:
    kind, count = kind_of(problem.code), problem.count
    if row is None:
        row = Standing(problem.code, now, count, daemon=problem.daemon)
    row = row._replace(began_at=min(row.began_at, now))  # the clock may have been set back
    if row.acked_n is not None and not row.hides(count):
        row = row._replace(n=count, ended_at=None, acked_n=None, acked_by=None, acked_at=None)
        return row, Told("grows", problem)
    row = row._replace(n=count, ended_at=None, acked_n=None if row.acked_n is None else min(row.acked_n, count))
    if row.told or now - row.began_at < max(kind.lasting_ms, kind.logged_after_ms):
        return row, None
    return row._replace(told=1), Told("begins", problem)


class Shown(NamedTuple):
    """A problem as people see it; ``acked``: its row, where it is acknowledged."""

    problem: Problem
    acked: Standing | None = None


def shown(rows: Mapping[Key, Standing], found: Iterable[Problem], now: int) -> list[Shown]:
    """The problems that are told, with the time since which they stand."""
    told = []
    for problem in found:
        row = rows.get(problem.key)
        if row is None:
            if not kind_of(problem.code).lasting_ms:
                told.append(Shown(problem))
        elif max(0, now - row.began_at) >= kind_of(problem.code).lasting_ms:
            at = min(row.began_at, now) if problem.since is None else problem.since
            told.append(Shown(replace(problem, since=at), row if row.hides(problem.count) else None))
    return told


def without_names(found: Problem) -> Problem:
    """The problem without names of files, which may be patient data."""
    unnamed = kind_of(found.code).unnamed
    return replace(found, hint=unnamed) if unnamed else found
