"""What goes wrong in any lane, in one place: it is logged once, a person is told, and the lane tries again.

A failure of the storage or a lock that another process holds passes by itself. Anything else is a fault in cdpoll, and
`status` says it as ``internal_fault``; the place is enough to find it, and holds no data.
"""

from worker.core.errors import CdpollError, StorageFailed, TryLater, place_of
from worker.daemon.notices import Notices
from worker.gateways.systemd import Notify
from worker.rounds.log_edges import Log

# The main thread's own trouble with the database, under this name.
STORAGE = "storage"


class Faults:
    """Used by all threads; each lane's trouble is its own entry, written by its thread alone."""

    def __init__(self, notify: Notify, notices: Notices, log: Log) -> None:
        self.log = log
        self._notify = notify
        self._notices = notices
        self._said: dict[str, str] = {}  # by lane: what is wrong now, and has been said

    def caught(self, name: str, failed: str, error: Exception) -> int:
        """A step of the lane ``name`` raised ``error``: log ``failed``.

        Returns the exit code that ``run --once`` has because of it.
        """
        if isinstance(error, StorageFailed | TryLater):
            word, hint, exit_code = type(error).__name__, error.hint, error.exit_code
        else:
            word, hint, exit_code = f"{type(error).__name__} at {place_of(error)}", "please report that line", 70
            self._notices.put("internal_fault", f"a fault in cdpoll itself, {word}: {hint}")
        # Another process that reads batches is no trouble.
        if self._new(name, word) and not isinstance(error, TryLater):
            self.log.error(failed, error=word, hint=hint)
        return exit_code

    def storage_fails(self, error: CdpollError) -> None:
        """The main thread cannot write the database. What it heard is kept."""
        if self._new(STORAGE, STORAGE):
            self.log.error("the database cannot be written; what was heard is kept and tried again", hint=error.hint)
        self._notify.send(f"STATUS=cannot write the database: {error.message}")

    def well(self, name: str) -> None:
        """A step of this lane (or :data:`STORAGE`) went well."""
        if self._said.pop(name, None) == STORAGE:
            self.log.info("the database can be written again")

    def _new(self, name: str, word: str) -> bool:
        before, self._said[name] = self._said.get(name), word
        return before != word
