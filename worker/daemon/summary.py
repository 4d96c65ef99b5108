"""Writes the daemon's summary file with each look for problems: at the latest every 15 s."""

import os
from collections.abc import Sequence

from worker.config import Config
from worker.config.polling import rate_limit_of, status_rules_of
from worker.core.errors import StorageFailed, TryLater
from worker.core.measures import Measures
from worker.core.pacing.limiter import paced
from worker.core.problems import Problem
from worker.core.standing import without_names
from worker.gateways.systemd import runtime_directory
from worker.rounds.machine import machine_of
from worker.store.db.store import Store
from worker.store.state import api, summary_file
from worker.store.views import status
from worker.store.views.pending_ages import pending_ages

# To count the pending tasks by age reads an index of them all: a third of a second for a million.
AGES_EVERY_MS = 60_000


class SummaryWriter:
    """``started_at`` is ms. Where the database cannot be read, the last picture stays, with the problems of now."""

    def __init__(self, store: Store, started_at: int) -> None:
        self.measures = Measures()
        self._store = store
        self._started_at = started_at
        self._path = summary_file.path_of(store, runtime_directory())
        self._picture: status.Json = {}
        self._ages: list[status.Json] = []
        self._aged_at: int | None = None

    def write(self, config: Config, now: int, found: Sequence[Problem], *, stopped: bool = False) -> None:
        """Write it; never raises. ``stopped``: the daemon ends as it should."""
        rules = status_rules_of(config)
        problems = [without_names(one) for one in found]
        try:
            self._picture = status.picture(self._store, now, rules, machine_of(self._store), problems)
            self.measures.sample(now, paced(rate_limit_of(config.polling), api.get(self._store).limiter).rate)
            if self._aged_at is None or not 0 <= now - self._aged_at < AGES_EVERY_MS:
                self._ages, self._aged_at = pending_ages(self._store, now), now
        except (StorageFailed, TryLater):
            if "daemon" not in self._picture:
                return  # nothing was ever read
            self._picture = {**self._picture, "problems": status.told(problems)}
        summary_file.write(
            self._path,
            {
                "at": now,
                "pid": os.getpid(),
                "path": str(self._store.path),
                "started_at": self._started_at,
                "stopped_at": now if stopped else None,
                "installed": {"api": rules.asks, "daemon": rules.runs == "daemon"},
                "picture": self._picture,
                "pending_ages": self._ages,
                "measures": self.measures.told(),
            },
        )
