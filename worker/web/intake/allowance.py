"""How many rows requests may add within a minute, so that a caller that runs wild fills no disk."""

from threading import Lock

PERIOD_MS = 60_000


class Allowance:
    """For all threads of a serving process, in its memory. Instants in ms."""

    def __init__(self, rows_per_minute: int) -> None:
        self.rows_per_minute = rows_per_minute
        self._lock = Lock()
        self._began_at, self._taken = 0, 0

    def take(self, rows: int, now: int) -> int:
        """0, and the rows are taken; or how long until they can be (ms), and none is."""
        with self._lock:
            if not 0 <= now - self._began_at < PERIOD_MS:
                self._began_at, self._taken = now, 0
            if self._taken + rows > self.rows_per_minute:
                return self._began_at + PERIOD_MS - now
            self._taken += rows
            return 0
