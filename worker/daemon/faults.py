"""The errors of all lanes are handled here: logged once, shown by `status`; the lane tries again later.

A failure of the storage, or a lock that another process holds, passes by itself. That a database server cannot be
reached is told by the main thread alone: it meets that as soon as any lane, and tells when it is over. Anything else is
a fault in cdpoll: `status` shows it as ``internal_fault`` with the line of code, which holds no data.
"""

from worker.core.errors import CdpollError, ServerLost, StorageFailed, TryLater, place_of
from worker.core.exit_code import ExitCode
from worker.core.problems import problem
from worker.daemon.notices import Notices
from worker.gateways.systemd import Notify
from worker.rounds.log_lines import Log
from worker.store.db.store import Store
from worker.store.state.beat_file import Unwritable


class Faults:
    """Used by all threads. Each lane has an entry of its own, which its thread alone writes."""

    def __init__(self, notify: Notify, notices: Notices, log: Log) -> None:
        self.log = log
        self._notify = notify
        self._notices = notices
        self._said: dict[str, str] = {}  # by lane: the error that stands, and was logged
        self._damage_said = False
        self._lost = False
        self.unwritable: Unwritable | None = None
        """Since when the main thread cannot write the database, and why."""

    def caught(self, name: str, failed: str, error: Exception) -> int:
        """A step of the lane ``name`` raised ``error``: log ``failed``.

        Returns the exit code that ``run --once`` has because of it.
        """
        if isinstance(error, StorageFailed | TryLater):
            word, hint, exit_code = type(error).__name__, error.hint, error.exit_code
        else:
            word, hint = f"{type(error).__name__} at {place_of(error)}", "please report that line"
            exit_code = ExitCode.FAULT
            self._notices.put("internal_fault", f"a fault in cdpoll itself, {word}: {hint}")
        # A lock of another process is normal: the lane tries again, and logs nothing.
        if self._new(name, word) and not isinstance(error, TryLater):
            self.log.error(failed, error=word, hint=hint)
        return exit_code

    def storage_fails(self, error: CdpollError, now: int) -> None:
        """The main thread cannot write the database. It keeps the replies in memory."""
        since = now if self.unwritable is None else self.unwritable.since
        self.unwritable = Unwritable(since, error.message, error.hint)
        self._notify.send(f"STATUS=critical: cannot write the database: {error.message}; {error.hint}")
        if isinstance(error, ServerLost):
            self.server_lost(error)

    def storage_well(self) -> None:
        """It can write the database again."""
        self.unwritable = None
        self.server_back()

    def server_lost(self, error: ServerLost) -> None:
        """Log it once. It may be over before anyone has looked for problems."""
        if not self._lost:
            self.log.error("the database server cannot be reached; it is tried again", error=error.message)
        self._lost = True

    def server_back(self) -> None:
        if self._lost:
            self.log.info("the database server can be reached again")
        self._lost = False

    def tell_damage(self, store: Store) -> None:
        """Tell once that a text was read that cannot be decoded."""
        if store.damaged and not self._damage_said:
            self._damage_said = True
            self._notices.put("damaged_text", problem("damaged_text").hint)

    def well(self, name: str) -> None:
        """A step of this lane went well."""
        self._said.pop(name, None)

    def _new(self, name: str, word: str) -> bool:
        before, self._said[name] = self._said.get(name), word
        return before != word
