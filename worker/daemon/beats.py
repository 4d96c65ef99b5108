"""The daemon's beat: its row in the database says that it lives, and systemd hears what it does."""

import os

from worker import __version__
from worker.daemon.notices import Notices
from worker.gateways.systemd import Notify
from worker.store.db.store import Store
from worker.store.state import daemon
from worker.store.views import status

EVERY_MS = 15_000


class Beats:
    """Written at most every 15 s, or at once where a notice waits. ``started_at`` is ms."""

    def __init__(self, store: Store, notify: Notify, notices: Notices, started_at: int) -> None:
        self._store = store
        self._notify = notify
        self._notices = notices
        self._started_at = started_at
        self._beat_at: int | None = None

    def beat(self, now: int, token_expires_at: int | None) -> None:
        """Write the beat if it is time, and all notices with it. Raises StorageFailed and TryLater."""
        if self._beat_at is not None and 0 <= now - self._beat_at < EVERY_MS and not self._notices.waiting:
            return
        with self._store.write():
            daemon.beat(
                self._store,
                pid=os.getpid(),
                version=__version__,
                started_at=self._started_at,
                now=now,
                token_expires_at=token_expires_at,
            )
            self._notices.write(self._store, now)
        self._notices.written()
        ready = ["READY=1"] if self._beat_at is None else []
        self._beat_at = now
        self._notify.send(*ready, f"STATUS={status.one_line(self._store, now)}")
