"""The lines of the log about callbacks: what each brought, and what failed, without a line for each repetition."""

from threading import Lock

from worker.core.errors import CdpollError
from worker.core.instant import words
from worker.rounds.callback.receive import Received
from worker.rounds.log_lines import Log

# While the database cannot be written, each attempt fails likewise.
AGAIN_MS = 60_000


class Telling:
    """For all threads of a serving process. It logs ids, codes and addresses only."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = Lock()
        self._unable: tuple[str, int] | None = None  # what failed last, and when it was told

    def received(self, received: Received, now: int) -> None:
        """One delivery that was answered 204."""
        task, fate = received.task, received.fate
        with self._lock:
            if self._unable is not None:
                self._unable = None
                self._log.info("callbacks are taken again")
        if fate == "first" and task is not None:
            age = words(task.age(now))
            self._log.info("concluded", task=task.id, outcome=received.outcome, age=age, by="callback")
        elif fate == "quarantined":
            self._log.error("a callback that cannot be used was put into quarantine", reason=received.code)
        elif fate == "revision" and task is not None:
            self._log.warning("a differing body for a concluded task is kept as a revision", task=task.id)
        elif fate == "rehearsal":
            self._log.info("a rehearsal was delivered; nothing of it is kept")

    def unable(self, error: CdpollError, now: int) -> None:
        """A delivery was answered 503."""
        with self._lock:
            told = self._unable
            if told is not None and told[0] == error.message and 0 <= now - told[1] < AGAIN_MS:
                return
            self._unable = error.message, now
        self._log.error("a callback cannot be taken; it was answered 503", cause=error.message, cure=error.hint)

    def failed_attempt(self, what: str, source: str, *, slowed: bool) -> None:
        """A secret or token was wrong. ``slowed``: too often, and further ones from there are answered 429."""
        event = "attempts to be let in keep failing; further ones are answered 429" if slowed else "a wrong credential"
        self._log.warning(event, what=what, source=source or "a local socket")
