"""Which rows of the vendor's list are taken, and which belong to others."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from worker.core.vendor.page import Row


class Owner(NamedTuple):
    """Whose rows are ours. ``tenant_names``: those with one of these; ``None``: all. ``subtenant_id``: a row that names
    another subtenant is not ours."""

    tenant_names: tuple[str, ...] | None = None
    subtenant_id: str | None = None

    def owns(self, row: Row) -> bool:
        if self.tenant_names is not None and row.tenant not in self.tenant_names:
            return False
        return self.subtenant_id is None or row.subtenant in (None, self.subtenant_id)


class Narrowing(NamedTuple):
    """Which of our rows are taken: patterns of the discovery's name and of the correlation id; ``None``: any."""

    names: tuple[str, ...] | None = None
    correlation_ids: tuple[str, ...] | None = None

    def takes(self, row: Row) -> bool:
        return _matches(row.name, self.names) and _matches(row.correlation_id, self.correlation_ids)

    @property
    def correlation_id(self) -> str | None:
        """The only one that can match: the vendor is asked for it alone."""
        if self.correlation_ids is None or len(self.correlation_ids) != 1:
            return None
        (only,) = self.correlation_ids
        return None if any(sign in only for sign in "*?[") else only


class Sorted(NamedTuple):
    """Rows by what becomes of them. ``left``: ours, and not asked for."""

    taken: tuple[Row, ...]
    foreign: tuple[Row, ...]
    left: tuple[Row, ...]


def sorted_rows(rows: Iterable[Row], owner: Owner, narrowing: Narrowing, begin: int, end: int) -> Sorted:
    """Sort rows. One that began outside [begin, end] (ms) was not asked for; one that says no start may have been."""
    taken, foreign, left = [], [], []
    for row in rows:
        if not owner.owns(row):
            foreign.append(row)
        elif narrowing.takes(row) and (row.started_at is None or begin <= row.started_at <= end):
            taken.append(row)
        else:
            left.append(row)
    return Sorted(tuple(taken), tuple(foreign), tuple(left))


def of_request(row: Row, correlation_id: str) -> bool:
    """Whether the row is of the request with this correlation id. The vendor's samples have commas behind ids."""
    said = row.correlation_id
    return said is not None and said.strip().rstrip(",") == correlation_id.strip().rstrip(",")


def _matches(text: str | None, patterns: tuple[str, ...] | None) -> bool:
    return patterns is None or (text is not None and any(fnmatchcase(text, one) for one in patterns))
