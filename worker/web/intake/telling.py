"""The lines of the log about ids that come by HTTP: what fails, and not again and again. None holds what was sent."""

from threading import Lock

from worker.core.errors import CdpollError
from worker.rounds.log_lines import Log

# While a cause lasts, each request fails likewise.
AGAIN_MS = 60_000


class IntakeTelling:
    """For all threads of a serving process. Instants in ms."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = Lock()
        self._told: dict[str, int] = {}  # when a cause was told last
        self._unable = False

    def taken(self) -> None:
        """A request was recorded."""
        with self._lock:
            again, self._unable = self._unable, False
        if again:
            self._log.info("ids are taken by HTTP again")

    def unable(self, error: CdpollError, now: int) -> None:
        """A request was answered 503."""
        self._unable = True
        if self._is_new(error.message, now):
            self._log.error("ids cannot be taken by HTTP; 503 was answered", cause=error.message, cure=error.hint)

    def capped(self, rows_per_minute: int, now: int) -> None:
        """A request was answered 429."""
        if self._is_new("capped", now):
            self._log.warning("more new ids come by HTTP than [local] new_ids_per_minute", limit=rows_per_minute)

    def unreadable(self, count: int, now: int) -> None:
        """Something was handed in that could not be read; it is kept."""
        if self._is_new("unreadable", now):
            self._log.warning(
                "something handed in by HTTP could not be read; `cdpoll unreadable list` shows it", count=count
            )

    def _is_new(self, cause: str, now: int) -> bool:
        with self._lock:
            told = self._told.get(cause)
            if told is not None and 0 <= now - told < AGAIN_MS:
                return False
            self._told = {other: at for other, at in self._told.items() if 0 <= now - at < AGAIN_MS} | {cause: now}
        return True
