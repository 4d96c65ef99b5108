"""What people and scripts see: the whole picture, and one task's story. Reads only, each in one short statement."""

import os
from dataclasses import dataclass
from typing import Any

from worker.core.instant import iso_or_none, words
from worker.core.schedule import Schedule
from worker.store import lanes, notices
from worker.store.db import Store

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person must see: a stable ``code``, how many it concerns, and what to do."""

    code: str
    count: int
    hint: str


def pending(store: Store, due_by: int | None = None) -> int:
    """How many tasks are pending; with ``due_by`` (ms), only those due by then."""
    row = store.one(
        "SELECT count(*) AS n FROM tasks WHERE state = 'pending' AND (:due_by IS NULL OR due_at <= :due_by)",
        {"due_by": due_by},
    )
    return 0 if row is None else int(row["n"])


def counts(store: Store) -> dict[tuple[str, str | None], int]:
    """Tasks by state and outcome."""
    rows = store.read("SELECT state, outcome, count(*) AS n FROM tasks GROUP BY state, outcome")
    return {(row["state"], row["outcome"]): row["n"] for row in rows}


def one_line(store: Store, now: int) -> str:
    """For `systemctl status`."""
    n = counts(store)
    waiting = n.get(("pending", None), 0)
    success, failure = n.get(("concluded", "success"), 0), n.get(("concluded", "failure"), 0)
    abandoned = n.get(("abandoned", None), 0)
    text = f"{waiting} pending ({pending(store, now)} due), {success + failure} concluded ({success} found coverage)"
    lane = lanes.get(store)
    text += f", {abandoned} abandoned" if abandoned else ""
    return text + (f"; API paused: {lane.reason} ({lane.code})" if lane.paused else "; API ok")


def status(store: Store, now: int, schedule: Schedule, config: str | None) -> Json:
    """The picture as the interface promises it."""
    n = counts(store)
    beat = lanes.last_beat(store)
    lane = lanes.get(store)
    alive = beat is not None and beat.alive(now)
    oldest = store.one("SELECT min(recorded_at) AS at FROM tasks WHERE state = 'pending'")
    expires_at = beat.token_expires_at if beat is not None and alive else None
    return {
        "daemon": {
            "alive": alive,
            "beat_age_s": None if beat is None else max(0, now - beat.beat_at) // 1000,
            "version": None if beat is None else beat.version,
        },
        "tasks": {
            "pending": n.get(("pending", None), 0),
            "due": pending(store, now),
            "concluded": n.get(("concluded", "success"), 0) + n.get(("concluded", "failure"), 0),
            "abandoned": n.get(("abandoned", None), 0),
        },
        "outcomes": {
            "success": n.get(("concluded", "success"), 0),
            "failure": n.get(("concluded", "failure"), 0),
        },
        "oldest_pending_age_s": None if oldest is None or oldest["at"] is None else max(0, now - oldest["at"]) // 1000,
        "api": {
            "paused": lane.paused,
            "reason": f"{lane.reason} ({lane.code})" if lane.paused else None,
            "resumes_at": iso_or_none(lane.resumes_at),
        },
        "token": {"expires_in_s": None if expires_at is None else max(0, expires_at - now) // 1000},
        "files": {},
        "deliveries": {},
        "problems": [
            {"code": p.code, "count": p.count, "hint": p.hint} for p in problems(store, now, schedule, alive=alive)
        ],
        "config": config,
        "database": str(store.path),
    }


_PAUSES = {
    "credentials": "the vendor refuses the credentials: check client_id, client_secret and the product with the vendor",
    "rate_limited": "the vendor asked for fewer requests: lower requests_per_second if this comes often",
    "unreachable": "the vendor does not answer: check the network, the proxy and the vendor's status page",
}

_TLS = (
    "the vendor's certificate is not trusted: install ca-certificates, or set [api] ca_file to your proxy's authority"
)

_ERRORS = {
    "unknown_status": "a root status nobody knows: show the vendor, and look for a newer cdpoll",
    "wrong_id": "the vendor answered for another id; nothing was stored: show the vendor",
    "other_tenant": "the answer came from another tenant: check [api] tenant_id and the credentials",
}


def problems(store: Store, now: int, schedule: Schedule, *, alive: bool) -> list[Problem]:
    """Everything that wants a person, the worst first."""
    found = []
    waiting = pending(store)
    if not alive:
        found.append(_silent(lanes.last_beat(store), now))
    found += [Problem(code, 1, detail) for code, detail in notices.listed(store)]
    found += _disk(store)
    lane = lanes.get(store)
    if lane.reason is not None:
        tls = (lane.code or "").endswith("tls")
        found.append(Problem(f"api_{lane.reason}", 1, _TLS if tls else _PAUSES[lane.reason]))
    found += _not_found(store, now, schedule, waiting)
    for row in store.read(
        "SELECT last_error, count(*) AS n FROM tasks WHERE state = 'pending' AND last_error IS NOT NULL"
        " AND last_error <> 'not_found'"
        " AND (failures >= 3 OR last_error IN ('unknown_status', 'wrong_id', 'other_tenant'))"
        " GROUP BY last_error ORDER BY n DESC"
    ):
        code = row["last_error"]
        hint = _ERRORS.get(code, f"looks keep ending in {code}: cdpoll show ID tells since when")
        found.append(Problem(code if code in _ERRORS else f"failing_{code}", row["n"], hint))
    overdue = _count(
        store,
        "SELECT count(*) FROM tasks WHERE state = 'pending' AND :now - life_from - (:paused - paused_base) > :after",
        {"now": now, "paused": lane.paused_until_now(now), "after": schedule.alert_after},
    )
    if overdue:
        hint = f"pending for more than {words(schedule.alert_after)}: see `cdpoll tasks --overdue`, and ask the vendor"
        found.append(Problem("overdue", overdue, hint))
    abandoned = _count(store, "SELECT count(*) FROM tasks WHERE state = 'abandoned'", {})
    if abandoned:
        found.append(
            Problem(
                "abandoned",
                abandoned,
                "no longer asked for: see `cdpoll tasks --state abandoned`; `cdpoll retry` revives",
            )
        )
    unreadable = _count(store, "SELECT count(*) FROM unreadable", {})
    if unreadable:
        found.append(
            Problem("unreadable", unreadable, "handed in, but no task id could be read: see `cdpoll unreadable list`")
        )
    return found


def _silent(beat: lanes.Beat | None, now: int) -> Problem:
    if beat is not None and beat.exists():
        lasting = words(now - beat.beat_at)
        return Problem("daemon_stuck", 1, f"process {beat.pid} has finished no pass for {lasting}: see its log")
    return Problem("daemon_down", 1, "nobody is polling: start it (systemctl start cdpoll, or cdpoll run)")


# With less than this the next results may not fit.
LOW_SPACE = 64 * 1024 * 1024


def _disk(store: Store) -> list[Problem]:
    folder = store.path.parent
    found = []
    try:
        space = os.statvfs(folder)
    except OSError:
        return [Problem("disk_unreadable", 1, f"{folder} cannot be examined: is the disk there?")]
    if space.f_bavail * space.f_frsize < LOW_SPACE:
        found.append(Problem("disk_full", 1, f"less than 64 MiB are free on the disk of {folder}: make room"))
    if space.f_flag & os.ST_RDONLY:
        found.append(Problem("disk_read_only", 1, f"{folder} is mounted read-only: nothing can be recorded"))
    return found


def _not_found(store: Store, now: int, schedule: Schedule, waiting: int) -> list[Problem]:
    missing = _count(
        store,
        "SELECT count(*) FROM tasks WHERE state = 'pending' AND not_found_since IS NOT NULL"
        " AND :now - not_found_since >= :grace",
        {"now": now, "grace": schedule.not_found_grace},
    )
    if not missing:
        return []
    if missing >= 3 and missing * 2 > waiting:
        hint = "most ids are unknown to the vendor: is [api] base_url the environment they came from?"
        return [Problem("wrong_environment", missing, hint)]
    return [Problem("not_found", missing, "the vendor does not know these ids: check them against their source")]


def _count(store: Store, sql: str, params: Json) -> int:
    return int(store.read(sql, params)[0][0])
