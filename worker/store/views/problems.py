"""Which problems of worker/core/problems.py stand at present, and how many each concerns. Reads only."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from worker.core.instant import iso, words
from worker.core.pacing.breaker import Breaker, PauseReason
from worker.core.pacing.limiter import RateLimit, spent_today
from worker.core.poll_errors import cure_of, in_words
from worker.core.problems import Problem, counted, problem, worst_first
from worker.core.schedule.cadence import Schedule
from worker.store.db.store import Store
from worker.store.state import api, daemon, notices, responses
from worker.store.state import drop as rounds
from worker.store.tasks import tallies
from worker.store.views.overdue import OVERDUE

HELD_SETS = """
SELECT count(*) AS n FROM sets JOIN files ON files.seq = sets.file
WHERE sets.state = 'quarantined' AND files.state = 'ingested'
"""

# A failure of a task that is a problem at once, and not after three polls, under its own name.
_AT_ONCE = ("unknown_status", "wrong_id", "damaged_id", "internal", "other_tenant")


class StatusRules(NamedTuple):
    """What `status` measures by, as configured: the schedule, the rate limit, and how often the drop is listed.

    ``delay_per_request_ms``, the least one, is ``None`` without a learned schedule; ``every_ms`` without a drop.
    """

    schedule: Schedule = Schedule()
    limit: RateLimit = RateLimit(1, 5)
    delay_per_request_ms: int | None = None
    every_ms: int | None = None


class Machine(NamedTuple):
    """What the machine says of the daemon's process and of the disk that the database is on.

    ``free_bytes`` is ``None`` where the disk cannot be examined.
    """

    daemon_exists: bool
    free_bytes: int | None
    read_only: bool = False


def problems(store: Store, now: int, rules: StatusRules, machine: Machine, *, alive: bool) -> list[Problem]:
    """Everything that wants a person, the worst first. ``alive``: the daemon makes its passes."""
    shared = api.get(store)
    found = [] if alive else [_silent(daemon.last_beat(store), machine.daemon_exists, now)]
    found += [Problem(code, 1, detail) for code, detail in notices.listed(store)]
    found += _of_the_drop(store, now, rules.every_ms, alive=alive)
    found += _disk(store.path.parent, machine)
    found += _pause(shared.breaker)
    daily = rules.limit.daily
    if daily is not None and spent_today(shared.limiter, now) >= daily:
        found.append(problem("budget_spent", daily=daily))
    found += _batch_problems(store, now)
    found += _not_found(store, now, rules.schedule)
    found += _failing(store, shared.breaker.code)
    found += _of_tasks(store, now, rules.schedule, shared.breaker)
    found += _no_links(store)
    return worst_first(found)


# Not every check sets off a discovery. Where one in two does, ten in a row that do not come once in a thousand times.
SILENT_RESPONSES = 10


def _no_links(store: Store) -> list[Problem]:
    silent = responses.without_task(store)
    if silent.since is None or silent.responses < SILENT_RESPONSES:
        return []
    begin = f"{iso(silent.since)[:16].replace('T', ' ')} UTC"
    said = counted(silent.responses, "response")
    return [replace(problem("no_links", silent.responses, responses=said, begin=begin), since=silent.since)]


def _of_tasks(store: Store, now: int, schedule: Schedule, breaker: Breaker) -> list[Problem]:
    overdue = count(
        store,
        f"SELECT count(*) AS n FROM tasks WHERE {OVERDUE}",  # noqa: S608 - a constant
        {"now": now, "paused": breaker.paused_until_now(now), "after": schedule.alert_after},
    )
    return _counted(
        ("overdue", overdue, {"lasting": words(schedule.alert_after)}),
        ("abandoned", tallies.by_state(store)["abandoned"], {}),
        ("unreadable", count(store, "SELECT count(*) AS n FROM unreadable", {}), {}),
    )


def _counted(*found: tuple[str, int, dict[str, str]]) -> list[Problem]:
    return [problem(code, n, **fields) for code, n, fields in found if n]


def _pause(breaker: Breaker) -> list[Problem]:
    if breaker.reason is None:
        return []
    code = breaker.code or ""
    cause, cure = in_words(code), cure_of(code) or _PAUSE_CURES[breaker.reason]
    return [problem(f"api_{breaker.reason}", cause=cause, cure=cure)]


_PAUSE_CURES: dict[PauseReason, str] = {
    "credentials": "check client_id, client_secret and the product with the vendor",
    "rate_limited": "lower requests_per_second if this comes often",
    "unreachable": "check the network, the proxy and the vendor's status page",
}


def _failing(store: Store, said: str | None) -> list[Problem]:
    """``said``: the code of a pause, which tells of these tasks already."""
    at_once = {code: n for code, n in tallies.by_error(store).items() if code in _AT_ONCE}
    counts = at_once | {code: n for code, n in tallies.by_lasting_error(store).items() if code not in _AT_ONCE}
    return [
        problem(code, n) if code in _AT_ONCE else problem(f"failing_{code}", n, cause=_with(code), error=code)
        for code, n in sorted(counts.items(), key=lambda one: -one[1])
        if code not in ("not_found", said)
    ]


def _with(code: str) -> str:
    said = in_words(code)
    return f" with {said}" if said.startswith("HTTP") else f": {said}"


def _of_the_drop(store: Store, now: int, every: int | None, *, alive: bool) -> list[Problem]:
    if every is None:
        return []
    beat = daemon.last_beat(store) if alive else None
    silent_ms = rounds.silent_ms(store, every, None if beat is None else beat.started_at, now)
    found = [] if silent_ms is None else [problem("sftp_stale", lasting=words(silent_ms), every=words(every))]
    troubled = rounds.troubled(store)
    return found + ([] if troubled is None else [problem("sftp_files", troubled[0], named=troubled[1])])


def _batch_problems(store: Store, now: int) -> list[Problem]:
    whole = count(store, "SELECT count(*) AS n FROM files WHERE state = 'quarantined'", {})
    sets = count(store, HELD_SETS, {})
    cut = count(
        store,
        "SELECT count(*) AS n FROM files WHERE state = 'incomplete' AND :now - first_at > :day",
        {"now": now, "day": 86_400_000},
    )
    kept = [counted(n, noun) for n, noun in ((whole, "file"), (sets, "transaction set")) if n]
    return _counted(("quarantined", whole + sets, {"things": " and ".join(kept)}), ("incomplete_files", cut, {}))


def _silent(beat: daemon.Beat | None, exists: bool, now: int) -> Problem:
    if beat is not None and beat.stopped_at is None and exists:
        return problem("daemon_stuck", pid=beat.pid, lasting=words(now - beat.beat_at))
    return problem("daemon_down")


# With less than this the next results may not fit.
LOW_SPACE_BYTES = 64 * 1024 * 1024


def _disk(folder: Path, machine: Machine) -> list[Problem]:
    if machine.free_bytes is None:
        return [problem("disk_unreadable", folder=folder)]
    found = []
    if machine.free_bytes < LOW_SPACE_BYTES:
        found.append(problem("disk_full", folder=folder))
    if machine.read_only:
        found.append(problem("disk_read_only", folder=folder))
    return found


def _not_found(store: Store, now: int, schedule: Schedule) -> list[Problem]:
    missing = count(
        store,
        "SELECT count(*) AS n FROM tasks WHERE state = 'pending' AND not_found_since <= :before",
        {"before": now - schedule.not_found_grace},
    )
    if not missing:
        return []
    answered = count(
        store,
        """
        SELECT count(*) AS n FROM (
            SELECT seq FROM tasks WHERE polls > 0 AND not_found_since IS NULL AND last_poll_at >=
                (SELECT min(not_found_since) FROM tasks WHERE state = 'pending' AND not_found_since IS NOT NULL)
            LIMIT :enough
        ) AS answered
        """,
        {"enough": missing},
    )
    return [problem("wrong_environment" if missing >= 3 and missing > answered else "not_found", missing)]


def count(store: Store, sql: str, params: dict[str, Any]) -> int:
    """The number that a ``SELECT count(*) AS n`` gives."""
    return int(store.read(sql, params)[0]["n"])
