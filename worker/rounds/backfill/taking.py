"""Rows of the list become tasks, inside the transaction of their page."""

from collections.abc import Sequence
from typing import NamedTuple

from worker.core.intake.intake import Intake, Recording
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.page import Row
from worker.store.db.store import Store
from worker.store.tasks.known import known
from worker.store.tasks.recording import record_within


class Taker(NamedTuple):
    """What recording needs: the API's origin, and the schedule of first polls."""

    origin: str
    schedule: Schedule

    def unrecorded(self, store: Store, rows: Sequence[Row]) -> int:
        """How many of them are not recorded."""
        return len({row.id for row in rows} - known(store, [row.id for row in rows]).keys())

    def take(self, store: Store, rows: Sequence[Row], source: str, now: int, correlation_id: str | None = None) -> int:
        """Record those that are not recorded, or whose correlation id is not known here; how many are new.

        ``correlation_id``: of the request that was asked for. What the list shows as ended is recorded as pending, and
        polled like any other: a body concludes a task, and no row of a list.
        """
        there = known(store, [row.id for row in rows])
        told = [(row, correlation_id or row.correlation_id) for row in rows]
        wanted = [
            (row, of)
            for row, of in told
            if correlation_id is not None or row.id not in there or (of is not None and there[row.id] is None)
        ]
        new = 0
        for waits in (True, False):
            some = tuple(_recording(row, of, source) for row, of in wanted if self._is_awaited(row, now) is waits)
            if some:
                schedule = self.schedule if waits else self.schedule._replace(callback_grace=0)
                new += len(record_within(store, Intake(some), origin=self.origin, now=now, schedule=schedule).new)
        return new

    def _is_awaited(self, row: Row, now: int) -> bool:
        """Whether its callback may still come: its first poll waits for that."""
        is_young = row.started_at is not None and now - row.started_at < self.schedule.callback_grace
        return is_young and row.status == "pending"


def _recording(row: Row, correlation_id: str | None, source: str) -> Recording:
    return Recording(
        row.id,
        source,
        title=row.name,
        correlation_id=correlation_id,
        subtenant=row.subtenant,
        sent_at=row.started_at,
    )
