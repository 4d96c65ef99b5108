"""Which problems of worker/core/problems.py stand at present, and how many each concerns. Reads only."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from worker.core.instant import iso, words
from worker.core.pacing.breaker import Breaker, PauseReason
from worker.core.pacing.limiter import FULL_PACE_PPM, LimiterState, spent_today
from worker.core.poll_errors import cure_of, in_words, is_about_us
from worker.core.problems import Problem, counted, elsewhere, problem, worst_first
from worker.core.schedule.cadence import Schedule
from worker.core.standing import QUIET_MS, Shown, shown
from worker.core.status_rules import StatusRules as StatusRules
from worker.ownership import Obstacle
from worker.store.db.store import Store
from worker.store.state import api, daemon, notices, responses
from worker.store.state import drop as rounds
from worker.store.state import standing as kept
from worker.store.tasks import tallies
from worker.store.views.backfill_problems import backfill_problems
from worker.store.views.callback_problems import callback_problems
from worker.store.views.daemons import DAY_MS, daemon_problems, living
from worker.store.views.daemons import Machine as Machine
from worker.store.views.delivery_problems import delivery_problems
from worker.store.views.lookups import lookup_problems
from worker.store.views.overdue import OVERDUE, overdue_cure
from worker.store.views.retention import not_rewritten
from worker.store.views.server_problems import server_problems
from worker.store.views.spool import spool_problems

HELD_SETS = """
SELECT count(*) AS n FROM sets JOIN files ON files.seq = sets.file
WHERE sets.state = 'quarantined' AND files.state = 'ingested'
"""

# A failure of a task that is a problem at once, and not after three polls, under its own name.
_AT_ONCE = ("unknown_status", "wrong_id", "damaged_id", "internal", "other_tenant")


def problems(store: Store, now: int, rules: StatusRules, machine: Machine, *, alive: bool) -> list[Problem]:
    """Everything that wants a person, the worst first, but for what is acknowledged."""
    told = all_problems(store, now, rules, machine, alive=alive)
    return [one.problem for one in told if one.acked is None]


def all_problems(store: Store, now: int, rules: StatusRules, machine: Machine, *, alive: bool) -> list[Shown]:
    """The same, with what is acknowledged."""
    return shown(kept.standing(store), found(store, now, rules, machine, alive=alive), now)


def found(store: Store, now: int, rules: StatusRules, machine: Machine, *, alive: bool) -> list[Problem]:
    """What stands at this moment, the worst first. ``alive``: this host's daemon makes its passes."""
    shared = api.get(store)
    lives = living(store, now, alive=alive)
    standing = daemon_problems(store, now, rules, machine, alive=alive)
    standing += _noticed(store, {one.name for one in lives} | ({"", store.daemon} if alive else set()))
    standing += _of_the_drop(store, now, rules, standing, lives)
    standing += _storage(store, standing, machine, alive=alive) + _disks_elsewhere(store)
    standing += _pause(shared.breaker) or _refusals(store, now, shared.limiter)
    daily = rules.limit.daily
    spent = daily is not None and spent_today(shared.limiter, now) >= daily
    standing += [problem("budget_spent", daily=daily)] if spent else []
    if (alive or lives) and rules.asks and rules.runs == "daemon" and not spent and not shared.breaker.paused:
        standing += _backlog(store, now, shared.limiter)
    standing += _batch_problems(store, now) + callback_problems(store) + lookup_problems(store)
    standing += not_rewritten(store, now) + backfill_problems(store, rules, shared.breaker)
    standing += delivery_problems(store, now, rules) + spool_problems(store, now, rules, lives)
    standing += _not_found(store, now, rules.schedule)
    standing += _failing(store, now, rules.schedule, shared.breaker)
    standing += _of_tasks(store, now, rules, shared.breaker)
    standing += _no_links(store) + server_problems(store, now)
    return worst_first(standing)


# A task that has been due for this long should have been polled.
DUE_LONG_MS = 60_000


def _backlog(store: Store, now: int, limiter: LimiterState) -> list[Problem]:
    cure = "raise requests_per_second, if the vendor allows more"
    if limiter.pace < FULL_PACE_PPM:
        cure = "the vendor has refused requests, so fewer are made; the pace recovers by itself"
    return _counted(("backlog", tallies.due(store, now - DUE_LONG_MS), {"cure": cure}))


# Not every check sets off a discovery. Where one in two does, ten in a row that do not come once in a thousand times.
SILENT_RESPONSES = 10


