"""The picture of `status` out of the daemon's summary file, for users who may not read the database."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from worker.core.problems import problem
from worker.store.state.beat_file import Beat
from worker.store.views import status
from worker.store.views.verdicts import Installation

Json = dict[str, Any]


def picture_of(summary: Json, now: int, process_exists: Callable[[int], bool]) -> Json:
    """As it was when the daemon wrote it, but for what is known now: how old it is, and whether the daemon lives."""
    told: Json = dict(summary["picture"])
    alive = _beat(summary).alive(now, process_exists(summary["pid"]))
    age_ms = max(0, now - summary["at"])
    daemon = {**told["daemon"], "alive": alive, "beat_age_ms": age_ms, "beat_age_s": age_ms // 1000}
    if not alive:
        daemon |= {"pid": None, "passes": None}
        told["token"] = {"expires_in_s": None}
        if installed(summary).daemon and all(one["code"] != "daemon_down" for one in told["problems"]):
            down = replace(problem("daemon_down"), since=summary["at"])
            told["problems"] = [*status.told([down]), *told["problems"]]
    return told | {"daemon": daemon}


def installed(summary: Json) -> Installation:
    """What the verdicts are measured by."""
    return Installation(bool(summary["installed"].get("api")), daemon=bool(summary["installed"].get("daemon")))


def _beat(summary: Json) -> Beat:
    at = summary["at"]
    return Beat(summary["pid"], "", summary["started_at"], at, summary.get("stopped_at"), None)
