"""What a request hands in becomes rows: through the clerk, in transactions as large as those of `cdpoll record`."""

from dataclasses import dataclass

from worker.core.intake.intake import Intake
from worker.core.intake.pieces import Piece
from worker.core.schedule.cadence import Schedule
from worker.store.db.store import Store
from worker.store.state import api, responses
from worker.store.tasks.recording import ROW_BYTES, Recorded, growth, portions, record_within
from worker.web.clerk import Clerk
from worker.web.intake.allowance import Allowance


class Capped(Exception):
    """It would add more rows than may be added now; nothing of it is stored. ``wait_ms``: until it may come again;
    ``None``: it never may, as one request."""

    def __init__(self, wait_ms: int | None) -> None:
        super().__init__()
        self.wait_ms = wait_ms


@dataclass(frozen=True, slots=True)
class IntakeRules:
    """``origin``: of the API, empty where it is not known."""

    origin: str
    schedule: Schedule


class Recorder:
    """For all threads of a serving process."""

    def __init__(self, clerk: Clerk, rules: IntakeRules, allowance: Allowance) -> None:
        self._clerk, self._rules, self._allowance = clerk, rules, allowance

    def record(self, whole: Intake, pieces: list[Piece], now: int) -> Recorded:
        """Record ``whole``, which is what all ``pieces`` say. When this returns, it is on the disk.

        Raises :class:`Capped`, and what the clerk raises: then some of it may be recorded. To hand it in again does no
        harm.
        """
        parts = list(portions(whole))
        done = Recorded()
        let_in = False

        def write(store: Store, n: int) -> Recorded | Capped:
            nonlocal let_in
            if not let_in:
                capped = self._capped(store, whole, now)
                if capped is not None:
                    return capped
                let_in = True  # also where this transaction is rolled back, and done again
            recorded = record_within(store, parts[n], origin=self._rules.origin, now=now, schedule=self._rules.schedule)
            if n == len(parts) - 1:
                responses.count_within(store, (piece.intake for piece in pieces), now)
            return recorded

        for n, part in enumerate(parts):
            rows = 1 + len(part.recordings) + len(part.unreadable)
            written = self._clerk.do(lambda store, n=n: write(store, n), rows)  # type: ignore[misc]
            if isinstance(written, Capped):
                raise written
            done.add(written)
        return done

    def _capped(self, store: Store, whole: Intake, now: int) -> Capped | None:
        if self._rules.origin:
            api.refuse_other_origin(store, self._rules.origin)
        rows = growth(store, whole.recordings)
        awaited = [one.ref or "" for one in whole.lookups] + [one.ref for one in whole.expected]
        rows += sum(1 + len(ref) // ROW_BYTES for ref in awaited)
        rows += sum(1 + len(item.raw) // ROW_BYTES for item in whole.unreadable)
        if rows > self._allowance.rows_per_minute:
            return Capped(None)
        wait_ms = self._allowance.take(rows, now)
        return Capped(wait_ms) if wait_ms else None
