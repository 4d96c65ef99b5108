"""The row of the sweep over the vendor's list: its checkpoint, and what the present sweep, or the last, has met."""

from typing import Any, NamedTuple

from worker.core.backfill import Sweep, resumed
from worker.core.instant import iso_or_none
from worker.store.db.store import Store

Json = dict[str, Any]


class BackfillRow(NamedTuple):
    """The row as schema.sql describes it."""

    begins_at: int | None = None
    ends_at: int | None = None
    reached_at: int | None = None
    until_at: int | None = None
    next_offset: int = 0
    offset_by: str | None = None
    through_at: int | None = None
    next_at: int | None = None
    ended_at: int | None = None
    pages: int = 0
    received: int = 0
    recorded: int = 0
    foreign_rows: int = 0
    failures: int = 0
    last_error: str | None = None

    @property
    def sweep(self) -> Sweep | None:
        """The sweep under way, as a process goes on with it that remembers nothing."""
        at = (self.begins_at, self.ends_at, self.reached_at, self.until_at)
        if any(one is None for one in at):
            return None
        by = self.offset_by if self.offset_by in ("records", "pages") else None
        return resumed(Sweep(*at, self.next_offset, by))  # type: ignore[arg-type]

    def with_sweep(self, sweep: Sweep | None) -> "BackfillRow":
        """With another checkpoint; ``None``: no sweep is under way."""
        begins, ends, reached, until, offset, by = sweep or (None, None, None, None, 0, None)
        return self._replace(
            begins_at=begins, ends_at=ends, reached_at=reached, until_at=until, next_offset=offset, offset_by=by
        )


_COLUMNS = ", ".join(BackfillRow._fields)
_SET = ", ".join(f"{name} = :{name}" for name in BackfillRow._fields)


def get(store: Store) -> BackfillRow:
    """The row as it stands in the database."""
    row = store.one(f"SELECT {_COLUMNS} FROM backfill WHERE id = 1")  # noqa: S608 - constants
    return BackfillRow() if row is None else BackfillRow(**{name: row[name] for name in BackfillRow._fields})


def put(store: Store, row: BackfillRow) -> None:
    """Write the row, inside the transaction that writes what the page told."""
    store.execute(f"UPDATE backfill SET {_SET} WHERE id = 1", row._asdict())  # noqa: S608 - constants


def picture(store: Store) -> Json:
    """For `status`."""
    row = get(store)
    sweep = row.sweep
    return {
        "sweeping": sweep is not None,
        "from": iso_or_none(row.begins_at),
        "to": iso_or_none(row.ends_at),
        "reached_at": iso_or_none(row.reached_at),
        "through_at": iso_or_none(row.through_at),
        "ended_at": iso_or_none(row.ended_at),
        "next_at": iso_or_none(row.next_at),
        "pages": row.pages,
        "received": row.received,
        "recorded": row.recorded,
        "foreign": row.foreign_rows,
        "failures": row.failures,
        "last_error": row.last_error,
    }