def _no_links(store: Store) -> list[Problem]:
    silent = responses.without_task(store)
    if silent.since is None or silent.responses < SILENT_RESPONSES:
        return []
    begin = f"{iso(silent.since)[:16].replace('T', ' ')} UTC"
    said = counted(silent.responses, "response")
    return [replace(problem("no_links", silent.responses, responses=said, begin=begin), since=silent.since)]


def _of_tasks(store: Store, now: int, rules: StatusRules, breaker: Breaker) -> list[Problem]:
    schedule = rules.schedule
    overdue = count(
        store,
        # Those whose polls keep failing are told of already.
        f"SELECT count(*) AS n FROM tasks WHERE {OVERDUE} AND failures < 3 AND not_found_since IS NULL",  # noqa: S608
        {"now": now, "paused": breaker.paused_until_now(now), "after": schedule.alert_after},
    )
    return _counted(
        ("overdue", overdue, {"lasting": words(schedule.alert_after), "cure": overdue_cure(asks=rules.asks)}),
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
    return [problem(f"api_{breaker.reason}", causes=[code], cause=cause, cure=cure)]


def _refusals(store: Store, now: int, limiter: LimiterState) -> list[Problem]:
    """A storm of refusals pauses the API again and again, for a moment each. It is over when none came for a minute,
    when the pace is full again, or when no task waits."""
    if (
        not tallies.by_state(store)["pending"]
        or limiter.pace >= FULL_PACE_PPM
        or not 0 <= now - limiter.slowed_at < QUIET_MS
    ):
        return []
    row = kept.standing(store).get(("api_rate_limited", ""))
    stands = row is not None and (row.ended_at is None or now - row.ended_at < QUIET_MS)
    return [problem("api_rate_limited", cure=_PAUSE_CURES["rate_limited"])] if stands else []


_PAUSE_CURES: dict[PauseReason, str] = {
    "credentials": "check client_id, client_secret and the product with the vendor",
    "rate_limited": "lower requests_per_second if this comes often",
    "unreachable": "check the network, the proxy and the vendor's status page",
}


def _failing(store: Store, now: int, schedule: Schedule, breaker: Breaker) -> list[Problem]:
    at_once = {code: n for code, n in tallies.by_error(store).items() if code in _AT_ONCE}
    lasting = {code: n for code, n in tallies.by_lasting_error(store).items() if code not in _AT_ONCE}
    if not breaker.paused:
        lasting = _since_the_pause(store, now, schedule, lasting)
    return [
        _failing_with(code, n)
        for code, n in sorted((at_once | lasting).items(), key=lambda one: -one[1])
        # The pause tells of these tasks already, and `not_found` has its own rules.
        if n and code not in ("not_found", breaker.code) and not (breaker.paused and is_about_us(code))
    ]


def _failing_with(code: str, n: int) -> Problem:
    if code in _AT_ONCE:
        return problem(code, n)
    return problem(f"failing_{code}", n, cause=_with(code), error=code, cure=cure_of(code) or "ask the vendor")


def _since_the_pause(store: Store, now: int, schedule: Schedule, counts: dict[str, int]) -> dict[str, int]:
    """After a pause a failure of its cause counts once its task has failed again: before that it is the same outage."""
    last = api.last_pause(store)
    if last is None or not 0 <= now - last.ended_at <= schedule.max_interval:
        return counts  # by then each task was polled again
    outage = last.reason != "rate_limited"
    explained = {code for code in counts if code == last.code or (outage and is_about_us(code))}
    again = tallies.failed_again(store, last.ended_at) if explained else {}
    return {code: again.get(code, 0) if code in explained else n for code, n in counts.items()}


def _with(code: str) -> str:
    said = in_words(code)
    return f" with {said}" if said.startswith("HTTP") else f": {said}"


def _noticed(store: Store, in_force: set[str]) -> list[Problem]:
    """``in_force``: the daemons that live. Of one that does not, no configuration is in force."""
    found = []
    for whose, code, detail in notices.told(store):
        if code != "reload_refused" or whose in in_force:
            one = Problem(code, 1, detail, daemon=whose)
            found.append(one if whose in ("", store.daemon) else elsewhere(one))
    return found


def _of_the_drop(
    store: Store, now: int, rules: StatusRules, standing: list[Problem], lives: Sequence[daemon.NamedDaemon]
) -> list[Problem]:
    """``standing``: a problem of every round tells already why no round is good."""
    every = rules.every_ms
    if every is None:
        return []
    began_at = min((one.beat.started_at for one in lives), default=None)
    silence = rounds.silence(store, every, began_at, now)
    told = rules.runs == "once" or any(one.code.startswith("sftp_") for one in standing)
    found = [] if silence is None or told else [_stale(silence, every)]
    troubled = rounds.troubled(store)
    if troubled is not None:
        more = [f"and {troubled.more} more"] if troubled.more else []
        found.append(problem("sftp_files", troubled.files, causes=troubled.said, named="; ".join(troubled.said + more)))
    return found


def _stale(silence: rounds.Silence, every: int) -> Problem:
    under_way = "" if silence.under_way is None else f", and the round under way has lasted {words(silence.under_way)}"
    return problem("sftp_stale", lasting=words(silence.lasting), every=words(every), under_way=under_way)


def _batch_problems(store: Store, now: int) -> list[Problem]:
    whole = count(store, "SELECT count(*) AS n FROM files WHERE state = 'quarantined'", {})
    sets = count(store, HELD_SETS, {})
    cut = count(
        store,
        "SELECT count(*) AS n FROM files WHERE state = 'incomplete' AND :now - first_at > :day",
        {"now": now, "day": DAY_MS},
    )
    kept = [counted(n, noun) for n, noun in ((whole, "file"), (sets, "transaction set")) if n]
    return _counted(("quarantined", whole + sets, {"things": " and ".join(kept)}), ("incomplete_files", cut, {}))


# With less than this the next results may soon not fit, and with less than this nothing may be recorded any more.
LOW_SPACE_BYTES = 64 * 1024 * 1024
NO_SPACE_BYTES = 4 * 1024 * 1024


_OF_A_DISK = {"disk_full", "disk_low", "disk_read_only", "disk_unreadable"}

# These say already why the database cannot be written.
_DISK_SAYS = {"disk_full", "disk_read_only"}

NO_WRITES = {"database_unwritable", *_DISK_SAYS}
"""With one of these the daemon cannot write down which problems stand."""


def _storage(store: Store, standing: list[Problem], machine: Machine, *, alive: bool) -> list[Problem]:
    """The disk of this host, and what the daemon's own file says of the database."""
    found = _disk(store.path.parent, machine)
    if any(one.code in _DISK_SAYS for one in found):
        # A daemon that cannot save what it heard finishes no pass, and cannot say so.
        standing[:] = [one for one in standing if one.code != "daemon_stuck"]
    beat = daemon.last_beat(store) if alive else None
    if beat is None or beat.unwritable is None:
        denied = None if machine.read_only else machine.denied
        found += [] if denied is None else [_denied(denied)]
    else:
        said = beat.unwritable
        found = with_unwritable(found, unwritable(said.message, said.hint, said.since))
    return [replace(one, daemon=store.daemon) for one in found]


def _disks_elsewhere(store: Store) -> list[Problem]:
    """What other hosts have written down of their disks: that cannot be seen from here."""
    stopped = {one.name for one in daemon.listed(store) if one.beat.stopped_at is not None}
    return [
        elsewhere(replace(problem(row.code, row.n, folder="its state folder"), daemon=row.daemon))
        for row in kept.standing(store).values()
        if row.code in _OF_A_DISK and row.ended_at is None and row.daemon not in {"", store.daemon, *stopped}
    ]


def _denied(shut: Obstacle) -> Problem:
    return problem("database_denied", causes=[shut.words], cause=shut.words, cure=shut.cure)


def unwritable(message: str, cure: str, since: int) -> Problem:
    """The daemon cannot write the database since then."""
    return replace(problem("database_unwritable", causes=[message], cause=message, cure=cure), since=since)


def with_unwritable(found: list[Problem], told: Problem) -> list[Problem]:
    """``found`` and ``told``, where the disk is not named as the cause already."""
    return found if any(one.code in _DISK_SAYS for one in found) else worst_first([*found, told])


def _disk(folder: Path, machine: Machine) -> list[Problem]:
    if machine.free_bytes is None:
        return [problem("disk_unreadable", folder=folder)]
    found = []
    if machine.free_bytes < LOW_SPACE_BYTES:
        code = "disk_full" if machine.free_bytes < NO_SPACE_BYTES else "disk_low"
        found.append(problem(code, folder=folder))
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
