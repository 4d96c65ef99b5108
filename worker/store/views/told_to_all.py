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
    told["daemons"] = [_aged(one, daemon, age_ms) for one in told.get("daemons", [])]
    if not alive:
        daemon |= {"pid": None, "passes": None}
        told["token"] = {"expires_in_s": None}
        others = any(one["alive"] for one in told["daemons"])
        if installed(summary).daemon and not others and all(one["code"] != "daemon_down" for one in told["problems"]):
            down = replace(problem("daemon_down"), since=summary["at"])
            told["problems"] = [*status.told([down]), *told["problems"]]
    return told | {"daemon": daemon}


def _aged(one: Json, own: Json, more_ms: int) -> Json:
    """What the summary says of a daemon, as it must be by now if nothing was heard since."""
    if one["name"] == own.get("name"):
        age_ms, alive = own["beat_age_ms"], own["alive"]
    else:
        age_ms = one["beat_age_ms"] + more_ms
        alive = one["alive"] and age_ms < Beat.STALE_MS
    aged = {"beat_age_ms": age_ms, "beat_age_s": age_ms // 1000, "alive": alive}
    return one | aged | {"pid": one["pid"] if alive else None}


def installed(summary: Json) -> Installation:
    """What the verdicts are measured by."""
    return Installation(bool(summary["installed"].get("api")), daemon=bool(summary["installed"].get("daemon")))


def _beat(summary: Json) -> Beat:
    at = summary["at"]
    return Beat(summary["pid"], "", summary["started_at"], at, summary.get("stopped_at"), None)
