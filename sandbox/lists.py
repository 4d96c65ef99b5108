"""The two lists: their filters, their order and their pages.

``offset`` counts records, as the vendor's text says. A page that is not the last names the next one in a ``link``
header, in the form of the vendor's example: ``</?limit=30&offset=30>; rel="next"``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl, quote_plus

from sandbox.requests import Invalid
from sandbox.tasks import Task
from sandbox.transactions import Transaction
from worker.core.instant import from_iso

Row = TypeVar("Row")
_TASK_STATES = ("success", "failure", "pending")
_STATUSES = (
    "eligible",
    "ineligible",
    "payer_unavailable",
    "payer_not_in_system",
    "processing_error",
    "patient_unknown",
)
_PATIENT = {
    "patientFirstName": "first_name",
    "patientLastName": "last_name",
    "patientAccountNumber": "account_number",
    "medicalRecordNumber": "record_number",
    "memberId": "member_id",
    "patientDateOfBirth": "birth_date",
    "npi": "npi",
}
_COMMON = ("correlationId", "status", "startDateTime", "endDateTime", "sort", "offset", "limit")


@dataclass(frozen=True, slots=True)
class Window:
    """A query as understood. ``start`` and ``end`` are milliseconds UTC, both included; ``limit`` is 1 to 100."""

    given: tuple[tuple[str, str], ...]
    statuses: tuple[str, ...]
    start: int | None
    end: int | None
    descending: bool
    offset: int
    limit: int
    count: bool

    def page(self, rows: Sequence[Row]) -> tuple[Sequence[Row], list[tuple[str, str]]]:
        """The rows of this page, and the ``link`` header if there is a next one."""
        after = self.offset + self.limit
        page = rows[self.offset : after]
        if after >= len(rows):
            return page, []
        kept = [(name, value) for name, value in self.given if name not in ("limit", "offset")]
        pairs = [("limit", str(self.limit)), ("offset", str(after)), *kept]
        query = "&".join(f"{name}={quote_plus(value)}" for name, value in pairs)
        return page, [("link", f'</?{query}>; rel="next"')]

    def tasks(self, every: Iterable[Task], now: int) -> list[Task]:
        """The tasks that match, in order."""
        wanted = dict(self.given).get("correlationId")
        rows = [
            task
            for task in every
            if self._within(task.start)
            and (wanted is None or task.correlation_id == wanted)
            and (not self.statuses or task.status_at(now) in self.statuses)
        ]
        return sorted(rows, key=lambda task: (task.start, task.id), reverse=self.descending)

    def transactions(self, every: Iterable[Transaction], now: int) -> list[Transaction]:
        """The transactions that match, in order."""
        query = dict(self.given)
        wanted = [(field, query[name].replace("-", "").upper()) for name, field in _PATIENT.items() if name in query]
        rows = [
            row
            for row in every
            if row.at <= now
            and self._within(row.at)
            and query.get("correlationId", row.correlation_id) == row.correlation_id
            and query.get("payerId", row.payer[0]) == row.payer[0]
            and (not self.statuses or row.status in self.statuses)
            and all(getattr(row.ask, field).replace("-", "").upper() == value for field, value in wanted)
        ]
        return sorted(rows, key=lambda row: (row.at, row.id), reverse=self.descending)

    def _within(self, at: int) -> bool:
        return (self.start is None or at >= self.start) and (self.end is None or at <= self.end)


def task_window(query: str) -> Window:
    """The query of the list of tasks. Raises Invalid."""
    return _window(query, _COMMON, "startDateTime", _TASK_STATES)


def transaction_window(query: str) -> Window:
    """The query of the list of transactions. Raises Invalid."""
    return _window(query, (*_COMMON, *_PATIENT, "payerId", "returnTotalCount"), "processedDate", _STATUSES)


def _window(query: str, names: tuple[str, ...], order: str, statuses: tuple[str, ...]) -> Window:
    given = tuple((name, value) for name, value in parse_qsl(query) if name in names)
    fields = dict(given)
    wrong: list[str] = []

    def number(name: str, default: int, low: int, high: int) -> int:
        text = fields.get(name, str(default))
        if re.fullmatch(r"\d{1,9}", text) and low <= int(text) <= high:
            return int(text)
        wrong.append(f"'{name}' must be a whole number from {low}" + (f" to {high}" if high < 10**9 else ""))
        return default

    def instant(name: str) -> int | None:
        found = from_iso(fields.get(name))
        if found is None and name in fields:
            wrong.append(f"'{name}' must be a date and time as 2017-07-21T17:32:28Z")
        return found

    asked = tuple(part for part in fields.get("status", "").split(",") if part)
    if any(status not in statuses for status in asked) or (statuses is _TASK_STATES and len(asked) > 1):
        wrong.append(f"'status' must be one of {', '.join(statuses)}")
    sort = fields.get("sort", "-" + order)
    if sort.lstrip("-") != order or sort.startswith("--"):
        wrong.append(f"'sort' must be {order} or -{order}")
    start, end = instant("startDateTime"), instant("endDateTime")
    if start is not None and end is not None and start > end:
        wrong.append("'startDateTime' must be before 'endDateTime'")
    if fields.get("returnTotalCount", "false") not in ("true", "false"):
        wrong.append("'returnTotalCount' must be true or false")
    offset, limit = number("offset", 0, 0, 10**9), number("limit", 30, 1, 100)
    if wrong:
        raise Invalid(*(f"Bad Request - {line}" for line in wrong))
    return Window(
        given, asked, start, end, sort.startswith("-"), offset, limit, fields.get("returnTotalCount") == "true"
    )
