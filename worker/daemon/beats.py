"""The daemon's beat: its row in the database and a file beside it say that it lives, and systemd hears what it does."""

import os

from worker.build import VERSION
from worker.core.problems import Problem, problem
from worker.daemon.notices import Notices
from worker.gateways.systemd import Notify
from worker.store.db.store import Store
from worker.store.state import beat_file, daemon
from worker.store.views import status

EVERY_MS = 15_000

# How often the file is written at most, and, while the daemon rests, at least.
SHOWN_EVERY_MS = 1_000

# Two processes under one name beat every 15 s each.
ALONE_AFTER_MS = 60_000


class Beats:
    """The row is written at most every 15 s, or at once where a notice waits; the file at most once a second.

    ``started_at`` is ms.
    """

    def __init__(self, store: Store, notify: Notify, notices: Notices, started_at: int) -> None:
        self._store = store
        self._notify = notify
        self._notices = notices
        self._started_at = started_at
        self._beat_at: int | None = None
        self._shown_at: int | None = None
        self._token_expires_at: int | None = None
        self._passes = 0
        self._taken_at: int | None = None
        self.well = False
        """Whether the last pass came to a beat: else the file must not say that the daemon works."""
        self.unwritable: beat_file.Unwritable | None = None
        """That the database cannot be written: the file says it."""
        self.worst: Problem | None = None
        """The problem that systemd hears of."""

    def beat(self, now: int, token_expires_at: int | None) -> None:
        """A pass was made. Write the beat if it is time, and all notices with it. Raises StorageFailed and TryLater."""
        self._passes += 1
        self._token_expires_at = token_expires_at
        if self._beat_at is None or not 0 <= now - self._beat_at < EVERY_MS or self._notices.waiting:
            self._note(now)
        self.well, self.unwritable = True, None
        self.show(now)

    def _note(self, now: int) -> None:
        with self._store.write():
            other = daemon.beat(
                self._store,
                pid=os.getpid(),
                version=VERSION,
                started_at=self._started_at,
                now=now,
                token_expires_at=self._token_expires_at,
            )
            daemon.remove_gone(self._store, now)
            self._look_for_a_second(other, now)
            self._notices.write(self._store, now)
        self._notices.written()
        ready = ["READY=1"] if self._beat_at is None else []
        self._beat_at = now
        self._notify.send(*ready, f"STATUS={status.one_line(self._store, now, self.worst)}")

    def _look_for_a_second(self, other: daemon.NamedDaemon | None, now: int) -> None:
        """Tell that another process has beaten under this name since the last beat (the first one meets the row of an
        earlier run); and that none has for a while."""
        if other is not None and self._beat_at is not None:
            self._taken_at = now
            where = f"process {other.beat.pid} on {other.host}"
            self._notices.put("daemon_name_taken", problem("daemon_name_taken", other=where).hint)
        elif self._taken_at is not None and not 0 <= now - self._taken_at < ALONE_AFTER_MS:
            self._taken_at = None
            self._notices.put("daemon_name_taken", None)

    def stopped(self, now: int) -> None:
        """Say that the daemon ends as it should; inside a transaction."""
        daemon.stopped(self._store, pid=os.getpid(), started_at=self._started_at, now=now)
        beat_file.remove(self._store)

    def show(self, now: int) -> None:
        """Write the file, if it is time, and all is well or the database cannot be written. Never raises."""
        if not self.well and self.unwritable is None:
            return
        if self._shown_at is not None and 0 <= now - self._shown_at < SHOWN_EVERY_MS:
            return
        self._shown_at = now
        beat_file.write(
            self._store,
            daemon.Beat(
                os.getpid(),
                VERSION,
                self._started_at,
                now,
                None,
                self._token_expires_at,
                self._passes,
                self.unwritable,
            ),
        )
