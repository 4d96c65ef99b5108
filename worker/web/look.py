"""What the page, the metrics and the health probes look at.

While the daemon lives, that is its summary file, with the few values that are read from the database in a moment: so a
look takes the same time with a million tasks as with ten. Without a living daemon it is read from the database, as
`cdpoll status` does.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.config import Config
from worker.config.polling import status_rules_of
from worker.core.errors import CdpollError
from worker.core.standing import without_names
from worker.gateways.machine import process_exists
from worker.gateways.systemd import runtime_directory
from worker.rounds.machine import from_outside
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import daemon, summary_file
from worker.store.views import status
from worker.store.views.daemons import with_problems
from worker.store.views.pending_ages import pending_ages
from worker.store.views.problems import problems
from worker.store.views.told_to_all import installed, picture_of
from worker.store.views.verdicts import Installation

Json = dict[str, Any]

# Who looks gets an answer, also while the database is locked.
TIMEOUT_S = 4.0

# The daemon writes its summary every 15 s. An older one of a daemon that lives tells of a folder that takes no files.
FRESH_MS = 60_000


@dataclass(frozen=True, slots=True)
class Look:
    """``picture``: as of `status`, without names of files; ``None``: there is nothing to be read. ``measures`` are of
    the living daemon, empty without one; ``pending_ages`` are read from the database then. ``unreadable``: why the
    database cannot be read, and ``cure``: what to do."""

    now: int
    picture: Json | None
    installed: Installation
    measures: Json
    pending_ages: list[Json]
    unreadable: str | None = None
    cure: str = ""

    @property
    def ways(self) -> list[Json]:
        """The ways out that are configured, as far as it is known."""
        return [] if self.picture is None else list(self.picture["deliveries"]["ways"])


def opened(config: Config) -> Store:
    """The database, to be read. Raises CdpollError where it cannot be in time."""
    return open_store(config.store.place, timeout=TIMEOUT_S)


def look(config: Config, now: int, *, by_summary: bool = True) -> Look:
    """Look once; never raises for what is wrong with the database. ``by_summary=False``: at the database alone, which
    is for a summary that lacks something, or has it in another form."""
    rules, place = status_rules_of(config), config.store
    folders = [folder for folder in (runtime_directory(), summary_file.SERVICE_FOLDER) if folder is not None]
    places = [*(folder / summary_file.NAME for folder in folders)]
    places.append(summary_file.beside(Path(os.path.realpath(place.path))))
    summary = summary_file.read(*places, database=place.path) if by_summary else None
    here = Installation(rules.asks, daemon=rules.runs == "daemon")
    try:
        with opened(config) as store:
            machine, alive = from_outside(store, now)
            if summary is not None and alive and _is_fresh(summary, daemon.last_beat(store), now):
                picture = _brought_up_to_date(summary["picture"], status.present(store, now, machine))
                return Look(now, picture, here, summary["measures"], summary.get("pending_ages", []))
            found = [without_names(one) for one in problems(store, now, rules, machine, alive=alive)]
            return Look(now, status.picture(store, now, rules, machine, found), here, {}, pending_ages(store, now))
    except CdpollError as error:
        if summary is None:
            return Look(now, None, here, {}, [], error.message, error.hint)
        told = picture_of(summary, now, process_exists)
        measures = summary["measures"] if told["daemon"]["alive"] else {}
        ages = summary.get("pending_ages", [])
        return Look(now, told, installed(summary), measures, ages, error.message, error.hint)


def _is_fresh(summary: Json, beat: daemon.Beat | None, now: int) -> bool:
    """Whether the daemon that made this beat has written the summary just now."""
    if beat is None or (summary["pid"], summary["started_at"]) != (beat.pid, beat.started_at):
        return False
    return bool(abs(now - summary["at"]) < FRESH_MS)


def _brought_up_to_date(picture: Json, present: Json) -> Json:
    daemons = with_problems(present["daemons"], picture["problems"])
    return {**picture, **present, "daemons": daemons, "tasks": {**picture["tasks"], **present["tasks"]}}
